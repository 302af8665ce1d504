"""`orbitalreg packages`, `show`, `yank`, `unyank`, `delete` and `status`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from orbitalreg.assembly import Registry
from orbitalreg.catalog import files
from orbitalreg.cli.common import config_option, json_option, local_actor, moment, opened, print_json, print_rows
from orbitalreg.errors import InvalidName
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import Address, File, Repository, Status, StatusName


@dataclass(frozen=True, slots=True)
class _Named:
    """What `PROJECT/REPO/NAME[==VERSION]` means, in normal form."""

    repository: Repository
    adapter: FormatAdapter
    package: str
    version: str | None


def _named(registry: Registry, text: str) -> _Named:
    """Raises `InvalidName`, `NotFound`."""
    place, _, version = text.partition("==")
    parts = place.split("/")
    if len(parts) != 3 or not parts[2]:
        raise InvalidName(f"{text!r} is no package: write PROJECT/REPO/NAME or PROJECT/REPO/NAME==VERSION")
    repository = registry.repository(Address(parts[0], parts[1]))
    adapter = registry.formats[repository.format]
    return _Named(
        repository, adapter, adapter.normalize(parts[2]), adapter.normalize_version(version) if version else None
    )


def _version(named: _Named) -> str:
    if named.version is None:
        raise InvalidName(
            f"which version of {named.package}? write {named.repository.address}/{named.package}==VERSION"
        )
    return named.version


@click.command()
@click.argument("repository", metavar="PROJECT/REPO")
@config_option
@json_option
def packages(repository: str, config_file: str | None, as_json: bool) -> None:
    """The packages of a repository with their newest versions."""
    with opened(config_file) as registry:
        found = registry.repository(Address.parse(repository))
        adapter = registry.formats[found.format]
        source = registry.source(found)
        rows = []
        for name in source.names():
            listing = source.listing(name)
            versions = sorted({file.version for file in listing.files}, key=adapter.version_key)
            rows.append(
                {
                    "package": name,
                    "newest": versions[-1] if versions else None,
                    "versions": len(versions),
                    "files": len(listing.files),
                    "status": str(listing.status.name),
                }
            )
    print_rows(rows, as_json, f"{repository} has no package yet")


@click.command()
@click.argument("package", metavar="PROJECT/REPO/NAME[==VERSION]")
@config_option
@json_option
def show(package: str, config_file: str | None, as_json: bool) -> None:
    """A package, or one version of it: its files, who published them, and how often they were fetched."""
    with opened(config_file) as registry:
        named = _named(registry, package)
        listing = registry.source(named.repository).listing(named.package)
        chosen = [file for file in listing.files if named.version in (None, file.version)]
        chosen.sort(key=lambda file: (named.adapter.version_key(file.version), file.filename))
        shown: dict[str, Any] = {
            "package": f"{named.repository.address}/{named.package}",
            "status": str(listing.status.name),
            "reason": listing.status.reason,
            "files": [_file_row(registry, file) for file in chosen],
        }
    if as_json:
        return print_json(shown)
    click.echo(shown["package"] + (f" ({shown['status']})" if shown["status"] != "active" else ""))
    keys = ("version", "filename", "size", "published", "by", "downloads", "yanked")
    print_rows([{key: row[key] for key in keys} for row in shown["files"]], False, "no such version is here")


def _file_row(registry: Registry, file: File) -> dict[str, Any]:
    db = registry.catalog.read()
    uploader = files.uploader(db, file.id)
    return {
        "version": file.version,
        "filename": file.filename,
        "size": file.size,
        "sha256": file.sha256,
        "published": moment(file.uploaded_at),
        "by": uploader[0] if uploader else None,
        "downloads": files.downloads(db, [file.id]),
        "yanked": file.yanked if file.yanked is None else file.yanked or "yes",
        "requirements": list(file.requirements),
    }


@click.command()
@click.argument("version", metavar="PROJECT/REPO/NAME==VERSION")
@click.option("--reason", default="", help="What installers tell those who pinned it.")
@config_option
@json_option
def yank(version: str, reason: str, config_file: str | None, as_json: bool) -> None:
    """Have installers pass over a version unless it is pinned."""
    with opened(config_file) as registry:
        named = _named(registry, version)
        done = registry.curator.yank(named.repository, named.package, _version(named), reason, local_actor())
    _report("yanked", done, as_json)


@click.command()
@click.argument("version", metavar="PROJECT/REPO/NAME==VERSION")
@config_option
@json_option
def unyank(version: str, config_file: str | None, as_json: bool) -> None:
    """Take a yank back."""
    with opened(config_file) as registry:
        named = _named(registry, version)
        done = registry.curator.unyank(named.repository, named.package, _version(named), local_actor())
    _report("unyanked", done, as_json)


@click.command()
@click.argument("version", metavar="PROJECT/REPO/NAME==VERSION")
@click.option("--file", "filename", help="Only this file of the version.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@json_option
def delete(version: str, filename: str | None, yes: bool, config_file: str | None, as_json: bool) -> None:
    """Delete a version. Its filenames are not used again for other bytes."""
    with opened(config_file) as registry:
        named = _named(registry, version)
        wanted = _version(named)
        if not yes:
            click.confirm(f"Delete {filename or 'every file'} of {version}?", abort=True, err=True)
        done = registry.curator.delete(named.repository, named.package, wanted, filename, local_actor())
    _report("deleted", done, as_json)


@click.command()
@click.argument("package", metavar="PROJECT/REPO/NAME")
@click.argument("new_status", type=click.Choice([str(name) for name in StatusName]))
@click.option("--reason", help="Shown on the package's page.")
@config_option
@json_option
def status(package: str, new_status: str, reason: str | None, config_file: str | None, as_json: bool) -> None:
    """Say in which part of its life a package is: archived takes no uploads, quarantined offers no files either."""
    with opened(config_file) as registry:
        named = _named(registry, package)
        registry.curator.set_status(
            named.repository, named.package, Status(StatusName(new_status), reason), local_actor()
        )
    if as_json:
        print_json({"package": package, "status": new_status, "reason": reason})
    else:
        click.echo(f"{package} is now {new_status}")


def _report(verb: str, done: Sequence[File], as_json: bool) -> None:
    if as_json:
        return print_json({verb: [file.filename for file in done]})
    for file in done:
        click.echo(f"{verb} {file.filename}")
