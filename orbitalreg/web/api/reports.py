"""What each scanner said of a file, and the documents that scanners left beside it."""

from typing import Literal

import falcon
from pydantic import Field

from orbitalreg.model import Right
from orbitalreg.summaries import FileReports
from orbitalreg.web.api.resource import Kept, RepositoryResource, Sent, operation

BYTES = "application/octet-stream"
MEDIA_TYPES = {"cyclonedx": "application/vnd.cyclonedx+json", "spdx": "application/spdx+json"}
_SUFFIXES = {"cyclonedx": "cdx.json", "spdx": "spdx.json"}


class SbomFormat(Sent):
    """Which bill of materials."""

    format: Literal["cyclonedx", "spdx"] = Field(default="cyclonedx", description="Its format.")


class Reports(RepositoryResource):
    """`/reports`, of a file."""

    @operation("GET", Right.READ, FileReports)
    def show(self, req: falcon.Request, package: str, version: str, filename: str) -> FileReports:
        """Show what each scanner said last of a file."""
        return self._inventory(req).reports(package, version, filename)


class RawReport(RepositoryResource):
    """`/reports/{scanner}/raw`."""

    @operation("GET", Right.READ, bytes, media_types=(BYTES,))
    def show(self, req: falcon.Request, package: str, version: str, filename: str, scanner: str) -> Kept:
        """Fetch what the scanner's tool put out when it looked at the file, as it did."""
        digest = self._inventory(req).raw_report(package, version, filename, scanner)
        return self._unpacked(digest, BYTES, f"{filename}.{scanner}")


class Sbom(RepositoryResource):
    """`/sbom`, of a file."""

    @operation("GET", Right.READ, bytes, query=SbomFormat, media_types=tuple(MEDIA_TYPES.values()))
    def show(self, req: falcon.Request, package: str, version: str, filename: str, query: SbomFormat) -> Kept:
        """Fetch the bill of materials of a file that a scanner made."""
        digest = self._inventory(req).sbom(package, version, filename, query.format)
        return self._kept(digest, MEDIA_TYPES[query.format], f"{filename}.{_SUFFIXES[query.format]}")
