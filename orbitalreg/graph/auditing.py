"""What an installation would bring, before it is made: its versions, what they have, and what to change."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orbitalreg.errors import InvalidName, Unresolved
from orbitalreg.findings import Hop, Vulnerability, order_of, vulnerabilities_of
from orbitalreg.graph.offers import Offers
from orbitalreg.graph.resolving import Resolution, Wish, resolve
from orbitalreg.graph.upgrading import Ill, Upgrades, ills, upgrades
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import Locked, Report, Requirement
from orbitalreg.sources.policing import Known


@dataclass(frozen=True, slots=True)
class Audit:
    """`ills` have the worst first; `upgrades` is None where there are none. `reports` are those on the files of each
    version that was chosen, by package and filename. `left_out` are wishes that do not count here, with the reason.
    """

    environment: str
    resolution: Resolution
    ills: tuple[Ill, ...]
    paths: Mapping[str, tuple[Hop, ...]]
    reports: Mapping[str, Mapping[str, Sequence[Report]]]
    upgrades: Upgrades | None
    left_out: tuple[tuple[str, str], ...]


def audit(
    offers: Offers, requirements: Sequence[str], locked: Iterable[tuple[str, Locked]], known: Known, mend: bool = True
) -> Audit:
    """Of what the requirements and the pins of lock files, each with its file's name, would have installed.

    Raises `InvalidName` for a requirement that cannot be read, `Unresolved`, `UpstreamFailed`.
    """
    wishes, left_out = wished(offers.adapter, requirements, offers.environment)
    pinned, elsewhere = pins(offers, locked)
    wishes += pinned
    found = _Found(offers, known)
    resolution = resolve(offers, wishes)
    bad = ills(resolution, found.affected)
    return Audit(
        offers.environment,
        resolution,
        tuple(bad),
        resolution.paths(),
        {package: found.reports(package, one.key) for package, one in resolution.chosen.items()},
        upgrades(offers, wishes, resolution, found.affected) if bad and mend else None,
        (*left_out, *elsewhere),
    )


def wished(
    adapter: FormatAdapter, requirements: Sequence[str], environment: str
) -> tuple[list[Wish], list[tuple[str, str]]]:
    """What is asked for in these words, and what of it does not count in the environment. Raises `InvalidName`."""
    wishes, left_out = [], []
    for text in requirements:
        read = adapter.requirements([text], environment)
        if any(not one.package for one in read):
            raise InvalidName(f"{text!r} is no requirement that can be read")
        wishes += [Wish(one) for one in read]
        if not read:
            left_out.append((text, f"it does not count for {environment}"))
    return wishes, left_out


def pins(offers: Offers, locked: Iterable[tuple[str, Locked]]) -> tuple[list[Wish], list[tuple[str, str]]]:
    """The versions that lock files pin, as wishes, and those whose files are for other environments alone.

    Of several of one package, as locks for several environments have them, any will do. Raises `Unresolved` for what
    the repository does not have.
    """
    wishes: list[Wish] = []
    left_out: list[tuple[str, str]] = []
    by_package: dict[str, list[tuple[str, Locked]]] = {}
    for filename, pin in locked:
        by_package.setdefault(pin.package, []).append((filename, pin))
    for package in by_package:
        offers.ahead(Requirement(package))
    for package, some in by_package.items():
        keys = {offers.adapter.version_key(pin.version) for _, pin in some if _is_offered(offers, pin, filename=_)}
        stated = " or ".join(dict.fromkeys(f"{package}=={pin.version}" for _, pin in some))
        place = f"{some[0][0]} {some[0][1].place}".strip()
        if keys:
            wishes.append(Wish(Requirement(package, stated=stated), frozenset(keys), place))
        else:
            left_out.append((stated, f"it has no file for {offers.environment}"))
    return wishes, left_out


def _is_offered(offers: Offers, pin: Locked, filename: str) -> bool:
    """Whether the environment could take a file of it. Raises `Unresolved` where no environment could."""
    offer, key = offers.of(pin.package), offers.adapter.version_key(pin.version)
    place = f"{filename} {pin.place}: {pin.package}=={pin.version}"
    if offer.listing is None:
        raise Unresolved(f"{place}: {offers.address} has no package {pin.package}")
    files = [file for file in offer.listing.files if file.version and offers.key(file) == key]
    explain = f"see: orbitalreg explain {offers.address}/{pin.package}"
    if not files:
        raise Unresolved(f"{place}: {offers.address} offers no file of this version; {explain}")
    if pin.sha256 and not any(file.sha256 is None or file.sha256 in pin.sha256 for file in files):
        raise Unresolved(f"{place}: no file that {offers.address} offers has a digest of the lock; {explain}")
    return any(offers.key(file) == key for file in offer.files)


class _Found:
    """What scanners know of the packages of one resolution, each asked for once."""

    def __init__(self, offers: Offers, known: Known) -> None:
        self._offers = offers
        self._known = known
        self._order = order_of(offers.adapter)
        self._reports: dict[str, dict[Any, dict[str, Sequence[Report]]]] = {}
        self._affected: dict[str, dict[Any, tuple[Vulnerability, ...]]] = {}

    def reports(self, package: str, key: Any) -> Mapping[str, Sequence[Report]]:
        return self._of(package).get(key, {})

    def affected(self, package: str) -> Mapping[Any, tuple[Vulnerability, ...]]:
        if package not in self._affected:
            self._affected[package] = {
                key: told
                for key, by_filename in self._of(package).items()
                if (told := vulnerabilities_of(by_filename, self._order))
            }
        return self._affected[package]

    def _of(self, package: str) -> dict[Any, dict[str, Sequence[Report]]]:
        known = self._reports.get(package)
        if known is None:
            known = self._reports[package] = {}
            listing = self._offers.of(package).listing
            said = self._known.of(self._offers.adapter.name, listing) if listing else {}
            for file in listing.files if listing else ():
                if file.version:
                    known.setdefault(self._offers.key(file), {})[file.filename] = said.get(file.id, ())
        return known
