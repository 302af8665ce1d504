"""The scanner: files judged by the name and version of their package."""

from collections.abc import Sequence

from orbitalreg.interfaces import Capability, Scanner, Surroundings, Target
from orbitalreg.model import Component, Database, Report, ReportStatus, Scan
from orbitalreg_osv import __version__, settings
from orbitalreg_osv.judging import ByDump, ByServer, Judge, Judged, Judgement
from orbitalreg_osv.kept import Kept
from orbitalreg_osv.server import Server
from orbitalreg_osv.store import Store


class Osv(Scanner):
    """Known vulnerabilities and malicious packages, by OSV's records."""

    name = "osv"
    vendor = "OSV"
    capabilities = frozenset({Capability.VULNERABILITY, Capability.MALWARE})

    def __init__(self, surroundings: Surroundings) -> None:
        self._settings = settings.read(surroundings.options, surroundings.base)
        self._judge = _judge(self._settings, surroundings)

    @property
    def version(self) -> str:
        return __version__

    @property
    def deep(self) -> bool:
        return self._settings.deep

    @property
    def judges_names(self) -> bool:
        return self._settings.has_dump

    def database(self) -> Database:
        return self._judge.database()

    def judge(self, components: Sequence[Component]) -> Sequence[Report]:
        judged = self._judge.judged(components)
        return [_report(judged, [one]) for one in judged.judgements]

    def scan(self, target: Target) -> Scan:
        judged = self._judge.judged(target.components)
        return Scan(_report(judged, judged.judgements), judged.raw)


def _judge(found: settings.OsvSettings, surroundings: Surroundings) -> Judge:
    if found.has_dump:
        return ByDump(Store(surroundings.folder, found), found)
    server = Server(found.server, surroundings.clients(found.server, found.ca_bundle))
    return ByServer(server, Kept(surroundings.folder / "records"), found)


def _report(judged: Judged, of: Sequence[Judgement]) -> Report:
    """The first is the file's own package: where that was not recognised, the file was not."""
    status, reason = ReportStatus.OK, of[0].reason
    if reason is not None:
        status = ReportStatus.NOT_SCANNED
    elif judged.too_old is not None:
        status, reason = ReportStatus.DB_STALE, judged.too_old
    return Report(
        Osv.name,
        status,
        findings=tuple(finding for one in of for finding in one.findings),
        packages_seen=tuple(one.component.purl for one in of if one.reason is None),
        database=judged.database,
        scanner_version=__version__,
        reason=reason,
    )
