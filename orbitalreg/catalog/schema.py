"""The catalog's tables, as migrations from the first on. SQL that PostgreSQL shares: text keys, integer microseconds.

A migration that has been released is never edited; a change is a new one.
"""

from sqlite_utils import Database, Migrations

migrations = Migrations("orbitalreg")


@migrations()
def m001_first_tables(db: Database) -> None:
    _run(db, _FIRST_TABLES)


@migrations()
def m002_token_successor(db: Database) -> None:
    db.execute("ALTER TABLE token ADD COLUMN successor_id TEXT REFERENCES token (id)")


@migrations()
def m003_remote_pages(db: Database) -> None:
    _run(db, _REMOTE_TABLES)


@migrations()
def m004_exceptions(db: Database) -> None:
    _run(db, _EXCEPTIONS)


@migrations()
def m005_identities(db: Database) -> None:
    _run(db, _IDENTITIES)


@migrations()
def m006_jobs(db: Database) -> None:
    _run(db, _JOBS)


@migrations()
def m007_audit_chain(db: Database) -> None:
    _run(db, _AUDIT_CHAIN)


@migrations()
def m008_reports(db: Database) -> None:
    _run(db, _REPORTS)


@migrations()
def m009_graph(db: Database) -> None:
    _run(db, _GRAPH)


@migrations()
def m010_upkeep(db: Database) -> None:
    _run(db, _UPKEEP)


NAMES = tuple(name for name in dict(globals()) if name[0] == "m" and name[1:4].isdigit())
"""Of all migrations, in their order."""


def _run(db: Database, statements: str) -> None:
    for statement in statements.split(";"):
        if statement.strip():
            db.execute(statement)


_FIRST_TABLES = """
CREATE TABLE repository (
    id TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    format TEXT NOT NULL,
    kind TEXT NOT NULL,
    names_revision INTEGER NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    detached_at BIGINT,
    UNIQUE (project, name)
);
CREATE TABLE package (
    id TEXT PRIMARY KEY,
    repository_id TEXT NOT NULL REFERENCES repository (id),
    name TEXT NOT NULL,
    revision INTEGER NOT NULL DEFAULT 0,
    file_count INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'active',
    status_reason TEXT,
    created_at BIGINT NOT NULL,
    UNIQUE (repository_id, name)
);
CREATE TABLE blob (
    sha256 TEXT PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    size BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE file (
    id TEXT PRIMARY KEY,
    repository_id TEXT NOT NULL REFERENCES repository (id),
    package_id TEXT NOT NULL REFERENCES package (id),
    version TEXT NOT NULL,
    filename TEXT NOT NULL,
    size BIGINT NOT NULL,
    sha256 TEXT NOT NULL REFERENCES blob (sha256),
    uploaded_at BIGINT NOT NULL,
    uploaded_by TEXT NOT NULL,
    attributes TEXT NOT NULL,
    requirements TEXT NOT NULL,
    yanked TEXT,
    UNIQUE (repository_id, filename)
);
CREATE INDEX file_of_package ON file (package_id, uploaded_at, id);
CREATE INDEX file_of_blob ON file (sha256);
CREATE TABLE document (
    file_id TEXT NOT NULL REFERENCES file (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (file_id, kind)
);
CREATE TABLE deleted_file (
    repository_id TEXT NOT NULL REFERENCES repository (id),
    filename TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    deleted_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, filename)
);
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (kind, name)
);
CREATE TABLE token (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT
);
CREATE INDEX token_of_account ON token (account_id);
CREATE TABLE account_grant (
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    target TEXT NOT NULL,
    PRIMARY KEY (account_id, target)
);
CREATE TABLE token_grant (
    token_id TEXT NOT NULL REFERENCES token (id) ON DELETE CASCADE,
    target TEXT NOT NULL,
    PRIMARY KEY (token_id, target)
);
CREATE TABLE job (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    payload TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    leased_by TEXT,
    leased_until BIGINT,
    failure TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX job_due ON job (due_at, id);
CREATE TABLE audit_entry (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    token_id TEXT,
    address TEXT,
    request_id TEXT,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_by_target ON audit_entry (target, id);
CREATE TABLE download (
    file_id TEXT NOT NULL,
    token_id TEXT NOT NULL,
    day TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (file_id, token_id, day)
)
"""

