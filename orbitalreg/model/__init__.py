"""The nouns of a registry: frozen values that validate themselves and know no storage and no wire.

Times are integer microseconds since 1970-01-01 UTC; sizes are bytes; digests are lower-case hexadecimal.
"""

from orbitalreg.model.graph import Requirement
from orbitalreg.model.packages import (
    Address,
    Coordinates,
    File,
    Inspection,
    Kind,
    Listing,
    Locked,
    Microseconds,
    Publication,
    RemoteFile,
    RemotePage,
    Repository,
    Status,
    StatusName,
    Withholding,
    now,
    valid_name,
)
from orbitalreg.model.people import ANONYMOUS, NOBODY, REMEMBERED_LEVELS, Actor, Grant, Identity, Right, best
from orbitalreg.model.quantities import parse_duration, parse_size
from orbitalreg.model.reports import Component, Database, Finding, Report, ReportStatus, Scan, Severity, Staged

__all__ = [
    "ANONYMOUS",
    "NOBODY",
    "REMEMBERED_LEVELS",
    "Actor",
    "Address",
    "Component",
    "Coordinates",
    "Database",
    "File",
    "Finding",
    "Grant",
    "Identity",
    "Inspection",
    "Kind",
    "Listing",
    "Locked",
    "Microseconds",
    "Publication",
    "RemoteFile",
    "RemotePage",
    "Report",
    "ReportStatus",
    "Repository",
    "Requirement",
    "Right",
    "Scan",
    "Severity",
    "Staged",
    "Status",
    "StatusName",
    "Withholding",
    "best",
    "now",
    "parse_duration",
    "parse_size",
    "valid_name",
]
