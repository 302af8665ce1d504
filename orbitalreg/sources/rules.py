"""What a repository holds back by its configuration. Pure: a file, its repositories' rules and an instant go in.

A file is judged by the rules of the repository that was asked and of each on the way to the one that holds it. An
exception opens a version over `min_age` and `freeze` of the one repository it was made for. It opens no package that
`allow` or `deny` keeps out, and nothing that is quarantined.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Self

from orbitalreg.config import RepositorySettings
from orbitalreg.model import File, Microseconds, Repository, Withholding
from orbitalreg.sources.patterns import Patterns
from orbitalreg.times import at, end_of, microseconds

SECOND = 1_000_000
FOREVER = 1 << 62
LAST = microseconds(datetime(9999, 12, 30, tzinfo=UTC))
"""The last instant that is told of, whatever an upstream says of a file's age."""

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Rules:
    """Those of one repository. `min_age` is in seconds; `allow` None allows every name."""

    repository: Repository
    min_age: int
    min_age_except: Patterns
    freeze: date | None
    allow: Patterns | None
    deny: Patterns

    @classmethod
    def of(cls, repository: Repository, settings: RepositorySettings, normalize: Callable[[str], str]) -> Self:
        """As configured; `normalize` is the adapter's."""
        return cls(
            repository,
            settings.min_age,
            Patterns(settings.min_age_except, normalize),
            settings.freeze,
            Patterns(settings.allow, normalize) if settings.allow else None,
            Patterns(settings.deny, normalize),
        )

    @property
    def by_time(self) -> bool:
        """Whether some of them are those that an exception opens."""
        return bool(self.min_age) or self.freeze is not None

    @property
    def digest(self) -> str:
        """Changes with the configuration."""
        said = (self.repository.id, self.min_age, self.min_age_except, self.freeze, self.allow, self.deny)
        return hashlib.sha256("\n".join(map(str, said)).encode()).hexdigest()[:16]

    def refusal(self, package: str) -> str | None:
        """Why the package as a whole is kept out."""
        if package in self.deny:
            return "its name matches deny"
        if self.allow is not None and package not in self.allow:
            return "its name does not match allow"
        return None

    def opens_at(self, file: File, remedy: bool) -> tuple[Microseconds, str] | None:
        """When time opens the file, or `FOREVER`, and what keeps it closed until then; None where nothing does.

        `remedy`: the version mends what it replaces, and so `min_age` does not hold it back.
        """
        if self.freeze is not None and file.uploaded_at >= end_of(self.freeze):
            return FOREVER, f"uploaded after {self.freeze.isoformat()}, the day of the freeze"
        if self.min_age and not remedy and file.package not in self.min_age_except:
            return min(file.uploaded_at + self.min_age * SECOND, LAST), f"younger than {duration(self.min_age)}"
        return None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules' outcome for one package depends on beside the configuration.

    `opened` has, for a repository's id and a version's key, until when an exception opens that version there;
    `remedies` the keys of the versions that mend what they replace, and what that is.
    """

    opened: Mapping[tuple[str, Any], Microseconds]
    remedies: Mapping[Any, str]


def verdict(file: File, key: Any, rules: Iterable[Rules], facts: Facts, instant: Microseconds) -> Withholding | None:
    """Why the file is held back at that instant, and until when; of several reasons the one that lasts longest.

    `key` is that of the file's version.
    """
    longest: tuple[Microseconds, Withholding] | None = None
    for one in rules:
        closed = _closed_until(one, file, key, facts, instant)
        if closed is not None and (longest is None or closed[0] > longest[0]):
            until, reason = closed
            longest = until, Withholding(reason, None if until == FOREVER else until, str(one.repository.address))
    return longest[1] if longest else None


def next_change(
    file: File, key: Any, rules: Collection[Rules], facts: Facts, instant: Microseconds
) -> Microseconds | None:
    """The first instant after this one at which time alone changes the verdict."""
    present = verdict(file, key, rules, facts, instant)
    turns = sorted(turn for one in rules for turn in _turns(one, file, key, facts) if instant < turn < FOREVER)
    return next((turn for turn in turns if verdict(file, key, rules, facts, turn) != present), None)


def _closed_until(
    rules: Rules, file: File, key: Any, facts: Facts, instant: Microseconds
) -> tuple[Microseconds, str] | None:
    if (refusal := rules.refusal(file.package)) is not None:
        return FOREVER, refusal
    if instant < facts.opened.get((rules.repository.id, key), 0):
        return None
    opening = rules.opens_at(file, key in facts.remedies)
    return opening if opening is not None and instant < opening[0] else None


def _turns(rules: Rules, file: File, key: Any, facts: Facts) -> Iterable[Microseconds]:
    if (until := facts.opened.get((rules.repository.id, key))) is not None:
        yield until
    if (opening := rules.opens_at(file, key in facts.remedies)) is not None:
        yield opening[0]


def duration(seconds: int) -> str:
    """`7d`: in the largest unit that tells it in whole numbers."""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds // size}{unit}"


def told(filename: str, withholding: Withholding) -> str:
    """What a person reads who asks for a file that is held back."""
    opens = f"; opens {_minute(withholding.until)}" if withholding.until is not None else ""
    return f"{filename} is withheld by {withholding.by}: {withholding.reason}{opens}"


def _minute(instant: Microseconds) -> str:
    """Rounded up, so that at the time told it is open."""
    return f"{at(instant + 60 * SECOND - 1):%Y-%m-%d %H:%M} UTC"
