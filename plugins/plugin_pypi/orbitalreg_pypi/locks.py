"""Lock files of Python projects: requirements.txt as pip writes it, uv.lock, and pylock.toml (PEP 751).

Markers are not asked: what any environment would install counts. Extras pin nothing, and projects that come from a
folder, an archive or a version control system come through no registry.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from orbitalreg.errors import InvalidName, Malformed, plain
from orbitalreg.model import Locked
from orbitalreg_pypi.filenames import normalize, normalize_version

MAX_LOCK = 64 << 20
_HASH = re.compile(r"(?:^|\s)--hash[=\s]\s*([a-z0-9]+):([0-9a-fA-F]+)")
_OPTION = re.compile(r"\s--[a-z]|\s-[a-zA-Z]\s")
_PYLOCK = re.compile(r"pylock(\.[^.]+)?\.toml")
_NOT_FROM_HERE = re.compile(r"(-e|--editable)\b|[./\\]|[A-Za-z0-9._-]+\.(whl|tar\.gz|zip)$|[a-z+]+://")
_ELSEWHERE = ("vcs", "directory", "archive")
"""What a package of a pylock.toml has that comes through no registry."""
_OTHER_FILE = re.compile(r"(?:-r|-c|--requirement|--constraint)[=\s]*(.*)")


def read_lock(filename: str, body: bytes) -> Sequence[Locked]:
    """By the file's name what it is; any other than `uv.lock` and `pylock.toml` is read as requirements.

    Raises `Malformed`.
    """
    if len(body) > MAX_LOCK:
        raise Malformed(f"{plain(filename)} is larger than {MAX_LOCK} bytes")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        raise Malformed(f"{plain(filename)} line {line}: is not UTF-8") from error
    try:
        if filename == "uv.lock":
            return list(_uv(_toml(text)))
        if _PYLOCK.fullmatch(filename):
            return list(_pylock(_toml(text)))
        return list(_requirements(text))
    except Malformed as error:
        raise Malformed(f"{filename} {error}") from error


def _requirements(text: str) -> Iterator[Locked]:
    for number, line in _logical(text):
        if other := _OTHER_FILE.fullmatch(line):
            raise Malformed(f"line {number}: other files are not read; give {other[1] or 'it'} too, with --lock")
        if line.startswith("-") or _NOT_FROM_HERE.match(line):
            continue
        yield from _requirement(number, line)


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """The lines with what continues them, without comments; each with the number of its first."""
    begun, parts = 0, [""]
    for number, line in enumerate(text.splitlines(), 1):
        begun = begun or number
        line = re.sub(r"(^|\s)#.*", "", line).rstrip()
        parts.append(line.removesuffix("\\"))
        if not line.endswith("\\"):
            if whole := " ".join(parts).strip():
                yield begun, whole
            begun, parts = 0, [""]
    if whole := " ".join(parts).strip():
        yield begun, whole


def _requirement(number: int, line: str) -> Iterator[Locked]:
    options = _OPTION.search(f"{line} ")
    written = (line[: options.start()] if options else line).strip()
    try:
        found = Requirement(written)
        if found.url is not None:
            return
        pins = [one for one in found.specifier if one.operator in ("==", "===") and not one.version.endswith(".*")]
        if len(pins) != 1:
            raise Malformed(f"line {number}: {written!r} pins no version; a lock file has NAME==VERSION on each line")
        name, version = normalize(found.name), normalize_version(pins[0].version)
    except (InvalidRequirement, InvalidName) as error:
        raise Malformed(f"line {number}: {_first_line(error)}") from error
    except RecursionError:
        raise Malformed(f"line {number}: cannot be read") from None
    digests = [digest.lower() for algorithm, digest in _HASH.findall(line) if algorithm == "sha256"]
    yield Locked(name, version, frozenset(digests), f"line {number}")


def _uv(lock: Mapping[str, Any]) -> Iterator[Locked]:
    for number, package in _packages(lock, "package"):
        source = package.get("source")
        if not isinstance(source, Mapping) or "registry" not in source:
            continue
        files = _files(package, "sdist", "wheels")
        digests = [str(one.get("hash", "")) for one in files]
        yield _locked(number, package, [one.removeprefix("sha256:") for one in digests if one.startswith("sha256:")])


def _pylock(lock: Mapping[str, Any]) -> Iterator[Locked]:
    for number, package in _packages(lock, "packages"):
        if any(key in package for key in _ELSEWHERE):
            continue
        hashes = [one.get("hashes") for one in _files(package, "sdist", "wheels")]
        yield _locked(
            number, package, [str(one["sha256"]) for one in hashes if isinstance(one, Mapping) and "sha256" in one]
        )


def _packages(lock: Mapping[str, Any], key: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    found = lock.get(key, [])
    if not isinstance(found, list):
        raise Malformed(f"{key}: is no list of tables")
    for number, package in enumerate(found):
        if not isinstance(package, Mapping):
            raise Malformed(f"{key}.{number}: is no table")
        yield number, package


def _files(package: Mapping[str, Any], *keys: str) -> Iterable[Mapping[str, Any]]:
    for key in keys:
        found = package.get(key, [])
        for one in found if isinstance(found, list) else [found]:
            if isinstance(one, Mapping):
                yield one


def _locked(number: int, package: Mapping[str, Any], digests: Iterable[str]) -> Locked:
    place = f"package {number + 1}"
    name, version = package.get("name"), package.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        raise Malformed(f"{place}: has no name or no version; write the lock again with versions")
    try:
        return Locked(normalize(name), normalize_version(version), frozenset(one.lower() for one in digests), place)
    except InvalidName as error:
        raise Malformed(f"{place}: {error}") from error


def _toml(text: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Malformed(f"is not TOML: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
