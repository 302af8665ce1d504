"""The advisories of the shared data, for databases that tests build of them."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

DATA = Path(__file__).parents[3] / "shared" / "data" / "pypa-osv.zip"


@dataclass(frozen=True, slots=True)
class Span:
    """Versions from `introduced` on, up to and without `fixed`, or with `last`; neither: no end."""

    introduced: str
    fixed: str | None = None
    last: str | None = None

    def __contains__(self, version: Version) -> bool:
        if self.introduced != "0" and version < Version(self.introduced):
            return False
        if self.fixed is not None:
            return version < Version(self.fixed)
        return self.last is None or version <= Version(self.last)


@dataclass(frozen=True, slots=True)
class Affected:
    """What one record says of one package. `versions` are those listed beside the spans, and not within one.

    A version that is not of PEP 440 is left out: both tools would pass over everything that stands beside it.
    """

    id: str
    aliases: tuple[str, ...]
    package: str
    spans: tuple[Span, ...]
    versions: tuple[str, ...]
    record: Mapping[str, Any]

    @property
    def cve(self) -> str | None:
        return next((alias for alias in sorted(self.aliases) if alias.startswith("CVE-")), None)


def read(path: Path | None = None) -> Iterator[Affected]:
    """Each package of each record that is not withdrawn. A GIT range says nothing of versions."""
    with zipfile.ZipFile(path or DATA) as archive:
        for name in sorted(archive.namelist()):
            record = json.loads(archive.read(name))
            if record.get("withdrawn"):
                continue
            for affected in record["affected"]:
                spans = tuple(_spans(affected))
                listed = (version for version in affected.get("versions", ()) if _is_beside(version, spans))
                package = canonicalize_name(affected["package"]["name"])
                yield Affected(record["id"], tuple(record.get("aliases", ())), package, spans, tuple(listed), record)


def _spans(affected: Mapping[str, Any]) -> Iterator[Span]:
    """Events sorted, on ties `fixed` before `introduced`, as the schema has it, if all are versions."""
    for found in affected.get("ranges", ()):
        if found["type"] != "ECOSYSTEM":
            continue
        events = [(kind, value) for event in found["events"] for kind, value in event.items()]
        start = None
        with suppress(InvalidVersion):
            events.sort(key=_place)
        for kind, value in events:
            if kind == "introduced":
                start = start if start is not None else value
            elif start is not None:
                yield Span(start, value) if kind == "fixed" else Span(start, None, value)
                start = None
        if start is not None:
            yield Span(start)


def _place(event: tuple[str, str]) -> tuple[Version, int]:
    kind, value = event
    return Version(value), ("fixed", "introduced", "last_affected").index(kind)


def _is_beside(version: str, spans: tuple[Span, ...]) -> bool:
    try:
        parsed = Version(version)
        return not any(parsed in span for span in spans)
    except InvalidVersion:
        return False
