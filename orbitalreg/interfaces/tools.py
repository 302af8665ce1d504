"""What scanners that rely on a tool share: their table, the program, and its output, which is foreign."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from orbitalreg.errors import ConfigError, InvalidName, ScannerFailed
from orbitalreg.interfaces.scanners import Runner, Target, Tool, ToolRun
from orbitalreg.model import Component, Database, Finding, Microseconds, Report, ReportStatus, now, parse_duration

T = TypeVar("T")
_PROXIES = {"http_proxy", "https_proxy", "no_proxy", "ssl_cert_file"}
DATABASE = 8 << 30
"""Bytes of the largest file that a tool may write as its database."""
TEXT = 4096
"""Characters of a text in a tool's output that are kept."""
VERSION_SECONDS = 30.0
VERSION_OUTPUT = 1 << 20
_VERSION = re.compile(r"\d+(?:\.\d+)+[0-9A-Za-z.+~-]{0,60}")


class Table:
    """`[plugins.<name>]` of a scanner, read key by key; `check` says what was wrong, all at once."""

    def __init__(self, options: Mapping[str, Any], base: Path) -> None:
        self._options = options
        self._base = base
        self._known: list[str] = []
        self._problems: list[str] = []

    def flag(self, key: str, default: bool) -> bool:
        return self._read(key, default, lambda value: value if isinstance(value, bool) else None, "true or false")

    def path(self, key: str, default: Path) -> Path:
        return self._read(
            key, default, lambda value: self._base / value if isinstance(value, str) and value else None, "a path"
        )

    def seconds(self, key: str, default: str) -> int:
        return self._read(key, parse_duration(default), _duration, 'a duration such as "12h" or "7d"')

    def program(self, key: str, name: str, remedy: str) -> Path:
        """The program at the path that `key` has, else the one called `name` on the PATH."""
        self._known.append(key)
        given = self._options.get(key)
        if given is not None and (not isinstance(given, str) or not given):
            self._problems.append(f"{key}: must be a path")
            return Path(name)
        found = shutil.which(str(self._base / os.path.expanduser(given)) if given else name)
        if found is None:
            where = f"{given} is no program that can be run" if given else f"there is no {name} on the PATH"
            self._problems.append(f"{key}: {where}; {remedy}")
        return Path(found or name).absolute()

    def check(self) -> None:
        """Raises `ConfigError`, also for a key that nobody asked for."""
        known = ", ".join(sorted(self._known))
        unknown = sorted(self._options.keys() - set(self._known))
        problems = [*self._problems, *(f"{key}: there is no such key; known here: {known}" for key in unknown)]
        if problems:
            raise ConfigError(problems)

    def _read(self, key: str, default: T, parse: Callable[[Any], T | None], expected: str) -> T:
        self._known.append(key)
        if key not in self._options:
            return default
        found = parse(self._options[key])
        if found is None:
            self._problems.append(f"{key}: must be {expected}")
            return default
        return found


def _duration(value: Any) -> int | None:
    try:
        return parse_duration(value)
    except InvalidName:
        return None


class Workplace:
    """A folder of a tool's own within the target's: there it finds no settings, of the user's or of the file's."""

    def __init__(self, target: Target) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=target.folder))
        self._run = target.run

    def run(self, arguments: Sequence[str], environment: Mapping[str, str] = {}, max_output: int = 64 << 20) -> bytes:
        """What the tool prints. Raises `ScannerFailed` where it fails, with its last words."""
        done = self._run(
            arguments, folder=self.folder, environment=_at_home(self.folder, environment), max_output=max_output
        )
        return _printed(arguments, done)

    def update(self, arguments: Sequence[str], environment: Mapping[str, str] = {}) -> None:
        """Have the tool bring its database up to date, which may be large. Where it cannot, what it has must do."""
        with suppress(ScannerFailed):
            self.run(arguments, {**proxies(), **environment}, DATABASE)

    def read(self, name: str) -> bytes:
        """A file that the tool was to write. Raises `ScannerFailed`."""
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise ScannerFailed(f"the tool did not write its {name}") from error


def _at_home(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    home = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), str(folder))
    return {"NO_COLOR": "1", **home, **environment}


def _printed(arguments: Sequence[str], done: ToolRun) -> bytes:
    if done.exit_code != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise ScannerFailed(f"{Path(arguments[0]).name} ended with {done.exit_code}: {words[-1][:300]}")
    return done.stdout


def version_of(tool: Tool, run: Runner, folder: Path) -> str:
    """The first number with a point that the program prints when it is asked, in the empty `folder`.

    A build that tells none (`go install` makes such) is known by its content. Raises `ScannerFailed`.
    """
    arguments = [str(tool.program), *tool.arguments]
    done = run(
        arguments,
        folder=folder,
        environment=_at_home(folder, tool.environment),
        seconds=VERSION_SECONDS,
        max_output=VERSION_OUTPUT,
    )
    found = _VERSION.search(_printed(arguments, done).decode("ascii", "replace"))
    if found is not None:
        return found[0]
    try:
        with tool.program.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
    except OSError as error:
        raise ScannerFailed(f"{tool.program.name} cannot be read: {error.strerror}") from error


