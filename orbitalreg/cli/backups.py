"""`orbitalreg backup` and `restore`."""

from dataclasses import asdict
from pathlib import Path

import click

from orbitalreg.assembly import check_plugins, read_settings
from orbitalreg.cli.common import config_option, json_option, local_actor, opened, print_json
from orbitalreg.cli.upkeep import Line, amount, count
from orbitalreg.collection import restoring
from orbitalreg.collection.backup import BackedUp, BackupFolder

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--check", is_flag=True, help="Read the backup that is there and compare it, instead of making one.")
@config_option
@json_option
def backup(folder: Path, check: bool, config_file: str | None, as_json: bool) -> None:
    """Bring a backup in DIR up to this moment: the catalog, all bytes that it names, and the plugins' files.

    Beside a running server. What an earlier backup in DIR has is not copied again, and what is broken off is gone on
    with. The configuration is not in it. Exit 1 where bytes are damaged; everything else is in the backup then.
    """
    line = Line()

    def progress(done: BackedUp) -> None:
        line.say(f"{done.blobs} blobs, {amount(done.copied_bytes)} copied")

    try:
        if check:
            done = BackupFolder(folder).check(progress)
        else:
            with opened(config_file) as registry:
                done = registry.upkeep.backup.make(folder, local_actor(), progress)
    finally:
        line.end()
    if as_json:
        print_json(asdict(done))
    elif check:
        click.echo(f"{folder}: {count(done.kept, 'blob')} as they should be, {len(done.damaged)} not")
    else:
        click.echo(f"{folder}: {count(done.blobs, 'blob')}, {done.copied} of them new, {amount(done.copied_bytes)}")
    for sha256 in done.damaged:
        remedy = "make the backup again" if check else "run orbitalreg verify"
        click.echo(f"orbitalreg: the blob {sha256} is damaged or missing, and is not in the backup: {remedy}", err=True)
    if done.damaged:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@config_option
@json_option
def restore(folder: Path, config_file: str | None, as_json: bool) -> None:
    """Bring the backup in DIR into the configured data folder, which must be empty or absent.

    Everything is compared with its digest. Run it again where it was broken off. Exit 1 where the backup lacks bytes.
    """
    settings = read_settings(config_file)
    data = settings.data.path
    store = check_plugins(settings).blob_stores[settings.storage.backend]
    line = Line()
    try:
        restored = restoring.restore(
            folder,
            data,
            lambda: store(data, settings.storage.options),
            local_actor(),
            lambda done: line.say(f"{done.blobs} blobs, {amount(done.bytes)}"),
        )
    finally:
        line.end()
    if as_json:
        print_json({"data": str(data), **asdict(restored)})
    else:
        click.echo(f"restored {count(restored.blobs, 'blob')}, {amount(restored.bytes)}, to {data}")
    for name in restored.missing:
        click.echo(f"orbitalreg: {name}: its bytes are not in the backup", err=True)
    if restored.missing:
        raise click.exceptions.Exit(1)
