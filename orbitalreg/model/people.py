"""People and programs: what they may do, and whom the audit log names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from fnmatch import fnmatchcase
from typing import Self

from orbitalreg.errors import InvalidName
from orbitalreg.model.packages import Address, valid_name

_PATTERN = re.compile(r"[A-Za-z0-9._*?-]{1,128}")

NOBODY = "anonymous"
"""Who calls without credentials. No account is called so: theirs begin with what they are, `user:`."""


class Right(IntEnum):
    """What somebody may do; each right holds those before it."""

    READ = 1
    PUBLISH = 2
    MAINTAIN = 3
    ADMIN = 4

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The right that `text` names. Raises `InvalidName`."""
        try:
            return cls[text.upper()]
        except KeyError:
            raise InvalidName(f"{text!r} is no right: use read, publish, maintain or admin") from None


@dataclass(frozen=True, slots=True)
class Grant:
    """A right on a project, on one repository of it, or on the packages in it that match a pattern."""

    project: str
    repository: str | None
    pattern: str | None
    right: Right

    def __post_init__(self) -> None:
        valid_name(self.project, "project name")
        if self.repository is not None:
            valid_name(self.repository, "repository name")
        if self.pattern is not None and (self.repository is None or not _PATTERN.fullmatch(self.pattern)):
            raise InvalidName(f"{self.pattern!r} is no package pattern: use a name, '*' and '?', after PROJECT/REPO/")

    def __str__(self) -> str:
        return "/".join(part for part in (self.project, self.repository, self.pattern) if part) + f":{self.right}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """`PROJECT[/REPO[/PATTERN]]:RIGHT`. Raises `InvalidName`."""
        target, colon, right = text.rpartition(":")
        if not colon or target.count("/") > 2:
            raise InvalidName(f"{text!r} is no grant: write PROJECT[/REPO[/PATTERN]]:RIGHT, e.g. acme/internal:publish")
        project, repository, pattern = (*target.split("/"), None, None)[:3]
        return cls(project or "", repository, pattern, Right.parse(right))

    def covers(self, address: Address, package: str | None) -> bool:
        """Whether this speaks of `package` there; None asks for the repository as a whole."""
        if self.project != address.project or self.repository not in (None, address.repository):
            return False
        return self.pattern is None or (package is not None and fnmatchcase(package, self.pattern))

    def touches(self, address: Address) -> bool:
        """Whether this speaks of anything in that repository."""
        return self.project == address.project and self.repository in (None, address.repository)

    def within(self, other: "Grant") -> bool:
        """Whether `other` alone gives all that this gives. A no may be too careful, a yes is never wrong."""
        return (
            self.project == other.project
            and self.right <= other.right
            and other.repository in (None, self.repository)
            and (other.pattern is None or (self.pattern is not None and _is_narrower(self.pattern, other.pattern)))
        )


def _is_narrower(pattern: str, other: str) -> bool:
    """Whether every name that `pattern` matches is matched by `other`; its wildcards are read as plain characters.

    That holds unless a `?` of `other` took a `*`, which stands for more than one character or for none.
    """
    return pattern == other or (not ("*" in pattern and "?" in other) and fnmatchcase(pattern, other))


def best(grants: Sequence[Grant], address: Address, package: str | None) -> int:
    """The highest right that `grants` give there; 0 for none."""
    return max((grant.right for grant in grants if grant.covers(address, package)), default=0)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling: an account, most often by way of one of its tokens, the operator at the machine, or nobody.

    `owner` are the account's grants and `token` those of the token used; the lesser of the two counts, so that a
    right taken from the account is gone from its tokens. A user who is known by something else than a token has no
    `token_id`, and both are the user's. `origin` is where a token that was exchanged comes from.
    """

    name: str
    token_id: str | None = None
    owner: tuple[Grant, ...] = ()
    token: tuple[Grant, ...] = ()
    is_operator: bool = False
    origin: Mapping[str, str] | None = None
    _levels: dict[tuple[Address, str | None], int] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was asked before: a token's grants are looked through once for each package, not with each request."""

    @property
    def is_anonymous(self) -> bool:
        return self.name == NOBODY

    @property
    def is_admin_somewhere(self) -> bool:
        """Whether `admin` is held on any project as a whole."""
        return self.is_operator or any(
            grant.right is Right.ADMIN and grant.repository is None and self.may_throughout(Right.ADMIN, grant.project)
            for grant in self.token
        )

    def may(self, right: Right, address: Address, package: str | None = None) -> bool:
        """Whether `right` is held on `package` there, or on the whole repository."""
        if self.is_operator:
            return True
        level = self._levels.get((address, package))
        if level is None:
            level = min(best(self.owner, address, package), best(self.token, address, package))
            if len(self._levels) >= REMEMBERED_LEVELS:
                self._levels.clear()
            self._levels[address, package] = level
        return level >= right

    def may_somewhere(self, right: Right, address: Address) -> bool:
        """Whether `right` may be held on some package there, so that a finer question is worth asking."""
        if self.is_operator:
            return True
        return all(
            any(grant.right >= right and grant.touches(address) for grant in grants)
            for grants in (self.owner, self.token)
        )

    def may_throughout(self, right: Right, project: str) -> bool:
        """Whether `right` is held on the project as a whole, repositories to come included."""
        if self.is_operator:
            return True
        return all(
            any(grant.right >= right and (grant.project, grant.repository) == (project, None) for grant in grants)
            for grants in (self.owner, self.token)
        )


REMEMBERED_LEVELS = 256
"""Of how many packages one identity remembers what may be done to them."""

ANONYMOUS = Identity(NOBODY)


@dataclass(frozen=True, slots=True)
class Actor:
    """Whom the audit log names for a change, and from where it came. `origin` is as in `Identity`."""

    name: str
    token_id: str | None = None
    address: str | None = None
    request_id: str | None = None
    origin: Mapping[str, str] | None = None