class Part:
    """An object within a tool's JSON, read strictly: what is not as it should be raises `ScannerFailed`.

    A key that is absent or null counts as empty, unless it is said to be needed.
    """

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise ScannerFailed(f"{where} is not an object: this is not the tool's output, or of another version")
        self._value = value
        self._where = where

    def text(self, key: str) -> str:
        """At most `TEXT` characters, on one line; what cannot be kept as UTF-8 is replaced."""
        return self._plain(self._typed(key, str, ""), key)

    def needed(self, key: str) -> str:
        found = self.text(key)
        if not found:
            raise ScannerFailed(f"{self._where}.{key} is missing")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(self._plain(item, f"{key}[{n}]") for n, item in enumerate(self._typed(key, list, [])))

    def number(self, key: str) -> int:
        return self._typed(key, int, 0)

    def part(self, key: str) -> "Part":
        return Part(self._typed(key, dict, {}), f"{self._where}.{key}")

    def parts(self, key: str) -> "list[Part]":
        return [Part(item, f"{self._where}.{key}[{n}]") for n, item in enumerate(self._typed(key, list, []))]

    def named(self, key: str) -> "dict[str, Part]":
        """The objects within the object `key`, by their keys."""
        found = self._typed(key, dict, {})
        return {name: Part(item, f"{self._where}.{key}.{name}") for name, item in found.items()}

    def instant(self, key: str) -> Microseconds | None:
        """RFC 3339; None for what is no time between 1971 and now."""
        try:
            found = datetime.fromisoformat(self.text(key))
        except ValueError:
            return None
        aware = found if found.tzinfo else found.replace(tzinfo=UTC)
        micros = int(aware.timestamp() * 1_000_000)
        return micros if 31_536_000_000_000 < micros <= now() else None

    def _typed(self, key: str, kind: type[T], default: T) -> T:
        found = self._value.get(key)
        if found is None:
            return default
        if not isinstance(found, kind):
            raise ScannerFailed(f"{self._where}.{key} is not as expected: the tool may be of another version")
        return found

    def _plain(self, value: object, key: str) -> str:
        if not isinstance(value, str):
            raise ScannerFailed(f"{self._where}.{key} is not a text")
        return " ".join(value[:TEXT].encode("utf-8", "replace").decode().split())


def read_json(output: bytes, tool: str) -> Part:
    """The object that `tool` wrote. Raises `ScannerFailed`."""
    try:
        return Part(json.loads(output), tool)
    except (ValueError, RecursionError):
        raise ScannerFailed(f"{tool}: what it wrote is no JSON") from None


class Named:
    """The components of a target by their package URLs, however those are spelt.

    `name` and `version` bring both to a normal form, where the tool reads them as the file's author wrote them.
    """

    def __init__(
        self,
        components: Sequence[Component],
        name: Callable[[str], str] = str.lower,
        version: Callable[[str], str] = str,
    ) -> None:
        self._name, self._version = name, version
        self._components = components
        self._found: dict[tuple[str, str, str], list[Component]] = {}
        for component in components:
            kind, own, number = self._spelling(component.purl)
            space = own.rpartition("/")[0]
            aliases = (name(f"{space}/{alias}".lstrip("/")) for alias in component.aliases)
            for spelling in dict.fromkeys((own, *aliases)):
                self._found.setdefault((kind, spelling, number), []).append(component)

    def of(self, purl: str) -> Sequence[Component]:
        """Those that it names; none where it is somebody else's."""
        return self._found.get(self._spelling(purl), ())

    def seen(self, purls: Iterable[str]) -> tuple[str, ...]:
        """The components' own package URLs, of those that are named."""
        named = {component.purl for purl in purls for component in self.of(purl)}
        return tuple(dict.fromkeys(one.purl for one in self._components if one.purl in named))

    def _spelling(self, purl: str) -> tuple[str, str, str]:
        """Type, name and version by https://github.com/package-url/purl-spec, without qualifiers."""
        plain = purl.removeprefix("pkg:").partition("#")[0].partition("?")[0]
        path, _, version = plain.rpartition("@") if "@" in plain else (plain, "", "")
        kind, _, name = path.partition("/")
        return kind.lower(), self._name(unquote(name)), self._version(unquote(version))


def proxies() -> dict[str, str]:
    """The variables that say by which proxies a tool reaches the network, where it may."""
    return {name: value for name, value in os.environ.items() if name.lower() in _PROXIES}


def is_stale(database: Database, max_age: int) -> bool:
    """Whether it is older than `max_age` seconds, or does not say how old it is."""
    return database.built_at is None or now() - database.built_at > max_age * 1_000_000


def dated(database: Database, max_age: int) -> Database:
    """The database, stale and with another digest from the moment on at which it is too old: files are looked at anew
    then, since what was `ok` until then is `db_stale`.
    """
    if not is_stale(database, max_age):
        return database
    return replace(database, digest=f"{database.digest} stale", is_stale=True)


def report(
    scanner: str,
    version: str,
    component: Component,
    seen: Sequence[str],
    findings: Iterable[Finding],
    database: Database | None,
    max_age: int,
) -> Report:
    """What is told of a file whose own package is `component`, if it was `seen`, with a database no older than
    `max_age` seconds. A finding that comes twice for one component is told once.
    """
    status, reason = ReportStatus.OK, None
    if component.purl not in seen:
        status, reason = ReportStatus.NOT_SCANNED, f"{scanner} did not recognise {component.name} {component.version}"
    elif database is not None and is_stale(database, max_age):
        status, reason = ReportStatus.DB_STALE, f"the database of {scanner} {_age(database)}; max_age is {max_age} s"
    once: dict[tuple[str, ...], Finding] = {}
    for finding in findings:
        once.setdefault((finding.id, finding.purl, finding.location), finding)
    return Report(scanner, status, tuple(once.values()), tuple(seen), database, version, reason)


def _age(database: Database) -> str:
    if database.built_at is None:
        return "does not say when it was built"
    return f"was built {datetime.fromtimestamp(database.built_at / 1e6, UTC):%Y-%m-%d}"
