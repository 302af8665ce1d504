"""Writes a small catalog of each version to m0NN.sql beside this file: a row in every table, by SQL of that version.

python tests/unit/catalogs/making.py        writes those that are not there yet; what is there is never written again

A stored catalog stands for those that a released version wrote. Whoever adds a migration adds rows for its tables and
columns to ROWS, runs this, and commits the file.
"""

import sqlite3
import sys
import tempfile
from pathlib import Path

from sqlite_utils import Database

FOLDER = Path(__file__).parent
A, B, C = "a" * 64, "b" * 64, "c" * 64
AT = 1_790_000_000_000_000

# What each version had new. Values are as the program of that version wrote them.
ROWS: dict[str, tuple[str, ...]] = {
    "m001": (
        f"INSERT INTO repository VALUES ('r1', 'acme', 'toys', 'toy', 'local', 3, {AT}, NULL)",
        f"INSERT INTO repository VALUES ('r2', 'acme', 'gone', 'toy', 'local', 0, {AT}, {AT + 1})",
        f"INSERT INTO package VALUES ('p1', 'r1', 'ball', 7, 2, 'active', NULL, {AT})",
        f"INSERT INTO package VALUES ('p2', 'r1', 'reserved', 1, 0, 'deprecated', 'use ball', {AT})",
        f"INSERT INTO blob VALUES ('{A}', '{A}.01KBALL00000000000000000AA', 5, {AT})",
        f"INSERT INTO blob VALUES ('{B}', '{B}.01KBALL00000000000000000BB', 6, {AT})",
        f"INSERT INTO file VALUES ('f1', 'r1', 'p1', '1', 'ball@1.toy', 5, '{A}', {AT}, 'service:robot', '{{}}', '[]',"
        " NULL)",
        f"INSERT INTO file VALUES ('f2', 'r1', 'p1', '2', 'ball@2.toy', 6, '{B}', {AT + 1}, 'user:ann',"
        """ '{"colour":"red"}', '["kite>=1"]', 'it bursts')""",
        f"INSERT INTO document VALUES ('f1', 'head', '{C}', x'789c4bcacc4b2caa040008970286')",
        f"INSERT INTO deleted_file VALUES ('r1', 'ball@0.toy', '{C}', {AT})",
        f"INSERT INTO account VALUES ('a1', 'service', 'robot', {AT})",
        f"INSERT INTO account VALUES ('a2', 'user', 'ann', {AT})",
        f"INSERT INTO token (id, account_id, name, hash, created_at, expires_at, revoked_at, last_used_at)"
        f" VALUES ('t1', 'a1', 'ci', 'a hash', {AT}, NULL, NULL, {AT + 5})",
        "INSERT INTO account_grant VALUES ('a1', 'acme/toys:publish')",
        "INSERT INTO token_grant VALUES ('t1', 'acme/toys:publish')",
        f"INSERT INTO job (id, kind, subject, payload, due_at, attempts, leased_by, leased_until, failure, created_at)"
        f" VALUES ('j1', 'audit.chain', '', '{{}}', {AT}, 1, NULL, NULL, 'it failed', {AT})",
        "INSERT INTO audit_entry (id, at, actor, token_id, address, request_id, action, target, detail)"
        f" VALUES ('e1', {AT}, 'service:robot', 't1', '10.0.0.9', 'r7', 'file.publish', 'acme/toys/ball==1', '{{}}')",
        "INSERT INTO download VALUES ('f1', 't1', '2026-09-21', 4)",
    ),
    "m002": (
        "INSERT INTO token (id, account_id, name, hash, created_at, successor_id)"
        f" VALUES ('t2', 'a1', 'old', 'another hash', {AT}, 't1')",
    ),
    "m003": (
        f"INSERT INTO repository VALUES ('r3', 'acme', 'mirror', 'toy', 'remote', 1, {AT}, NULL)",
        f"INSERT INTO package VALUES ('p3', 'r3', 'kite', 2, 0, 'active', NULL, {AT})",
        "INSERT INTO remote_page (package_id, upstream, body, etag, last_modified, checked_at, failed_at, failure)"
        f" VALUES ('p3', 'http://127.0.0.1/toys/', x'789c8b8e0500011500b9', '\"e\"', NULL, {AT}, NULL, NULL)",
        f"INSERT INTO remote_fact VALUES ('x1', 'p3', '{C}', 9)",
        f"INSERT INTO remote_document VALUES ('x1', 'head', 'p3', '{C}', x'789c4bcacc4b2caa040008970286')",
        "INSERT INTO remote_names VALUES"
        f" ('r3', 'http://127.0.0.1/toys/', x'789c8b8e0500011500b9', 'n1', NULL, NULL, {AT}, NULL, NULL)",
        f"INSERT INTO recall VALUES ('c1', 'r3', 'x2', 'kite', '1', 'kite@1.toy', '{C}', 'taken back', {AT})",
    ),
    "m004": (f"INSERT INTO exception VALUES ('o1', 'r3', 'kite', '2', {AT + 9}, 'needed', 'local:ann', {AT})",),
    "m005": (
        f"INSERT INTO account (id, kind, name, created_at, disabled_at) VALUES ('a3', 'user', 'bob', {AT}, {AT + 1})",
        "INSERT INTO token (id, account_id, name, hash, created_at, expires_at, origin)"
        f""" VALUES ('t3', 'a1', 'exchanged', 'a third', {AT}, {AT + 9}, '{{"by":"gitlab"}}')""",
        "UPDATE revision SET number = 12 WHERE subject = 'identity'",
        f"INSERT INTO exchange_use VALUES ('gitlab:1', 'a1', {AT + 9})",
    ),
    "m006": (
        "INSERT INTO job (id, kind, subject, payload, due_at, created_at, key, failed_at)"
        f" VALUES ('j2', 'webhook.deliver', 'w', '{{}}', {AT}, {AT}, 'webhook.deliver:w', {AT + 1})",
    ),
    "m007": (
        "INSERT INTO audit_entry (id, at, actor, action, target, detail, outcome, reason, project, linked)"
        f" VALUES ('e2', {AT}, 'user:ann', 'file.publish', 'acme/toys', '{{}}', 'refused', 'no right', 'acme', 1)",
        f"INSERT INTO audit_link VALUES (1, 'e2', {AT}, '{C}')",
        "INSERT INTO webhook_cursor VALUES ('w', 1)",
    ),
    "m008": (
        f"INSERT INTO blob (sha256, key, size, created_at) VALUES ('{C}', '{C}.01KBALL00000000000000000CC', 7, {AT})",
        f"INSERT INTO report VALUES ('f1', 'grype', 'ok', 'd1', '0.9', {AT},"
        f""" '{{"scanner":"grype","status":"ok","scanned_at":{AT}}}', '{C}')""",
        f"INSERT INTO report_document VALUES ('f1', 'grype', 'cyclonedx', '{C}')",
        f"INSERT INTO listed_report VALUES ('toy', 'kite', 'osv', '1', 'd2', {AT},"
        f""" '{{"scanner":"osv","status":"ok","scanned_at":{AT}}}')""",
        "INSERT INTO revision VALUES ('reports:toy:ball', 3)",
    ),
    "m009": (
        f"INSERT INTO graph VALUES (1, 'r1', 'any', 'd', {AT})",
        f"INSERT INTO graph_package VALUES (1, 'ball', 'p1.7', {AT + 9}, NULL, NULL, 0)",
        "INSERT INTO graph_node VALUES (1, 1, 'ball', '1', '', 1, NULL, 0)",
        "INSERT INTO graph_choice VALUES (1, 1, 'kite', '>=1', NULL, 'missing')",
        "INSERT INTO graph_edge VALUES (1, 1, '', 'kite>=1')",
        "INSERT INTO graph_finding VALUES (1, 'ball', '1', 'GHSA-1', '{}')",
        "INSERT INTO graph_finding_id VALUES ('CVE-1', 1, 'ball', '1', 'GHSA-1')",
        "INSERT INTO graph_change VALUES ('toy', 'ball')",
        "INSERT INTO graph_pending VALUES (1, 'ball', '')",
    ),
    "m010": (
        "INSERT INTO blob (sha256, key, size, created_at, unused_since, fault, fault_at)"
        f" VALUES ('{'d' * 64}', '{'d' * 64}.01KBALL00000000000000000DD', 8, {AT}, {AT + 1}, 'damaged', {AT + 2})",
        f"INSERT INTO blob_removal VALUES ('{'e' * 64}.01KBALL00000000000000000EE', {AT}, {AT + 1})",
        f"""INSERT INTO upkeep VALUES ('upkeep.verify', {AT}, {AT + 1}, '', '{{"checked":3}}')""",
    ),
}


def make(last: str) -> Database:
    """A catalog of that version, `m0NN`, in memory."""
    from orbitalreg.catalog.schema import NAMES, migrations

    db = Database(memory=True)
    db.execute("PRAGMA foreign_keys=ON")
    for name, following in zip(NAMES, [*NAMES[1:], None], strict=True):
        if name[:4] <= last:
            migrations.apply(db, stop_before=following)
            for statement in ROWS[name[:4]]:
                db.execute(statement)
    db.execute("UPDATE _sqlite_migrations SET applied_at = '2026-09-21 12:00:00'")
    db.conn.commit()
    return db


def told(db: Database) -> str:
    """As SQL that makes it anew."""
    with tempfile.TemporaryDirectory() as folder:
        db.execute("VACUUM INTO ?", (f"{folder}/db",))
        copy = sqlite3.connect(f"{folder}/db")
        try:
            return "\n".join(copy.iterdump()) + "\n"
        finally:
            copy.close()


if __name__ == "__main__":
    for version in ROWS:
        file = FOLDER / f"{version}.sql"
        if not file.exists():
            file.write_text(told(make(version)), "utf-8")
            sys.stdout.write(f"{file.name}\n")
