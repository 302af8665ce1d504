"""Four scanners that read what they are handed and find one thing: what is measured is the host."""

from pathlib import Path

from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import Scanner
from orbitalreg.model import Database, Finding, Report, ReportStatus, Scan, Severity


class First(Scanner):
    name = "first"

    def __init__(self, surroundings):
        self._database = Path(surroundings.options["database"])

    def database(self):
        digest = self._database.read_text()
        return Database(digest, digest)

    def scan(self, target):
        own = target.component
        found = Finding(f"BENCH-{self.name}", own.name, own.version, Severity.LOW, purl=own.purl)
        return Scan(Report(self.name, ReportStatus.OK, (found,), (own.purl,)), target.bom.read_bytes())


class Second(First):
    name = "second"


class Third(First):
    name = "third"


class Fourth(First):
    name = "fourth"


@hookimpl
def scanners():
    return [First, Second, Third, Fourth]
