"""Names of packages, versions, files, and entries of archives: PEP 503, PEP 440, PEP 427 and PEP 625."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NoReturn

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from orbitalreg.errors import InvalidName, UploadRefused

MAX_NAME = 200
MAX_VERSION = 200
MAX_ENTRY_NAME = 1024
MAX_FILENAME = 255  # bytes, what common file systems allow
# A compressed tag set stands for a product of its parts, which `packaging` writes out: 255 bytes can mean 70,000 tags.
MAX_TAGS = 1024

FileType = Literal["bdist_wheel", "sdist"]

_EXTENSIONS: dict[str, FileType] = {".whl": "bdist_wheel", ".tar.gz": "sdist", ".zip": "sdist"}
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_SAFE_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
# Control characters, backslashes, drive letters, and segments that are empty, "." or "..", hence absolute paths too.
_UNSAFE_ENTRY = re.compile(r"[\x00-\x1f\x7f\\]|^[A-Za-z]:|(?:^|/)\.{0,2}(?:/|$)")


@dataclass(frozen=True, slots=True)
class ParsedFilename:
    """What a filename says: `package` and `version` in normal form, `extension` with its dot."""

    package: str
    version: str
    filetype: FileType
    extension: str


def quoted(text: str, limit: int = 80) -> str:
    """`text` in quotes for a message: printable ASCII only, at most `limit` characters of it."""
    shown = ascii(text[: limit + 1])
    return shown if len(shown) <= limit + 2 else shown[: limit - 2] + "..." + shown[0]


def refuse(reason: str) -> NoReturn:
    """Raise `UploadRefused`. Whoever knows the filename puts it in front."""
    raise UploadRefused(reason)


def normalize(name: str) -> str:
    """The name's normal form by PEP 503.

    Raises `InvalidName` unless it is a valid name by PEP 508 of at most `MAX_NAME` characters.
    """
    # Our own pattern: that of an older `packaging` lets a final newline pass.
    if len(name) <= MAX_NAME and _NAME.fullmatch(name):
        return canonicalize_name(name)
    raise InvalidName(
        f"{quoted(name)} is no package name: use 1 to {MAX_NAME} ASCII letters, digits, '.', '_' and '-', "
        "with a letter or digit at both ends"
    )


def normalize_version(version: str) -> str:
    """The version's normal form by PEP 440. Raises `InvalidName` for one that is none, or is too long."""
    try:
        if version.isascii() and len(version) <= MAX_VERSION and version == version.strip():
            return str(Version(version))
    except InvalidVersion:
        pass
    raise InvalidName(f"{quoted(version)} is no version by PEP 440")


def parse_filename(filename: str) -> ParsedFilename:
    """What the name of a file for upload says of it. Raises `UploadRefused` for a name that may not be published.

    Wheels, `.tar.gz` sdists and legacy `.zip` sdists are known. A legacy sdist name such as `my-pkg-1.0.tar.gz`
    is split at its last hyphen.
    """
    _check_characters(filename)
    extension = next((known for known in _EXTENSIONS if filename.endswith(known)), None)
    if extension is None:
        refuse(f"{quoted(filename)} is no wheel (.whl) and no source distribution (.tar.gz, .zip)")
    name, version = _wheel(filename) if extension == ".whl" else _sdist(filename, extension)
    try:
        return ParsedFilename(normalize(name), normalize_version(version), _EXTENSIONS[extension], extension)
    except InvalidName as error:
        raise UploadRefused(f"{quoted(filename)} is refused: {error}") from error


def _check_characters(filename: str) -> None:
    if len(filename) > MAX_FILENAME:
        refuse(f"the filename {quoted(filename)} is longer than {MAX_FILENAME} bytes")
    if not _SAFE_FILENAME.fullmatch(filename):
        refuse(
            f"the filename {quoted(filename)} is refused: use ASCII letters, digits, '.', '_', '+', '!' and '-', "
            "with a letter or digit first"
        )


def _wheel(filename: str) -> tuple[str, str]:
    """Name and version as written. `packaging` judges the build number and the tags too."""
    parts = filename.removesuffix(".whl").split("-")
    tags = 1
    for tag in parts[-3:]:
        tags *= tag.count(".") + 1
    if tags > MAX_TAGS:
        refuse(f"{quoted(filename)} is refused: its tags stand for more than {MAX_TAGS}")
    try:
        parse_wheel_filename(filename)
    except ValueError as error:
        raise UploadRefused(
            f"{quoted(filename)} is no wheel name: write NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl (PEP 427)"
        ) from error
    return parts[0], parts[1]