_REMOTE_TABLES = """
CREATE TABLE remote_page (
    package_id TEXT PRIMARY KEY REFERENCES package (id),
    upstream TEXT NOT NULL,
    body BLOB NOT NULL,
    etag TEXT,
    last_modified TEXT,
    checked_at BIGINT NOT NULL,
    failed_at BIGINT,
    failure TEXT
);
CREATE TABLE remote_fact (
    file_id TEXT PRIMARY KEY,
    package_id TEXT NOT NULL REFERENCES package (id),
    sha256 TEXT NOT NULL,
    size BIGINT NOT NULL
);
CREATE INDEX remote_fact_of_package ON remote_fact (package_id);
CREATE TABLE remote_document (
    file_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    package_id TEXT NOT NULL REFERENCES package (id),
    sha256 TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (file_id, kind)
);
CREATE INDEX remote_document_of_package ON remote_document (package_id);
CREATE TABLE remote_names (
    repository_id TEXT PRIMARY KEY REFERENCES repository (id),
    upstream TEXT NOT NULL,
    body BLOB NOT NULL,
    revision TEXT NOT NULL,
    etag TEXT,
    last_modified TEXT,
    checked_at BIGINT NOT NULL,
    failed_at BIGINT,
    failure TEXT
);
CREATE TABLE recall (
    id TEXT PRIMARY KEY,
    repository_id TEXT NOT NULL REFERENCES repository (id),
    file_id TEXT NOT NULL,
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    filename TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    reason TEXT NOT NULL,
    recalled_at BIGINT NOT NULL,
    UNIQUE (file_id, reason)
);
CREATE INDEX recall_of_package ON recall (repository_id, package, recalled_at)
"""

_EXCEPTIONS = """
CREATE TABLE exception (
    id TEXT PRIMARY KEY,
    repository_id TEXT NOT NULL REFERENCES repository (id),
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    until BIGINT NOT NULL,
    reason TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX exception_of_package ON exception (package, repository_id, until)
"""

_IDENTITIES = """
ALTER TABLE account ADD COLUMN disabled_at BIGINT;
ALTER TABLE token ADD COLUMN origin TEXT;
ALTER TABLE file ADD COLUMN published_from TEXT;
ALTER TABLE audit_entry ADD COLUMN origin TEXT;
CREATE TABLE revision (
    subject TEXT PRIMARY KEY,
    number BIGINT NOT NULL
);
INSERT INTO revision (subject, number) VALUES ('identity', 0);
CREATE TABLE exchange_use (
    key TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until BIGINT NOT NULL
);
CREATE INDEX exchange_use_until ON exchange_use (until);
CREATE INDEX token_of_exchange ON token (expires_at) WHERE origin IS NOT NULL;
CREATE INDEX token_by_name ON token (name)
"""

_JOBS = """
ALTER TABLE job ADD COLUMN key TEXT;
ALTER TABLE job ADD COLUMN failed_at BIGINT;
CREATE UNIQUE INDEX job_key ON job (key);
CREATE INDEX job_leased ON job (leased_until)
"""

_AUDIT_CHAIN = """
ALTER TABLE audit_entry ADD COLUMN outcome TEXT NOT NULL DEFAULT 'done';
ALTER TABLE audit_entry ADD COLUMN reason TEXT;
ALTER TABLE audit_entry ADD COLUMN project TEXT;
ALTER TABLE audit_entry ADD COLUMN linked INTEGER NOT NULL DEFAULT 0;
CREATE INDEX audit_by_time ON audit_entry (at, id);
CREATE INDEX audit_by_project ON audit_entry (project, at, id);
CREATE INDEX audit_unlinked ON audit_entry (id) WHERE linked = 0;
CREATE TABLE audit_link (
    number BIGINT NOT NULL PRIMARY KEY,
    entry_id TEXT NOT NULL UNIQUE,
    linked_at BIGINT NOT NULL,
    hash TEXT NOT NULL
);
CREATE TABLE webhook_cursor (
    subscriber TEXT PRIMARY KEY,
    number BIGINT NOT NULL
)
"""

_REPORTS = """
CREATE TABLE report (
    file_id TEXT NOT NULL,
    scanner TEXT NOT NULL,
    status TEXT NOT NULL,
    database_digest TEXT NOT NULL,
    scanner_version TEXT NOT NULL,
    scanned_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    raw_sha256 TEXT REFERENCES blob (sha256),
    PRIMARY KEY (file_id, scanner)
);
CREATE INDEX report_by_database ON report (scanner, database_digest);
CREATE INDEX report_raw ON report (raw_sha256);
CREATE TABLE report_document (
    file_id TEXT NOT NULL,
    scanner TEXT NOT NULL,
    kind TEXT NOT NULL,
    sha256 TEXT NOT NULL REFERENCES blob (sha256),
    PRIMARY KEY (file_id, scanner, kind)
);
CREATE INDEX report_document_blob ON report_document (sha256);
CREATE TABLE listed_report (
    format TEXT NOT NULL,
    package TEXT NOT NULL,
    scanner TEXT NOT NULL,
    version TEXT NOT NULL,
    database_digest TEXT NOT NULL,
    judged_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (format, package, scanner, version)
)
"""

