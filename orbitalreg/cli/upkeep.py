"""`orbitalreg gc` and `verify`."""

import sys
import time
from dataclasses import asdict

import click

from orbitalreg.cli.common import config_option, json_option, local_actor, opened, print_json, usage
from orbitalreg.collection.garbage import Collected
from orbitalreg.collection.keeping import VERIFY_BY_HAND, Upkeep
from orbitalreg.collection.lock import BackupRuns
from orbitalreg.collection.verifying import MANY, Fault, Verified
from orbitalreg.model import parse_size

WAIT_SECONDS = 1.0


def never() -> bool:
    """Ctrl-C ends a command anywhere, and the next one goes on from there."""
    return False


class Line:
    """One line of progress, written over itself on a terminal and left out elsewhere."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._width = 0

    def say(self, text: str) -> None:
        if self._shown:
            click.echo(f"\r{text.ljust(self._width)}", nl=False, err=True)
            self._width = len(text)

    def end(self) -> None:
        if self._width:
            self.say("")
            click.echo("\r", nl=False, err=True)


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@config_option
@json_option
def gc(dry_run: bool, config_file: str | None, as_json: bool) -> None:
    """Remove the bytes that nothing refers to, once they have been unused for [upkeep] gc_grace.

    Beside a running server, whose worker does the same by itself. While a backup runs it waits.
    """
    with opened(config_file) as registry:
        collected = registry.upkeep.collector.look() if dry_run else _collected(registry.upkeep)
    if as_json:
        return print_json({"dry_run": dry_run, **asdict(collected)})
    words = "would remove" if dry_run else "removed"
    click.echo(f"{words} {count(collected.dropped, 'unused blob')}, {amount(collected.dropped_bytes)}")
    click.echo(f"{words} {count(collected.strays, 'left-over file')}")
    click.echo(f"{count(collected.waiting, 'unused blob')} in their grace, {amount(collected.waiting_bytes)}")


def _collected(upkeep: Upkeep) -> Collected:
    line = Line()
    waits = False
    try:
        while True:
            try:
                return upkeep.collect(never, lambda done: line.say(f"removed {done.dropped}, {done.waiting} left"))
            except BackupRuns:
                if not waits:
                    click.echo("orbitalreg: a backup is running; waiting for its end", err=True)
                waits = True
            time.sleep(WAIT_SECONDS)
    finally:
        line.end()


@click.command()
@click.option("--rate", metavar="SIZE", help="Read no more than so much a second, such as 16MiB.")
@click.option("--anew", is_flag=True, help="Begin at the beginning, and not where the last run was broken off.")
@click.option("--dry-run", is_flag=True, help="Say what is wrong, and change nothing.")
@click.option("--however-many", is_flag=True, help=f"Go on where {MANY} blobs in a row are missing or damaged.")
@config_option
@json_option
def verify(
    rate: str | None, anew: bool, dry_run: bool, however_many: bool, config_file: str | None, as_json: bool
) -> None:
    """Read all bytes again and compare them with their digests, and the catalog with itself and with the bytes.

    Files of upstreams are fetched again when they are asked for next. What cannot be had again is put aside, in
    quarantine/ of the data folder, and is not given out. Exit 1 where anything is wrong.
    """
    line, faults = Line(), []

    def told(fault: Fault) -> None:
        faults.append(fault)
        if not as_json:
            line.end()
            for text in _lines(fault):
                click.echo(text)

    with opened(config_file) as registry:
        try:
            verified = registry.upkeep.verifier.run(
                VERIFY_BY_HAND,
                local_actor(),
                never,
                rate=None if rate is None else usage(parse_size, rate, "--rate"),
                anew=anew,
                look_only=dry_run,
                many=sys.maxsize if however_many else MANY,
                progress=lambda done: line.say(f"{done.checked} blobs, {amount(done.checked_bytes)}"),
                told=told,
            )
        finally:
            line.end()
    if as_json:
        print_json({**asdict(verified), "faults": [asdict(fault) for fault in faults]})
    else:
        _print(verified)
    if verified.faulty or verified.problems:
        raise click.exceptions.Exit(1)


def _lines(fault: Fault) -> list[str]:
    lines = [f"{fault.fault}: {name}: it is had again" for name in fault.again]
    lines += [f"{fault.fault}: {name}: not given out any more" for name in fault.lost]
    return lines or [f"{fault.fault}: {fault.sha256}, to which nothing refers"]


def _print(verified: Verified) -> None:
    for problem in verified.problems:
        click.echo(f"the catalog: {problem}")
    size = amount(verified.checked_bytes)
    click.echo(f"{count(verified.checked, 'blob')} read, {size}: {verified.faulty} faulty, {verified.mended} mended")
    click.echo("the catalog is sound" if not verified.problems else "the catalog is not sound: restore a backup")


def count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def amount(size: int) -> str:
    """A number of bytes, for people."""
    value, units = float(size), ["B", "KiB", "MiB", "GiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"