def _sdist(filename: str, extension: str) -> tuple[str, str]:
    try:
        parse_sdist_filename(filename)
    except ValueError as error:
        raise UploadRefused(
            f"{quoted(filename)} is no source distribution name: write NAME-VERSION{extension} (PEP 625)"
        ) from error
    name, _, version = filename.removesuffix(extension).rpartition("-")
    return name, version


@dataclass(frozen=True, slots=True)
class ForeignName:
    """What the name of a file on somebody else's page says; `version` and `filetype` are empty where it tells none."""

    version: str
    filetype: str


class ForeignNames:
    """Reads the names of the files of one package as others publish them: odd ones too, as installers do."""

    def __init__(self, package: str) -> None:
        """`package` is in normal form."""
        self._package = re.compile("[-_.]+".join(package.split("-")), re.ASCII | re.IGNORECASE)

    def read(self, filename: str) -> ForeignName | None:
        """None for a file of another package, and for a name that none may have."""
        match = self._package.match(filename)
        if match is None or filename[match.end() :][:1] not in _SEPARATORS or not _is_sound(filename):
            return None
        if filename.endswith(".whl"):
            return self._wheel(filename)
        for extension in _FOREIGN_SDISTS:
            if filename.endswith(extension):
                return self._sdist(filename.removesuffix(extension), match.end())
        return ForeignName("", _OTHER_TYPES.get(filename.rpartition(".")[2], ""))

    def _wheel(self, filename: str) -> ForeignName | None:
        name, *parts = filename.removesuffix(".whl").split("-")
        if len(parts) not in (4, 5) or (len(parts) == 5 and not parts[1][:1].isdigit()):
            return ForeignName("", "bdist_wheel")
        if not self._package.fullmatch(name):
            return None
        return ForeignName(_version_or_none(parts[0]), "bdist_wheel")

    def _sdist(self, stem: str, name_end: int) -> ForeignName | None:
        """Split after the package's name, since `demo-1.0-1` has a version with a hyphen."""
        version = _version_or_none(stem[name_end + 1 :]) if stem[name_end : name_end + 1] == "-" else ""
        if not version and _version_or_none(stem.rpartition("-")[2]) and "-" in stem:
            return None  # `demo-extra-1.0`, which is another package's
        return ForeignName(version, "sdist")


# What installers take for an sdist, in any time.
_FOREIGN_SDISTS = (
    *(".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar.lzma", ".tar.lz", ".tlz", ".tar.zst"),
    *(".tar.Z", ".tar"),
)
_OTHER_TYPES = {
    "egg": "bdist_egg",
    "exe": "bdist_wininst",
    "msi": "bdist_msi",
    "rpm": "bdist_rpm",
    "deb": "bdist_dumb",
    "dmg": "bdist_dmg",
}
_SEPARATORS = ("-", "_", ".")


def _is_sound(filename: str) -> bool:
    """Whether it can be a segment of an address, and a line in a log."""
    return (
        len(filename) <= MAX_FILENAME
        and filename.isascii()
        and filename.isprintable()
        and not {"/", "\\"} & set(filename)
        and filename == filename.strip()
    )


@lru_cache(maxsize=4096)
def _version_or_none(text: str) -> str:
    """The normal form, or an empty text for what is no version."""
    try:
        return normalize_version(text)
    except InvalidName:
        return ""


def entry_key(name: str) -> str:
    """What two entries of one archive must not share: the name without its final slash, in Unicode's NFC.

    Raises `UploadRefused` for a name that could climb out, or that some system would read as another.
    """
    key = name.removesuffix("/")
    if len(name) > MAX_ENTRY_NAME or _UNSAFE_ENTRY.search(key):
        refuse(f"its entry {quoted(name)} has an unsafe name")
    return key if key.isascii() else unicodedata.normalize("NFC", key)


def check_entry_names(names: Iterable[str]) -> None:
    """Raises `UploadRefused` for an unsafe name, and for two of the same key."""
    seen: set[str] = set()
    for name in names:
        key = entry_key(name)
        if key in seen:
            refuse(f"its entry {quoted(name)} is there twice")
        seen.add(key)
