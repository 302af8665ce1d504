"""What the author of a format says of it, for the contract to hold the adapter against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orbitalreg.interfaces import FormatAdapter, Route
from orbitalreg.model import Locked, Requirement


@dataclass(frozen=True, slots=True)
class GoodFile:
    """A file that may be published, and what it is, in normal form."""

    filename: str
    body: bytes
    package: str
    version: str
    claims: Mapping[str, str] = field(default_factory=dict)
    license: str | None = None
    """What it states, as an SPDX expression."""


@dataclass(frozen=True, slots=True)
class GoodLock:
    """A lock file, and what it pins."""

    filename: str
    body: bytes
    pins: Sequence[Locked]


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file that must be refused; `says` is a part of the reason."""

    filename: str
    body: bytes
    says: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GoodRequirement:
    """What a file may ask for in the words of `found.stated`, and what that means.

    It counts where `extra` is asked for, if there is one, and in the environment `only`, if there is one. `chosen` are
    the versions that an installer may take of the good files of its package, the one that it takes first; None leaves
    that open.
    """

    found: Requirement
    extra: str = ""
    only: str = ""
    chosen: Sequence[str] | None = None


@dataclass(frozen=True)
class AdapterUnderTest:
    """What the fixture `subject` returns: the adapter, and what is true of its format.

    `names` and `versions` map spellings to their normal forms; `ordered_versions` are normal forms, oldest first.
    `accepts` are the `Accept` headers that lead to each representation of a page. `fields` are values for the fields
    of the routes other than `package` and `filename`. `upstream` is what is put after the address of a repository to
    make it what a remote repository elsewhere is configured with. `locks` are of a format that reads lock files,
    `environments` (spellings and their normal forms), `bad_environments` and `requirements` of one whose versions ask
    for others. The adapter's class is at the top of a module that a child process can import. Raises `ValueError`
    where a list is too short to show anything.
    """

    adapter: FormatAdapter
    good_files: Sequence[GoodFile]
    bad_files: Sequence[BadFile]
    names: Mapping[str, str]
    bad_names: Sequence[str]
    versions: Mapping[str, str]
    bad_versions: Sequence[str]
    ordered_versions: Sequence[str]
    accepts: Sequence[str] = ("*/*",)
    fields: Mapping[str, str] = field(default_factory=dict)
    upstream: str = ""
    locks: Sequence[GoodLock] = ()
    environments: Mapping[str, str] = field(default_factory=dict)
    bad_environments: Sequence[str] = ()
    requirements: Sequence[GoodRequirement] = ()

    def __post_init__(self) -> None:
        wanted = {"ordered_versions": 2}
        for name in (
            "good_files",
            "bad_files",
            "names",
            "bad_names",
            "versions",
            "bad_versions",
            "ordered_versions",
            "accepts",
        ):
            if len(getattr(self, name)) < wanted.get(name, 1):
                raise ValueError(f"{name}: give at least {wanted.get(name, 1)}")

    def reads(self) -> list[Route]:
        """The routes that show something."""
        return [route for route in self.adapter.routes() if route.method == "GET"]

    def places(self) -> list[str]:
        """The environments that are known, in normal form."""
        return sorted({*self.adapter.environments(), *self.environments.values()})

    def values(self) -> dict[str, str]:
        """A value for each field of a route that is known."""
        good = self.good_files[0]
        return {"filename": good.filename, **self.fields, "package": good.package}
