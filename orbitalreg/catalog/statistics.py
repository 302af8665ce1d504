"""What the catalog holds, in numbers."""

from collections.abc import Iterator

from sqlite_utils import Database

from orbitalreg.model import now

_COUNTS = (
    ("repositories", "Repositories configured now.", "SELECT COUNT(*) FROM repository WHERE detached_at IS NULL"),
    ("packages", "Packages that have files.", "SELECT COUNT(*) FROM package WHERE file_count > 0"),
    ("files", "Published files.", "SELECT COUNT(*) FROM file"),
    ("blobs", "Blobs held.", "SELECT COUNT(*) FROM blob"),
    ("blob_bytes", "Bytes of the blobs held.", "SELECT COALESCE(SUM(size), 0) FROM blob"),
    (
        "blobs_unused",
        "Blobs to which nothing refers, and that wait for collection.",
        "SELECT COUNT(*) FROM blob WHERE unused_since IS NOT NULL",
    ),
    (
        "blobs_faulty",
        "Blobs that were found damaged or missing, and are not given out.",
        "SELECT COUNT(*) FROM blob WHERE fault IS NOT NULL",
    ),
    ("tokens", "Tokens that are not revoked.", "SELECT COUNT(*) FROM token WHERE revoked_at IS NULL"),
    ("jobs_failed", "Jobs whose last attempt failed.", "SELECT COUNT(*) FROM job WHERE failure IS NOT NULL"),
    ("audit_unlinked", "Entries not in the chain yet.", "SELECT COUNT(*) FROM audit_entry WHERE linked = 0"),
    (
        "graph_waiting",
        "Packages that wait to be looked at in the graphs of dependencies.",
        "SELECT (SELECT COUNT(*) FROM graph_change) + (SELECT COUNT(*) FROM graph_pending)",
    ),
    ("jobs_given_up", "Jobs that are not tried again.", "SELECT COUNT(*) FROM job WHERE failed_at IS NOT NULL"),
)


def numbers(db: Database) -> Iterator[tuple[str, str, float]]:
    """(name, meaning, value) of each; a scan of small tables, milliseconds for tens of thousands of files."""
    for name, meaning, sql in _COUNTS:
        yield name, meaning, float(db.execute(sql).fetchone()[0])
    waiting = db.execute("SELECT COUNT(*) FROM job WHERE due_at <= ? AND leased_until IS NULL", (now(),)).fetchone()
    yield "jobs_waiting", "Jobs that are due and that nobody works on.", float(waiting[0])
