BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'orbitalreg','m001_first_tables','2026-09-21 12:00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'orbitalreg','m002_token_successor','2026-09-21 12:00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'orbitalreg','m003_remote_pages','2026-09-21 12:00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'orbitalreg','m004_exceptions','2026-09-21 12:00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'orbitalreg','m005_identities','2026-09-21 12:00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'orbitalreg','m006_jobs','2026-09-21 12:00:00');
INSERT INTO "_sqlite_migrations" VALUES(7,'orbitalreg','m007_audit_chain','2026-09-21 12:00:00');
INSERT INTO "_sqlite_migrations" VALUES(8,'orbitalreg','m008_reports','2026-09-21 12:00:00');
INSERT INTO "_sqlite_migrations" VALUES(9,'orbitalreg','m009_graph','2026-09-21 12:00:00');
INSERT INTO "_sqlite_migrations" VALUES(10,'orbitalreg','m010_upkeep','2026-09-21 12:00:00');
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL, disabled_at BIGINT,
    UNIQUE (kind, name)
);
INSERT INTO "account" VALUES('a1','service','robot',1790000000000000,NULL);
INSERT INTO "account" VALUES('a2','user','ann',1790000000000000,NULL);
INSERT INTO "account" VALUES('a3','user','bob',1790000000000000,1790000000000001);
CREATE TABLE account_grant (
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    target TEXT NOT NULL,
    PRIMARY KEY (account_id, target)
);
INSERT INTO "account_grant" VALUES('a1','acme/toys:publish');
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
, origin TEXT, outcome TEXT NOT NULL DEFAULT 'done', reason TEXT, project TEXT, linked INTEGER NOT NULL DEFAULT 0);
INSERT INTO "audit_entry" VALUES('e1',1790000000000000,'service:robot','t1','10.0.0.9','r7','file.publish','acme/toys/ball==1','{}',NULL,'done',NULL,NULL,0);
INSERT INTO "audit_entry" VALUES('e2',1790000000000000,'user:ann',NULL,NULL,NULL,'file.publish','acme/toys','{}',NULL,'refused','no right','acme',1);
CREATE TABLE audit_link (
    number BIGINT NOT NULL PRIMARY KEY,
    entry_id TEXT NOT NULL UNIQUE,
    linked_at BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO "audit_link" VALUES(1,'e2',1790000000000000,'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc');
CREATE TABLE blob (
    sha256 TEXT PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    size BIGINT NOT NULL,
    created_at BIGINT NOT NULL
, unused_since BIGINT, fault TEXT, fault_at BIGINT);
INSERT INTO "blob" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.01KBALL00000000000000000AA',5,1790000000000000,NULL,NULL,NULL);
INSERT INTO "blob" VALUES('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.01KBALL00000000000000000BB',6,1790000000000000,NULL,NULL,NULL);
INSERT INTO "blob" VALUES('cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc.01KBALL00000000000000000CC',7,1790000000000000,NULL,NULL,NULL);
INSERT INTO "blob" VALUES('dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd.01KBALL00000000000000000DD',8,1790000000000000,1790000000000001,'damaged',1790000000000002);
CREATE TABLE blob_removal (
    key TEXT PRIMARY KEY,
    begun_at BIGINT NOT NULL,
    ended_at BIGINT
);
INSERT INTO "blob_removal" VALUES('eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee.01KBALL00000000000000000EE',1790000000000000,1790000000000001);
CREATE TABLE deleted_file (
    repository_id TEXT NOT NULL REFERENCES repository (id),
    filename TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    deleted_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, filename)
);
INSERT INTO "deleted_file" VALUES('r1','ball@0.toy','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',1790000000000000);
CREATE TABLE document (
    file_id TEXT NOT NULL REFERENCES file (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (file_id, kind)
);
INSERT INTO "document" VALUES('f1','head','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',X'789C4BCACC4B2CAA040008970286');
CREATE TABLE download (
    file_id TEXT NOT NULL,
    token_id TEXT NOT NULL,
    day TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (file_id, token_id, day)
);
INSERT INTO "download" VALUES('f1','t1','2026-09-21',4);
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
INSERT INTO "exception" VALUES('o1','r3','kite','2',1790000000000009,'needed','local:ann',1790000000000000);
CREATE TABLE exchange_use (
    key TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until BIGINT NOT NULL
);
INSERT INTO "exchange_use" VALUES('gitlab:1','a1',1790000000000009);
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
    yanked TEXT, published_from TEXT,
    UNIQUE (repository_id, filename)
);
INSERT INTO "file" VALUES('f1','r1','p1','1','ball@1.toy',5,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1790000000000000,'service:robot','{}','[]',NULL,NULL);
INSERT INTO "file" VALUES('f2','r1','p1','2','ball@2.toy',6,'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',1790000000000001,'user:ann','{"colour":"red"}','["kite>=1"]','it bursts',NULL);
CREATE TABLE graph (
    id INTEGER PRIMARY KEY,
    repository_id TEXT NOT NULL REFERENCES repository (id),
    environment TEXT NOT NULL,
    digest TEXT NOT NULL DEFAULT '',
    built_at BIGINT,
    UNIQUE (repository_id, environment)
);
INSERT INTO "graph" VALUES(1,'r1','any','d',1790000000000000);
CREATE TABLE graph_change (
    format TEXT NOT NULL,
    package TEXT NOT NULL,
    PRIMARY KEY (format, package)
);
INSERT INTO "graph_change" VALUES('toy','ball');
CREATE TABLE graph_choice (
    id INTEGER PRIMARY KEY,
    graph_id INTEGER NOT NULL REFERENCES graph (id) ON DELETE CASCADE,
    package TEXT NOT NULL,
    specifier TEXT NOT NULL,
    version TEXT,
    reason TEXT,
    UNIQUE (graph_id, package, specifier)
);
INSERT INTO "graph_choice" VALUES(1,1,'kite','>=1',NULL,'missing');
CREATE TABLE graph_edge (
    node_id INTEGER NOT NULL REFERENCES graph_node (id) ON DELETE CASCADE,
    choice_id INTEGER NOT NULL REFERENCES graph_choice (id),
    extras TEXT NOT NULL,
    stated TEXT NOT NULL,
    PRIMARY KEY (node_id, choice_id, extras)
);
INSERT INTO "graph_edge" VALUES(1,1,'','kite>=1');
CREATE TABLE graph_finding (
    graph_id INTEGER NOT NULL REFERENCES graph (id) ON DELETE CASCADE,
    package TEXT NOT NULL,
    version TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (graph_id, package, version, id)
);
INSERT INTO "graph_finding" VALUES(1,'ball','1','GHSA-1','{}');
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
INSERT INTO "graph_finding_id" VALUES('CVE-1',1,'ball','1','GHSA-1');
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
INSERT INTO "graph_node" VALUES(1,1,'ball','1','',1,NULL,0);
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
INSERT INTO "graph_package" VALUES(1,'ball','p1.7',1790000000000009,NULL,NULL,0);
CREATE TABLE graph_pending (
    graph_id INTEGER NOT NULL REFERENCES graph (id) ON DELETE CASCADE,
    package TEXT NOT NULL,
    mark TEXT NOT NULL,
    PRIMARY KEY (graph_id, package)
);
INSERT INTO "graph_pending" VALUES(1,'ball','');
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
, key TEXT, failed_at BIGINT);
INSERT INTO "job" VALUES('j1','audit.chain','','{}',1790000000000000,1,NULL,NULL,'it failed',1790000000000000,NULL,NULL);
INSERT INTO "job" VALUES('j2','webhook.deliver','w','{}',1790000000000000,0,NULL,NULL,NULL,1790000000000000,'webhook.deliver:w',1790000000000001);
CREATE TABLE listed_report (
    format TEXT NOT NULL,
    package TEXT NOT NULL,
    scanner TEXT NOT NULL,
    version TEXT NOT NULL,
    database_digest TEXT NOT NULL,
    judged_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (format, package, scanner, version)
);
INSERT INTO "listed_report" VALUES('toy','kite','osv','1','d2',1790000000000000,'{"scanner":"osv","status":"ok","scanned_at":1790000000000000}');
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
INSERT INTO "package" VALUES('p1','r1','ball',7,2,'active',NULL,1790000000000000);
INSERT INTO "package" VALUES('p2','r1','reserved',1,0,'deprecated','use ball',1790000000000000);
INSERT INTO "package" VALUES('p3','r3','kite',2,0,'active',NULL,1790000000000000);
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
INSERT INTO "recall" VALUES('c1','r3','x2','kite','1','kite@1.toy','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc','taken back',1790000000000000);
CREATE TABLE remote_document (
    file_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    package_id TEXT NOT NULL REFERENCES package (id),
    sha256 TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (file_id, kind)
);
INSERT INTO "remote_document" VALUES('x1','head','p3','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',X'789C4BCACC4B2CAA040008970286');
CREATE TABLE remote_fact (
    file_id TEXT PRIMARY KEY,
    package_id TEXT NOT NULL REFERENCES package (id),
    sha256 TEXT NOT NULL,
    size BIGINT NOT NULL
);
INSERT INTO "remote_fact" VALUES('x1','p3','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',9);
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
INSERT INTO "remote_names" VALUES('r3','http://127.0.0.1/toys/',X'789C8B8E0500011500B9','n1',NULL,NULL,1790000000000000,NULL,NULL);
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
INSERT INTO "remote_page" VALUES('p3','http://127.0.0.1/toys/',X'789C8B8E0500011500B9','"e"',NULL,1790000000000000,NULL,NULL);
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
INSERT INTO "report" VALUES('f1','grype','ok','d1','0.9',1790000000000000,'{"scanner":"grype","status":"ok","scanned_at":1790000000000000}','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc');
CREATE TABLE report_document (
    file_id TEXT NOT NULL,
    scanner TEXT NOT NULL,
    kind TEXT NOT NULL,
    sha256 TEXT NOT NULL REFERENCES blob (sha256),
    PRIMARY KEY (file_id, scanner, kind)
);
INSERT INTO "report_document" VALUES('f1','grype','cyclonedx','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc');
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
INSERT INTO "repository" VALUES('r1','acme','toys','toy','local',3,1790000000000000,NULL);
INSERT INTO "repository" VALUES('r2','acme','gone','toy','local',0,1790000000000000,1790000000000001);
INSERT INTO "repository" VALUES('r3','acme','mirror','toy','remote',1,1790000000000000,NULL);
CREATE TABLE revision (
    subject TEXT PRIMARY KEY,
    number BIGINT NOT NULL
);
INSERT INTO "revision" VALUES('identity',12);
INSERT INTO "revision" VALUES('reports:toy:ball',3);
CREATE TABLE token (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT
, successor_id TEXT REFERENCES token (id), origin TEXT);
INSERT INTO "token" VALUES('t1','a1','ci','a hash',1790000000000000,NULL,NULL,1790000000000005,NULL,NULL);
INSERT INTO "token" VALUES('t2','a1','old','another hash',1790000000000000,NULL,NULL,NULL,'t1',NULL);
INSERT INTO "token" VALUES('t3','a1','exchanged','a third',1790000000000000,1790000000000009,NULL,NULL,NULL,'{"by":"gitlab"}');
CREATE TABLE token_grant (
    token_id TEXT NOT NULL REFERENCES token (id) ON DELETE CASCADE,
    target TEXT NOT NULL,
    PRIMARY KEY (token_id, target)
);
INSERT INTO "token_grant" VALUES('t1','acme/toys:publish');
CREATE TABLE upkeep (
    task TEXT PRIMARY KEY,
    begun_at BIGINT NOT NULL,
    ended_at BIGINT,
    place TEXT NOT NULL,
    told TEXT NOT NULL
);
INSERT INTO "upkeep" VALUES('upkeep.verify',1790000000000000,1790000000000001,'','{"checked":3}');
CREATE TABLE webhook_cursor (
    subscriber TEXT PRIMARY KEY,
    number BIGINT NOT NULL
);
INSERT INTO "webhook_cursor" VALUES('w',1);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX file_of_package ON file (package_id, uploaded_at, id);
CREATE INDEX file_of_blob ON file (sha256);
CREATE INDEX token_of_account ON token (account_id);
CREATE INDEX job_due ON job (due_at, id);
CREATE INDEX audit_by_target ON audit_entry (target, id);
CREATE INDEX remote_fact_of_package ON remote_fact (package_id);
CREATE INDEX remote_document_of_package ON remote_document (package_id);
CREATE INDEX recall_of_package ON recall (repository_id, package, recalled_at)
;
CREATE INDEX exception_of_package ON exception (package, repository_id, until)
;
CREATE INDEX exchange_use_until ON exchange_use (until);
CREATE INDEX token_of_exchange ON token (expires_at) WHERE origin IS NOT NULL;
CREATE INDEX token_by_name ON token (name)
;
CREATE UNIQUE INDEX job_key ON job (key);
CREATE INDEX job_leased ON job (leased_until)
;
CREATE INDEX audit_by_time ON audit_entry (at, id);
CREATE INDEX audit_by_project ON audit_entry (project, at, id);
CREATE INDEX audit_unlinked ON audit_entry (id) WHERE linked = 0;
CREATE INDEX report_by_database ON report (scanner, database_digest);
CREATE INDEX report_raw ON report (raw_sha256);
CREATE INDEX report_document_blob ON report_document (sha256);
CREATE INDEX graph_package_until ON graph_package (valid_until);
CREATE INDEX graph_package_follow ON graph_package (follow_at);
CREATE INDEX graph_choice_version ON graph_choice (graph_id, package, version);
CREATE INDEX graph_edge_choice ON graph_edge (choice_id, extras);
CREATE INDEX graph_finding_id_of ON graph_finding_id (graph_id, package, version, id);
CREATE INDEX graph_pending_mark ON graph_pending (mark)
;
CREATE INDEX blob_unused ON blob (unused_since, sha256) WHERE unused_since IS NOT NULL;
CREATE INDEX blob_faulty ON blob (sha256) WHERE fault IS NOT NULL;
CREATE INDEX blob_removal_open ON blob_removal (key) WHERE ended_at IS NULL;
COMMIT;
