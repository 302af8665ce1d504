"""A scanner in a few lines: it knows which toys were called back, and has a tool shake them.

[plugins.toy-scanner]
recalls = "recalls.json"
tool = "shaker"
"""

import hashlib
import json
import shutil
from collections.abc import Sequence

from orbitalreg.errors import ConfigError, InvalidName, ScannerFailed
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import Capability, Scanner
from orbitalreg.model import Database, Finding, Report, ReportStatus, Scan, Severity


class ToyScanner(Scanner):
    name = "toy-scanner"
    vendor = "toys"
    capabilities = frozenset({Capability.VULNERABILITY, Capability.SBOM})

    def __init__(self, surroundings):
        options = {"recalls": "recalls.json", "tool": "shaker", **surroundings.options}
        problems = [f"{key}: there is no such key" for key in options.keys() - {"recalls", "tool"}]
        problems += [f"{key}: must be a text" for key, value in options.items() if not isinstance(value, str)]
        if problems:
            raise ConfigError(problems)
        self._tool = shutil.which(options["tool"])
        if self._tool is None:
            raise ConfigError([f"tool: there is no program {options['tool']!r}; borrow one from a toy shop"])
        self._recalls = surroundings.base / options["recalls"]

    @property
    def version(self):
        return "1"

    def database(self):
        return self._read()[0]

    def scan(self, target):
        done = target.run([self._tool, str(target.bom)])
        try:
            seen = [purl for purl in json.loads(done.stdout)["shaken"] if done.exit_code == 0]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ScannerFailed(f"the shaker says nothing that can be read, and ended with {done.exit_code}") from error
        reports = [self._judge(component, component.purl in seen) for component in target.components]
        findings = tuple(finding for report in reports for finding in report.findings)
        purls = tuple(dict.fromkeys(purl for report in reports for purl in report.packages_seen))
        report = Report(self.name, reports[0].status, findings, purls, self.database(), "1", reports[0].reason)
        return Scan(report, done.stdout, {"toybom": target.bom.read_bytes()})

    @property
    def judges_names(self):
        return True

    def judge(self, components):
        return [self._judge(component, component.purl.startswith("pkg:toy/")) for component in components]

    def _judge(self, component, is_seen):
        database, recalls = self._read()
        if not is_seen:
            return Report(self.name, ReportStatus.NOT_SCANNED, (), (), database, "1", "that is no toy")
        found = tuple(
            _finding(name, recall, component) for name, recall in recalls.items() if _meets(recall, component)
        )
        return Report(self.name, ReportStatus.OK, found, (component.purl,), database, "1")

    def _read(self):
        try:
            body = self._recalls.read_bytes()
            told = json.loads(body)
            return Database(str(told["issue"]), hashlib.sha256(body).hexdigest(), told["printed_at"]), told["recalls"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ScannerFailed(f"{self._recalls}: no list of recalls; ask the toy maker for one") from error


def _meets(recall, component):
    return recall["toy"] == component.name and component.version in recall["versions"]


def _finding(name, recall, component):
    try:
        severity = Severity.parse(recall.get("severity", "unknown"))
    except InvalidName:
        severity = Severity.UNKNOWN
    return Finding(
        name,
        component.name,
        component.version,
        severity,
        tuple(recall.get("aliases", ())),
        component.purl,
        component.location,
        component.is_bundled,
        fixed_in=recall.get("fixed_in"),
        title=recall.get("title", ""),
        links=(f"https://toys.example/{name}",),
        published_at=recall.get("published_at"),
    )


@hookimpl
def scanners() -> Sequence[type[Scanner]]:
    return [ToyScanner]
