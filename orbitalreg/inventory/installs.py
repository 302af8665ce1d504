"""What an installation from a repository would bring, told for people and programs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orbitalreg.errors import InvalidName, Malformed
from orbitalreg.findings import path_summary
from orbitalreg.graph.auditing import Audit, audit
from orbitalreg.graph.offers import SECONDS, Offers
from orbitalreg.graph.resolving import Chosen, Resolution
from orbitalreg.graph.upgrading import Upgrades
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.inventory.findings import Said, version_findings
from orbitalreg.model import Report
from orbitalreg.sources import GovernedSource
from orbitalreg.sources.once import asking_once
from orbitalreg.sources.policing import Known
from orbitalreg.summaries import (
    ChangedVersion,
    InstallAudit,
    InstalledVersion,
    LeftFinding,
    NotInstalled,
    UpgradeSet,
    severity_name,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What would be installed: requirements as the format has them, and lock files by name, with their bytes."""

    requirements: Sequence[str]
    locks: Sequence[tuple[str, bytes]] = ()


@dataclass(frozen=True, slots=True)
class InstallAuditor:
    """Looks at installations from one repository. Every audit reads anew, and asks upstreams as an installer would.

    `seconds` bounds each; `told` hears how many packages were read so far; `left` is called in each thread that read.
    """

    source: GovernedSource
    adapter: FormatAdapter
    known: Known
    left: Callable[[], None]
    told: Callable[[int], None] = lambda packages: None
    seconds: float = SECONDS

    def environments(self, named: Sequence[str], configured: Sequence[str] | None) -> list[str]:
        """Those named, else those of the configuration, else the format's own. Raises `InvalidName`."""
        chosen = named or configured or self.adapter.environments()
        if not chosen:
            raise InvalidName(f"the format {self.adapter.name} knows no environments, and no requirements")
        return list(dict.fromkeys(map(self.adapter.environment, chosen)))

    def audit(self, wanted: Wanted, environment: str) -> InstallAudit:
        """Raises `InvalidName` for a requirement, `Malformed` for a lock, `Unresolved`, `UpstreamFailed`."""
        if not wanted.requirements and not wanted.locks:
            raise Malformed("nothing is asked for: give requirements or a lock file")
        locked = [(name, pin) for name, body in wanted.locks for pin in self.adapter.read_lock(name, body)]
        with (
            asking_once(),
            Offers(
                self.source, self.adapter, environment, seconds=self.seconds, told=self.told, left=self.left
            ) as offers,
        ):
            done = audit(offers, wanted.requirements, locked, self.known)
        return self._told(done)

    def _told(self, done: Audit) -> InstallAudit:
        elsewhere = [
            NotInstalled(stated, by or None, "it is taken from an address") for stated, by in done.resolution.elsewhere
        ]
        left_out = [NotInstalled(stated, None, reason) for stated, reason in done.left_out]
        return InstallAudit(
            str(self.source.repository.address),
            done.environment,
            [self._installed(one, done) for one in done.resolution.chosen.values()],
            left_out + elsewhere,
            None if done.upgrades is None else _upgrade_set(done.resolution, done.upgrades),
        )

    def _installed(self, one: Chosen, done: Audit) -> InstalledVersion:
        return InstalledVersion(
            one.package,
            one.version,
            list(one.extras),
            one.file.filename,
            path_summary(done.paths[one.package]),
            sorted({by for _, by, _ in one.by if by}),
            one.is_read,
            self._warnings(one),
            version_findings(self.adapter, one.package, one.version, _said(done.reports[one.package])),
        )

    def _warnings(self, one: Chosen) -> list[str]:
        if not self.source.is_policed:
            return []
        verdict = self.source.verdicts(one.package).get(one.file.filename)
        return [f"policy {breach.policy}: {breach.text}" for breach in verdict.breaches] if verdict else []


def _said(reports: Mapping[str, Sequence[Report]]) -> dict[str, list[Said]]:
    return {filename: [Said(report) for report in some] for filename, some in reports.items()}


def _upgrade_set(now: Resolution, found: Upgrades) -> UpgradeSet:
    before, then = _versions(now), _versions(found.after)
    changes = [
        ChangedVersion(
            package,
            before.get(package),
            file.version,
            [str(wish) for wish in found.widened if wish.requirement.package == package],
        )
        for package, file in found.changed.items()
    ]
    follows = [
        ChangedVersion(package, before.get(package), then.get(package), [])
        for package in sorted({*before, *then} - found.changed.keys())
        if before.get(package) != then.get(package)
    ]
    left = [
        LeftFinding(ill.id, severity_name(ill.vulnerability.severity), ill.package, then[ill.package], reason)
        for ill, reason in found.left
    ]
    return UpgradeSet(changes, follows, left, found.is_smallest)


def _versions(resolution: Resolution) -> dict[str, str]:
    return {package: one.version for package, one in resolution.chosen.items()}
