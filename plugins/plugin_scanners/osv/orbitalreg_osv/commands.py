"""`orbitalreg osv`: looks after the dump."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from orbitalreg.interfaces import Commands, Surroundings
from orbitalreg.model import Microseconds, now
from orbitalreg_osv import settings
from orbitalreg_osv.index import Meta
from orbitalreg_osv.judging import stale
from orbitalreg_osv.store import Store
from orbitalreg_osv.updating import Told, update

_EVERY = 1000


class OsvCommands(Commands):
    """`orbitalreg osv update` and `orbitalreg osv status`."""

    name = "osv"

    def __init__(self, surroundings: Surroundings) -> None:
        self._settings = settings.read(surroundings.options, surroundings.base)
        self._store = Store(surroundings.folder, self._settings)
        self._clients = surroundings.clients

    def command(self) -> click.Command:
        group = click.Group("osv", help="The dump of known vulnerabilities that files are judged by.")
        group.add_command(self._update())
        group.add_command(self._status())
        return group

    def _update(self) -> click.Command:
        @click.command()
        @click.option(
            "--from",
            "source",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="A dump that was brought here, where the network does not reach.",
        )
        @_json
        def update_(source: Path | None, as_json: bool) -> None:
            """Get the newest dump and read it. A running server judges by it from the next file on.

            Until it is read as a whole, and whatever goes wrong, the former one counts.
            """
            with progress(sys.stderr.isatty() and not as_json) as told:
                done = update(self._store, self._settings, self._clients, source, told)
            shown = self._shown(done.meta)
            if as_json:
                click.echo(json.dumps({"is_new": done.is_new, **shown}, indent=2))
            else:
                click.echo(f"{'updated' if done.is_new else 'unchanged'}: {self._line(done.meta)}")

        update_.name = "update"
        return update_

    def _status(self) -> click.Command:
        @click.command()
        @_json
        def status(as_json: bool) -> None:
            """Say which dump files are judged by, and how old it is. Exit 1 where there is none that can be used."""
            if not self._settings.has_dump:
                asked = {"server": self._settings.server}
                click.echo(json.dumps(asked, indent=2) if as_json else f"no dump: {self._settings.server} is asked")
                return
            meta = self._store.index().meta
            click.echo(json.dumps(self._shown(meta), indent=2) if as_json else self._line(meta))

        return status

    def _shown(self, meta: Meta) -> dict[str, Any]:
        return {
            "source": meta.source,
            "records": meta.records,
            "skipped": meta.skipped,
            "newest": _moment(meta.built_at),
            "indexed_at": _moment(meta.indexed_at),
            "digest": meta.digest,
            "is_stale": stale(meta.built_at, self._settings.max_age, now()) is not None,
        }

    def _line(self, meta: Meta) -> str:
        age = stale(meta.built_at, self._settings.max_age, now())
        told = [f"{meta.counted}, the newest of {_moment(meta.built_at) or 'no known date'}"]
        told += [f"{meta.skipped} skipped, which are none"] * bool(meta.skipped)
        told += [f"too old: {age}"] * (age is not None)
        return "; ".join(told)


@contextmanager
def progress(is_shown: bool) -> Iterator[Told]:
    """One line that grows on a terminal, nothing elsewhere."""
    if not is_shown:
        yield lambda what, done, whole: None
        return
    last = ""

    def told(what: str, done: int, whole: int | None) -> None:
        nonlocal last
        text = _fetched(done, whole) if what == "fetched" else f"read {done // _EVERY * _EVERY} records"
        if text != last:
            click.echo(f"\r{text:<60}", nl=False, err=True)
            last = text

    try:
        yield told
    finally:
        if last:
            click.echo(f"\r{'':<60}\r", nl=False, err=True)


def _fetched(done: int, whole: int | None) -> str:
    return f"fetched {done >> 20} MiB" + (f" of {whole >> 20} MiB" if whole is not None else "")


def _json(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def _moment(at: Microseconds | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
