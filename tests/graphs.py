"""A registry whose graphs are looked at: versions are put into its catalog as uploads are, and graphs told as text."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ulid import ULID

from orbitalreg import config
from orbitalreg.assembly import Registry, assemble
from orbitalreg.catalog import Catalog, blobs, exceptions, files, graph, remotes, reports, repositories
from orbitalreg.catalog.database import FILENAME
from orbitalreg.config import Settings
from orbitalreg.exposures import KnownExposures
from orbitalreg.model import Address, File, Finding, RemoteFile, Report, ReportStatus, Severity, now
from orbitalreg.sources.patience import asking_nobody

INTERNAL = """
[projects.acme.repositories]
internal = { format = "pypi", kind = "local" }
"""


def configured(folder: Path, text: str = INTERNAL) -> Settings:
    file = folder / "orbitalreg.toml"
    file.write_text(f'[data]\npath = "{folder / "data"}"\n{text}')
    return config.load(file)


class World:
    """A registry on a folder of its own. Packages are of the format `pypi`, and held in `acme/internal`."""

    def __init__(self, folder: Path, text: str = INTERNAL) -> None:
        self.folder = folder
        self.text = text
        self.registry: Registry = assemble(configured(folder, text))
        self.copy: World | None = None

    @property
    def catalog(self) -> Catalog:
        return self.registry.catalog

    def close(self) -> None:
        if self.copy is not None:
            self.copy.close()
            self.copy = None
        self.registry.close()
        self.catalog.close()

    def again(self, text: str = INTERNAL) -> None:
        """Another configuration of the same data."""
        self.close()
        self.text = text
        self.registry = assemble(configured(self.folder, text))

    def repository_id(self, repository: str) -> str:
        return self.registry.repository(Address.parse(repository)).id

    def put(self, pin: str, *requirements: str, to: str = "acme/internal", filename: str = "", **more: Any) -> File:
        """Publish one file of a version (`name==1.0`) that asks for these."""
        package, _, version = pin.partition("==")
        filename = filename or f"{package.replace('-', '_')}-{version}-py3-none-any.whl"
        digest = f"{ULID()}"
        attributes = {"filetype": "bdist_wheel" if filename.endswith(".whl") else "sdist"}
        file = File(str(ULID()), package, version, filename, 1, digest, now(), attributes, requirements, **more)
        repository_id = self.repository_id(to)
        with self.catalog.write(lasting=False) as db:
            blobs.hold(db, digest, digest, 1)
            row = repositories.ensure_package(db, repository_id, package)
            files.insert(db, repository_id, row.id, file, "tester")
            repositories.package_changed(db, row.id, +1)
        return file

    def tell(
        self,
        pin: str,
        *requirements: str,
        document: bool = True,
        yanked: str | None = None,
        on: str = "acme/mirror",
    ) -> None:
        """The stored page of a remote repository has one file of the version too, and its metadata is here or not."""
        package, _, version = pin.partition("==")
        filename = f"{package.replace('-', '_')}-{version}-py3-none-any.whl"
        told = RemoteFile(
            filename,
            version,
            f"http://127.0.0.1:1/{filename}",
            1,
            uploaded_at=1,
            attributes={"filetype": "bdist_wheel"},
            documents={"metadata": ""},
            yanked=yanked,
        )
        repository_id = self.repository_id(on)
        with self.catalog.write(lasting=False) as db:
            row = repositories.ensure_package(db, repository_id, package)
            body = remotes.body(db, row.id)
            entries = [] if body is None else remotes.decoded(body)
            known = next((entry.id for entry in entries if entry.told.filename == filename), str(ULID()))
            entries = [entry for entry in entries if entry.told.filename != filename]
            body = remotes.encoded([*entries, remotes.Entry(known, 1, told)])
            remotes.put_page(db, row.id, "http://127.0.0.1:1/simple", body, None, None, now())
            if document:
                remotes.put_document(db, row.id, known, files.prepared("metadata", metadata(pin, requirements)))
            repositories.package_changed(db, row.id)

    def cache(self, pin: str, body: bytes | None = None, on: str = "acme/mirror") -> None:
        """A file of a version that the page of a remote repository tells of is held: its `body`, if that is read."""
        package, _, version = pin.partition("==")
        with asking_nobody():
            listing = self.registry.sources.raw[Address.parse(on)].listing(package)
        [file] = [file for file in listing.files if file.version == version]
        digest = key = str(ULID())
        if body is not None:
            digest = hashlib.sha256(body).hexdigest()
            key = f"{digest}.{ULID()}"
            kept = self.registry.store.staging / "cached"
            kept.write_bytes(body)
            self.registry.store.keep(kept, key)
        with self.catalog.write(lasting=False) as db:
            row = repositories.package(db, self.repository_id(on), package)
            assert row is not None
            if remotes.cached_digest(db, file.id) is None:
                blobs.hold(db, digest, key, len(body or b"1"))
                files.insert(
                    db, self.repository_id(on), row.id, replace(file, sha256=digest, size=len(body or b"1")), "upstream"
                )
                remotes.adopt_documents(db, file.id)
                remotes.count_cached(db, row.id, +1)

    def allow(self, pin: str, on: str) -> None:
        """Open the version over what the repository withholds by time."""
        package, _, version = pin.partition("==")
        with self.catalog.write(lasting=False) as db:
            exceptions.insert(db, self.repository_id(on), package, version, now() + 3_600_000_000, "", "tester")

    def _files(self, pin: str, to: str) -> tuple[repositories.PackageRow, list[File]]:
        package, _, version = pin.partition("==")
        row = repositories.package(self.catalog.read(), self.repository_id(to), package)
        assert row is not None
        return row, [file for file in files.of_package(self.catalog.read(), row.id) if file.version == version]

    def yank(self, pin: str, reason: str | None = "", to: str = "acme/internal") -> None:
        row, chosen = self._files(pin, to)
        with self.catalog.write(lasting=False) as db:
            files.set_yanked(db, [file.id for file in chosen], reason)
            repositories.package_changed(db, row.id)

    def delete(self, pin: str, to: str = "acme/internal") -> None:
        row, chosen = self._files(pin, to)
        with self.catalog.write(lasting=False) as db:
            for file in chosen:
                files.delete(db, self.repository_id(to), file)
            repositories.package_changed(db, row.id, -len(chosen))

    def report(self, pin: str, *ids: str, to: str = "acme/internal", severity: Severity = Severity.HIGH) -> None:
        """These vulnerabilities, and no others, are found in every file of the version."""
        package, _, version = pin.partition("==")
        _, chosen = self._files(pin, to)
        found = tuple(Finding(name, package, version, severity) for name in ids)
        with self.catalog.write(lasting=False) as db:
            for file in chosen:
                reports.put(db, file.id, Report("eye", ReportStatus.OK, found))
            reports.changed(db, "pypi", package)

    def update(self, registry: Registry | None = None) -> None:
        """Bring the graphs in step, here and now."""
        updater = (registry or self.registry).graph.updater
        updater.reconcile()
        assert updater.update()

    def graph_id(self, repository: str = "acme/internal", environment: str | None = None) -> int:
        wanted = self.repository_id(repository)
        [row] = [
            row
            for row in graph.graphs(self.catalog.read())
            if row.repository_id == wanted and environment in (None, row.environment)
        ]
        return row.id

    def edges(self, repository: str = "acme/internal") -> list[str]:
        """Each edge as a line: what asks, the text, and what is chosen or why nothing is."""
        rows = self.catalog.read().execute(
            "SELECT n.package, n.version, n.extras, e.stated, c.package, c.version, e.extras, c.reason"
            " FROM graph_edge AS e JOIN graph_node AS n ON n.id = e.node_id JOIN graph_choice AS c"
            " ON c.id = e.choice_id WHERE n.graph_id = ?",
            (self.graph_id(repository),),
        )
        return sorted(
            f"{_pin(row[0], row[1], row[2])}: {row[3]} -> {row[7] or (_pin(row[4], row[5], row[6]) if row[5] else '?')}"
            for row in rows.fetchall()
        )

    def nodes(self, repository: str = "acme/internal") -> list[str]:
        rows = self.catalog.read().execute(
            "SELECT package, version, extras, depth, is_known, fault FROM graph_node WHERE graph_id = ?",
            (self.graph_id(repository),),
        )
        return sorted(
            f"{_pin(*row[:3])} {row[3]}{'' if row[4] else ' unknown'}{': ' + row[5] if row[5] else ''}"
            for row in rows.fetchall()
        )

    def exposed(self, package: str, repository: str = "acme/internal") -> list[str]:
        """The ids of what versions of the package are exposed to."""
        found = KnownExposures(self.catalog).of(self.repository_id(repository), package).values()
        return sorted({one.vulnerability.id for some in found for one in some})

    def exposures_revision(self, package: str, repository: str = "acme/internal") -> int:
        subject = f"exposures:{self.repository_id(repository)}:{package}"
        row = self.catalog.read().execute("SELECT number FROM revision WHERE subject = ?", (subject,)).fetchone()
        return row[0] if row else 0


def _pin(package: str, version: str, extras: str) -> str:
    return f"{package}{f'[{extras}]' if extras else ''}=={version}"


def metadata(pin: str, requirements: Sequence[str]) -> bytes:
    package, _, version = pin.partition("==")
    lines = ["Metadata-Version: 2.1", f"Name: {package}", f"Version: {version}"]
    return "\n".join([*lines, *(f"Requires-Dist: {text}" for text in requirements), ""]).encode()


def content(registry: Registry) -> list[str]:
    """All that the graphs say, without ids of rows, marks and revisions: equal for equal graphs."""
    db = registry.catalog.read()
    told: list[Any] = []
    for sql in (
        "SELECT 'graph', repository_id, environment FROM graph",
        "SELECT 'node', g.repository_id, g.environment, n.package, n.version, n.extras, n.is_known, n.fault, n.depth"
        " FROM graph_node AS n JOIN graph AS g ON g.id = n.graph_id",
        "SELECT 'choice', g.repository_id, g.environment, c.package, c.specifier, c.version, c.reason"
        " FROM graph_choice AS c JOIN graph AS g ON g.id = c.graph_id",
        "SELECT 'edge', g.repository_id, g.environment, n.package, n.version, n.extras, c.package, c.specifier,"
        " e.extras, e.stated FROM graph_edge AS e JOIN graph_node AS n ON n.id = e.node_id"
        " JOIN graph_choice AS c ON c.id = e.choice_id JOIN graph AS g ON g.id = n.graph_id",
        "SELECT 'finding', g.repository_id, g.environment, f.package, f.version, f.id, f.body"
        " FROM graph_finding AS f JOIN graph AS g ON g.id = f.graph_id",
        "SELECT 'alias', g.repository_id, g.environment, f.alias, f.package, f.version, f.id"
        " FROM graph_finding_id AS f JOIN graph AS g ON g.id = f.graph_id",
        "SELECT 'package', g.repository_id, g.environment, p.package"
        " FROM graph_package AS p JOIN graph AS g ON g.id = p.graph_id",
        "SELECT 'pending', g.repository_id, g.environment, p.package"
        " FROM graph_pending AS p JOIN graph AS g ON g.id = p.graph_id",
        "SELECT 'change', format, package FROM graph_change",
    ):
        told += db.execute(sql).fetchall()
    return sorted(json.dumps(row) for row in told)


def anew(world: World) -> list[str]:
    """What the content would be, had the graphs been built from nothing: those of a copy are."""
    folder = world.folder / "anew"
    if world.copy is not None:
        world.copy.catalog.close()
    for file in folder.glob(f"data/{FILENAME}*"):
        file.unlink()
    (folder / "data").mkdir(parents=True, exist_ok=True)
    world.catalog.read().execute("VACUUM INTO ?", (str(folder / "data" / FILENAME),))
    if world.copy is None:
        world.copy = World(folder, world.text)
    world.copy.catalog.read().execute("PRAGMA journal_mode=WAL")  # which a copy is not in
    with world.copy.catalog.write(lasting=False) as db:
        for table in TABLES:
            db.execute(f"DELETE FROM {table}")
    world.copy.update()
    return content(world.copy.registry)


TABLES = (
    "graph_change", "graph_pending", "graph_edge", "graph_node", "graph_choice", "graph_finding_id", "graph_finding",
    "graph_package", "graph",
)  # fmt: skip
