"""`orbitalreg packages`, `show`, `yank`, `unyank`, `delete` and `status`."""

from dataclasses import asdict, dataclass
from typing import Any

import click

from orbitalreg.cli.backends import Backend, backend, server_option
from orbitalreg.cli.common import config_option, json_option, plain_json, print_json, print_rows, unicode_text
from orbitalreg.errors import InvalidName, NotFound
from orbitalreg.model import Address, Status, StatusName
from orbitalreg.summaries import Change, FileSummary, PackageDetail, WithheldSummary
from orbitalreg.times import to_the_second


@dataclass(frozen=True, slots=True)
class Named:
    """What `PROJECT/REPO/NAME[==VERSION]` says, as it is written."""

    address: Address
    package: str
    version: str | None

    @property
    def wanted(self) -> str:
        """The version. Raises `InvalidName` where none is given."""
        if self.version is None:
            raise InvalidName(f"which version of {self.package}? write {self.address}/{self.package}==VERSION")
        return self.version


@dataclass(frozen=True, slots=True)
class Place:
    """What `PROJECT/REPO[/NAME[==VERSION]]` says, as it is written."""

    address: Address
    package: str | None
    version: str | None


def parse_place(text: str) -> Place:
    """Raises `InvalidName`."""
    if text.count("/") < 2 and "==" not in text:
        return Place(Address.parse(text), None, None)
    named = parse_package(text)
    return Place(named.address, named.package, named.version)


def parse_package(text: str) -> Named:
    """Raises `InvalidName`."""
    place, _, version = text.partition("==")
    parts = place.split("/")
    if len(parts) != 3 or not parts[2]:
        raise InvalidName(f"{text!r} is no package: write PROJECT/REPO/NAME or PROJECT/REPO/NAME==VERSION")
    return Named(Address(parts[0], parts[1]), parts[2], version or None)


@click.command()
@click.argument("repository", metavar="PROJECT/REPO")
@config_option
@server_option
@json_option
def packages(repository: str, config_file: str | None, server: str | None, as_json: bool) -> None:
    """The packages of a repository with their newest versions; of an upstream's, those that were asked for before."""
    with backend(config_file, server) as registry:
        rows = [
            {
                "package": found.name,
                "newest": found.newest,
                "versions": found.version_count,
                "files": found.file_count,
                "status": str(found.status),
            }
            for found in registry.packages(Address.parse(repository))
        ]
    print_rows(rows, as_json, f"{repository} has no package yet")


@click.command()
@click.argument("package", metavar="PROJECT/REPO/NAME[==VERSION]")
@config_option
@server_option
@json_option
def show(package: str, config_file: str | None, server: str | None, as_json: bool) -> None:
    """A package, or one version of it: its files, who published them, and how often they were fetched.

    Of a remote or virtual repository, a file that is withheld is shown with the reason.
    """
    named = parse_package(package)
    with backend(config_file, server) as registry:
        found = registry.package(named.address, named.package)
        chosen = _files(registry, named, found)
    shown: dict[str, Any] = {
        "package": f"{named.address}/{found.name}",
        "status": str(found.status),
        "reason": found.reason,
        "files": [_file_row(file) for file in chosen],
    }
    if as_json:
        return print_json(shown)
    click.echo(shown["package"] + (f" ({shown['status']})" if shown["status"] != "active" else ""))
    keys = ["version", "filename", "size", "published", "by", "downloads", "yanked"]
    if any(file.repository != str(named.address) for file in chosen):
        keys.append("from")
    if any(file.withheld for file in chosen):
        keys.append("withheld")
    if any(file.reports for file in chosen):
        keys.append("scanned")
    if any(file.published_from for file in chosen):
        keys.append("published from")
    rows = [
        {**row, "published from": _told(row["published_from"]), "scanned": _scanned(row["reports"])}
        for row in shown["files"]
    ]
    print_rows([{key: row[key] for key in keys} for row in rows], False, "no such version is here")


