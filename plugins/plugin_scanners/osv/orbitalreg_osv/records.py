"""One record of OSV (https://ossf.github.io/osv-schema/) as what findings are made of. Records are not trusted."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orbitalreg.errors import InvalidName
from orbitalreg.model import Microseconds, Severity, now
from orbitalreg_osv import ecosystems
from orbitalreg_osv.ecosystems import Ecosystem
from orbitalreg_osv.matching import Event
from orbitalreg_osv.vectors import best

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
MALICIOUS = "MAL-"
TITLE, LINK, LINKS, ALIASES = 200, 2000, 10, 50
"""So many characters of a title and of a link, so many links and aliases are kept."""
_EVENTS = frozenset({"introduced", "fixed", "last_affected", "limit"})
_EARLIEST = 631_152_000_000_000
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")


class Unusable(ValueError):
    """A record that is not of the form that the schema gives."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that a record is about: its ecosystem, its name in normal form, and what is affected.

    `ranges` are the events of each range that is not of commits.
    """

    ecosystem: Ecosystem
    name: str
    versions: tuple[str, ...]
    ranges: tuple[tuple[Event, ...], ...]


@dataclass(frozen=True, slots=True)
class Advisory:
    """What a record says of the vulnerability. `severity` is `UNKNOWN` where it rates none itself."""

    id: str
    aliases: tuple[str, ...]
    severity: Severity
    cvss: str | None
    title: str
    links: tuple[str, ...]
    published_at: Microseconds | None

    @property
    def is_of_github(self) -> bool:
        return self.id.startswith("GHSA-")


@dataclass(frozen=True, slots=True)
class Record:
    """A whole record; `packages` are those of known ecosystems."""

    advisory: Advisory
    modified_at: Microseconds | None
    is_withdrawn: bool
    packages: tuple[Package, ...]


def parse(text: bytes) -> Record:
    """Raises `Unusable` for what is no record. What is odd in a detail that decides nothing is left out."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"not JSON: {error}") from error
    return read(found)


def read(found: Any) -> Record:
    """A record that was JSON. Raises `Unusable`."""
    if not isinstance(found, dict) or not _is_id(found.get("id")):
        raise Unusable("no id")
    affected = _list(found, "affected")
    severity, cvss = _severity(found, affected)
    aliases = tuple(dict.fromkeys(one for one in _list(found, "aliases") if _is_id(one) and one != found["id"]))
    aliases = aliases[:ALIASES]
    if any(one.startswith(MALICIOUS) for one in (found["id"], *aliases)):
        severity = Severity.MALICIOUS
    title = _line(found.get("summary")) or _line(found.get("details"))
    advisory = Advisory(found["id"], aliases, severity, cvss, title, _links(found), _published(found))
    packages = tuple(_packages(affected))
    return Record(advisory, moment(found.get("modified")), bool(found.get("withdrawn")), packages)


def moment(text: Any) -> Microseconds | None:
    """A time of RFC 3339 with any number of digits, None for what is none."""
    match = _MOMENT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    whole, fraction, zone = match.groups()
    try:
        at = datetime.fromisoformat(whole + ("+00:00" if zone == "Z" else zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    seconds = int(at.timestamp())
    return seconds * 1_000_000 + int(((fraction or ".0")[1:] + "000000")[:6])


def _published(found: Mapping[str, Any]) -> Microseconds | None:
    """None for a time at which it cannot have been: nothing is known from before 1990, nor from the future."""
    at = moment(found.get("published"))
    return at if at is not None and _EARLIEST <= at <= now() else None


def _packages(affected: Iterable[Any]) -> Iterator[Package]:
    for entry in affected:
        package = entry.get("package") if isinstance(entry, dict) else None
        if package is None and isinstance(entry, dict):
            continue  # about commits alone
        if not isinstance(package, dict) or not _are_texts(package.get("ecosystem"), package.get("name")):
            raise Unusable("a package without a name")
        if (ecosystem := ecosystems.of_record(package["ecosystem"])) is not None:
            versions = _list(entry, "versions")
            if not _are_texts(*versions):
                raise Unusable("versions that are no texts")
            ranges = tuple(_events(one) for one in _list(entry, "ranges") if _is_ordered(one))
            yield Package(ecosystem, ecosystem.normal(package["name"]), tuple(versions), ranges)


def _is_ordered(entry: Any) -> bool:
    """Whether it is a range of versions; those of commits say nothing of a version."""
    if not isinstance(entry, dict) or not _are_texts(entry.get("type")):
        raise Unusable("a range without a type")
    return entry["type"] in ("ECOSYSTEM", "SEMVER")


def _events(entry: Mapping[str, Any]) -> tuple[Event, ...]:
    events = _list(entry, "events")
    for event in events:
        if not isinstance(event, dict) or not event or not event.keys() <= _EVENTS or not _are_texts(*event.values()):
            raise Unusable("an event that is none")
    return tuple(events)


def _severity(found: Mapping[str, Any], affected: list[Any]) -> tuple[Severity, str | None]:
    """The best vector's, else the word of whoever keeps the record."""
    holders = [found, *_tables(affected)]
    for holder in holders:
        scores = [entry.get("score") for entry in _tables(holder.get("severity"))]
        if (rated := best(score for score in scores if isinstance(score, str))) is not None:
            return rated
    for holder in holders:
        own = holder.get("database_specific")
        if isinstance(own, dict) and isinstance(own.get("severity"), str):
            try:
                return min(Severity.parse(own["severity"]), Severity.CRITICAL), None
            except InvalidName:
                continue
    return Severity.UNKNOWN, None


def _links(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of references, advisories first."""
    references = sorted(_tables(found.get("references")), key=lambda entry: entry.get("type") != "ADVISORY")
    urls = (entry.get("url") for entry in references)
    good = (url for url in urls if isinstance(url, str) and len(url) <= LINK and re.match(r"https?://[!-~]+\Z", url))
    return tuple(dict.fromkeys(good))[:LINKS]


def _line(text: Any) -> str:
    """The first line that says something, without what a terminal would obey."""
    lines = (line.strip(" #") for line in text[:10_000].splitlines()) if isinstance(text, str) else iter(())
    first = next(filter(None, lines), "")
    clean = " ".join("".join(char if char.isprintable() else " " for char in first).split())
    return clean if len(clean) <= TITLE else clean[: TITLE - 3].rstrip() + "..."


def _list(found: Mapping[str, Any], key: str) -> list[Any]:
    value = found.get(key)
    if value is not None and not isinstance(value, list):
        raise Unusable(f"{key} is no list")
    return value or []


def _tables(value: Any) -> list[dict[str, Any]]:
    """What in a list is a table; nothing where it is no list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and ID.fullmatch(value) is not None


def _are_texts(*values: Any) -> bool:
    """Texts that can be stored: a lone surrogate cannot."""
    return all(isinstance(value, str) and value.isprintable() for value in values)