# A graph is what one repository shows, in one environment. Its ids are small integers, since there are as many edges as
# requirements; an id is given again only after its row is gone with all that names it. `graph_change` is written with
# whatever changes a package; `graph_pending` is what follows from it in each graph, and what the graphs ask of one
# another.
_GRAPH = """
CREATE TABLE graph (
    id INTEGER PRIMARY KEY,
    repository_id TEXT NOT NULL REFERENCES repository (id),
    environment TEXT NOT NULL,
    digest TEXT NOT NULL DEFAULT '',
    built_at BIGINT,
    UNIQUE (repository_id, environment)
);
CREATE TABLE graph_package (
    graph_id INTEGER NOT NULL REFERENCES graph (id) ON DELETE CASCADE,
    package TEXT NOT NULL,
    revision TEXT NOT NULL,
    valid_until BIGINT,
    follow_at BIGINT,
    followed_at BIGINT,
    failures INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (graph_id, package)
);
CREATE INDEX graph_package_until ON graph_package (valid_until);
CREATE INDEX graph_package_follow ON graph_package (follow_at);
CREATE TABLE graph_node (
    id INTEGER PRIMARY KEY,
    graph_id INTEGER NOT NULL REFERENCES graph (id) ON DELETE CASCADE,
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    extras TEXT NOT NULL,
    is_known INTEGER NOT NULL,
    fault TEXT,
    depth INTEGER NOT NULL,
    UNIQUE (graph_id, package, version, extras)
);
CREATE TABLE graph_choice (
    id INTEGER PRIMARY KEY,
    graph_id INTEGER NOT NULL REFERENCES graph (id) ON DELETE CASCADE,
    package TEXT NOT NULL,
    specifier TEXT NOT NULL,
    version TEXT,
    reason TEXT,
    UNIQUE (graph_id, package, specifier)
);
CREATE INDEX graph_choice_version ON graph_choice (graph_id, package, version);
CREATE TABLE graph_edge (
    node_id INTEGER NOT NULL REFERENCES graph_node (id) ON DELETE CASCADE,
    choice_id INTEGER NOT NULL REFERENCES graph_choice (id),
    extras TEXT NOT NULL,
    stated TEXT NOT NULL,
    PRIMARY KEY (node_id, choice_id, extras)
);
CREATE INDEX graph_edge_choice ON graph_edge (choice_id, extras);
CREATE TABLE graph_finding (
    graph_id INTEGER NOT NULL REFERENCES graph (id) ON DELETE CASCADE,
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (graph_id, package, version, id)
);
CREATE TABLE graph_finding_id (
    alias TEXT NOT NULL,
    graph_id INTEGER NOT NULL,
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (alias, graph_id, package, version, id),
    FOREIGN KEY (graph_id, package, version, id) REFERENCES graph_finding (graph_id, package, version, id)
        ON DELETE CASCADE
);
CREATE INDEX graph_finding_id_of ON graph_finding_id (graph_id, package, version, id);
CREATE TABLE graph_change (
    format TEXT NOT NULL,
    package TEXT NOT NULL,
    PRIMARY KEY (format, package)
);
CREATE TABLE graph_pending (
    graph_id INTEGER NOT NULL REFERENCES graph (id) ON DELETE CASCADE,
    package TEXT NOT NULL,
    mark TEXT NOT NULL,
    PRIMARY KEY (graph_id, package)
);
CREATE INDEX graph_pending_mark ON graph_pending (mark)
"""

# `unused_since` is when collection found that nothing refers to a blob, `fault` what verification found wrong with its
# bytes. `blob_removal` has the keys whose bytes are being removed from the store (`ended_at` is null until they are),
# and those of bytes that no row ever named, so that no row names them afterwards. `upkeep` is how far each of the tasks
# that go over everything has come.
_UPKEEP = """
ALTER TABLE blob ADD COLUMN unused_since BIGINT;
ALTER TABLE blob ADD COLUMN fault TEXT;
ALTER TABLE blob ADD COLUMN fault_at BIGINT;
CREATE INDEX blob_unused ON blob (unused_since, sha256) WHERE unused_since IS NOT NULL;
CREATE INDEX blob_faulty ON blob (sha256) WHERE fault IS NOT NULL;
CREATE TABLE blob_removal (
    key TEXT PRIMARY KEY,
    begun_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX blob_removal_open ON blob_removal (key) WHERE ended_at IS NULL;
CREATE TABLE upkeep (
    task TEXT PRIMARY KEY,
    begun_at BIGINT NOT NULL,
    ended_at BIGINT,
    place TEXT NOT NULL,
    told TEXT NOT NULL
)
"""
