"""A registry whose graphs are looked at: versions are put into its catalog as uploads would, and graphs told as text."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ulid import ULID

from orbitalreg import config
from orbitalreg.assembly import Registry, assemble
from orbitalreg.catalog import blobs, files, graph, reports, repositories
from orbitalreg.config import Settings
from orbitalreg.model import Address, File, Finding, Report, ReportStatus, Severity, now

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
        self.registry: Registry = assemble(configured(folder, text))

    @property
    def catalog(self):
        return self.registry.catalog

    def close(self) -> None:
        self.registry.close()
        self.catalog.close()

    def again(self, text: str = INTERNAL) -> None:
        """Another configuration of the same data."""
        self.close()
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

    def exposures_revision(self, package: str, repository: str = "acme/internal") -> int:
        subject = f"exposures:{self.repository_id(repository)}:{package}"
        row = self.catalog.read().execute("SELECT number FROM revision WHERE subject = ?", (subject,)).fetchone()
        return row[0] if row else 0


def _pin(package: str, version: str, extras: str) -> str:
    return f"{package}{f'[{extras}]' if extras else ''}=={version}"


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


def anew(registry: Registry) -> list[str]:
    """What the content would be, had the graphs been built from nothing: they are."""
    with registry.catalog.write(lasting=False) as db:
        for table in TABLES:
            db.execute(f"DELETE FROM {table}")
    registry.graph.updater.reconcile()
    assert registry.graph.updater.update()
    return content(registry)


TABLES: Sequence[str] = (
    "graph_change", "graph_pending", "graph_edge", "graph_node", "graph_choice", "graph_finding_id", "graph_finding",
    "graph_package", "graph",
)  # fmt: skip


def updated(registry: Registry) -> Iterable[str]:
    """The content once everything is in step."""
    registry.graph.updater.reconcile()
    assert registry.graph.updater.update()
    return content(registry)