def _files(registry: Backend, named: Named, package: PackageDetail) -> list[FileSummary]:
    """The files in their format's order of versions, which no client knows."""
    try:
        files = list(registry.files(named.address, named.package, named.version))
    except NotFound:  # of a version that is not there; the package is
        return []
    order = {version: place for place, version in enumerate(package.versions)}
    return sorted(files, key=lambda file: (order.get(file.version, len(order)), file.filename))


def _file_row(file: FileSummary) -> dict[str, Any]:
    return {
        "version": file.version,
        "filename": file.filename,
        "size": file.size,
        "sha256": file.sha256,
        "published": to_the_second(file.published_at),
        "by": file.published_by,
        "published_from": file.published_from,
        "downloads": file.downloads,
        "yanked": file.yanked if file.yanked is None else file.yanked or "yes",
        "requirements": file.requirements,
        "from": file.repository,
        "withheld": file.withheld and holding(file.withheld),
        "reports": [plain_json(asdict(report)) for report in file.reports],
    }


def _scanned(reports: list[dict[str, Any]]) -> str:
    """Each scanner and the status of its report."""
    return ", ".join(f"{report['scanner']} {report['status']}" for report in reports)


def _told(origin: dict[str, str] | None) -> str | None:
    """The exchanger's own line, where it wrote one."""
    if not origin:
        return None
    return origin.get("summary") or ", ".join(f"{key} {value}" for key, value in origin.items())


def holding(withheld: WithheldSummary) -> str:
    """Why a file is withheld and until when, for people."""
    opens = f"; opens {to_the_second(withheld.until)}" if withheld.until else ""
    return f"by {withheld.by}: {withheld.reason}{opens}"


@click.command()
@click.argument("version", metavar="PROJECT/REPO/NAME==VERSION")
@click.option("--reason", callback=unicode_text, default="", help="What installers tell those who pinned it.")
@config_option
@server_option
@json_option
def yank(version: str, reason: str, config_file: str | None, server: str | None, as_json: bool) -> None:
    """Have installers pass over a version unless it is pinned."""
    named = parse_package(version)
    with backend(config_file, server) as registry:
        done = registry.yank(named.address, named.package, named.wanted, reason)
    _report("yanked", done, as_json)


@click.command()
@click.argument("version", metavar="PROJECT/REPO/NAME==VERSION")
@config_option
@server_option
@json_option
def unyank(version: str, config_file: str | None, server: str | None, as_json: bool) -> None:
    """Take a yank back."""
    named = parse_package(version)
    with backend(config_file, server) as registry:
        done = registry.unyank(named.address, named.package, named.wanted)
    _report("unyanked", done, as_json)


@click.command()
@click.argument("version", metavar="PROJECT/REPO/NAME==VERSION")
@click.option("--file", "filename", help="Only this file of the version.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@server_option
@json_option
def delete(
    version: str, filename: str | None, yes: bool, config_file: str | None, server: str | None, as_json: bool
) -> None:
    """Delete a version. Its filenames are not used again for other bytes."""
    named = parse_package(version)
    with backend(config_file, server) as registry:
        wanted = named.wanted
        if not yes:
            click.confirm(f"Delete {filename or 'every file'} of {version}?", abort=True, err=True)
        done = registry.delete(named.address, named.package, wanted, filename)
    _report("deleted", done, as_json)


@click.command()
@click.argument("package", metavar="PROJECT/REPO/NAME")
@click.argument("new_status", type=click.Choice([str(name) for name in StatusName]))
@click.option("--reason", callback=unicode_text, help="Shown on the package's page.")
@config_option
@server_option
@json_option
def status(
    package: str, new_status: str, reason: str | None, config_file: str | None, server: str | None, as_json: bool
) -> None:
    """Say in which part of its life a package is: archived takes no uploads, quarantined offers no files either."""
    named = parse_package(package)
    with backend(config_file, server) as registry:
        registry.set_status(named.address, named.package, Status(StatusName(new_status), reason))
    if as_json:
        print_json({"package": package, "status": new_status, "reason": reason})
    else:
        click.echo(f"{package} is now {new_status}")


def _report(verb: str, done: Change, as_json: bool) -> None:
    if as_json:
        return print_json({verb: done.filenames})
    for filename in done.filenames:
        click.echo(f"{verb} {filename}")
