"""What scanners look at and what they say of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Self

from orbitalreg.errors import InvalidName
from orbitalreg.model.packages import Microseconds


class Severity(IntEnum):
    """How bad a finding is. `UNKNOWN` is what nobody rated; `MALICIOUS` a package that was made to do harm."""

    UNKNOWN = 0
    NEGLIGIBLE = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5
    MALICIOUS = 6

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The severity that `text` names, in any case; MODERATE is medium, as advisories have it.

        Raises `InvalidName`.
        """
        name = text.strip().upper()
        try:
            return cls["MEDIUM" if name == "MODERATE" else name]
        except KeyError:
            known = ", ".join(map(str, cls))
            raise InvalidName(f"{text!r} is no severity: use one of {known}") from None


class ReportStatus(StrEnum):
    """What a report's silence is worth. Only `OK` proves that nothing is known.

    `NOT_SCANNED`: the scanner did not recognise the file. `ERROR`: it failed. `DB_STALE`: it looked, with a database
    that is too old; its findings count like any others.
    """

    OK = "ok"
    NOT_SCANNED = "not_scanned"
    ERROR = "error"
    DB_STALE = "db_stale"

    @property
    def has_looked(self) -> bool:
        return self in (ReportStatus.OK, ReportStatus.DB_STALE)


@dataclass(frozen=True, slots=True)
class Component:
    """A package as scanners are asked about it: the file's own, or one that is bundled in it.

    `purl` is its package URL (https://github.com/package-url/purl-spec); `aliases` are other spellings of the name, for
    scanners that do not fold them. `location` is the path of its metadata among what is staged.
    """

    name: str
    version: str
    purl: str
    location: str = ""
    is_bundled: bool = False
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Staged:
    """What scanners are handed of a file: small documents by their relative path, and the packages they are of.

    The first component is the file's own package; others are there only where everything was asked for (`deep`).
    It crosses a process boundary: plain values only.
    """

    components: tuple[Component, ...]
    documents: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Database:
    """What a scanner knows vulnerabilities by. A new `digest` means that files may be judged otherwise.

    `is_stale`: the scanner calls it too old, so that its reports are `db_stale` in the place of `ok`.
    """

    version: str
    digest: str
    built_at: Microseconds | None = None
    is_stale: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a scanner found in one package.

    `id` is the scanner's own, `aliases` the other ids of the same vulnerability. `package` and `version` are as in the
    `Component` that it concerns, as are `purl`, `location` and `is_bundled`. `cvss` is a vector. `fixed_in` is the
    smallest version above this one that is mended; `published_at` when the vulnerability became known.
    """

    id: str
    package: str
    version: str
    severity: Severity = Severity.UNKNOWN
    aliases: tuple[str, ...] = ()
    purl: str = ""
    location: str = ""
    is_bundled: bool = False
    cvss: str | None = None
    fixed_in: str | None = None
    title: str = ""
    links: tuple[str, ...] = ()
    published_at: Microseconds | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What one scanner says of one file.

    `packages_seen` are the purls of the components that the scanner recognised: the proof that its silence means
    something. `reason` says why, where the status is another than ok. `database` is what it judged by.
    """

    scanner: str
    status: ReportStatus
    findings: tuple[Finding, ...] = ()
    packages_seen: tuple[str, ...] = ()
    database: Database | None = None
    scanner_version: str = ""
    reason: str | None = None
    scanned_at: Microseconds = 0
    """Set by the host, as is the next."""
    looks_for_faults: bool = True
    """Whether its scanner looks for vulnerabilities or malware: that others find none says nothing."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scanner brings back from one file: its report, the tool's own output, and documents to keep beside it.

    `documents` maps a kind, such as `cyclonedx`, to bytes.
    """

    report: Report
    raw: bytes = b""
    documents: Mapping[str, bytes] = field(default_factory=dict)
