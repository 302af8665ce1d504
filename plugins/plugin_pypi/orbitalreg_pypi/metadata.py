"""Core metadata, read leniently and then validated.

`pkginfo` reads: it joins folded lines, drops UNKNOWN, and gives only the fields that the declared version has. The
last matters: for years setuptools wrote License-File into files of version 2.1, which a strict reader refuses.
`packaging.metadata` validates each value read, without its rule that a field must not be newer than the version, and
without its list of versions: that is ours, since an older `packaging` knows fewer. Both are given the header alone. It
ends where the standard library's parser, hence pip, sees its end; the description, however long or odd (a body may
claim to be multipart, nested without limit), is kept as bytes and never parsed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from typing import Any, Final, cast

from packaging.metadata import Metadata, RawMetadata
from pkginfo.distribution import MAX_METADATA_VERSION_STR, Distribution

from orbitalreg.errors import InvalidName, UploadRefused
from orbitalreg_pypi.filenames import normalize, normalize_version, quoted, refuse

MAX_DOCUMENT = 16 << 20  # bytes of METADATA or PKG-INFO
MAX_FIELDS = 20_000
MAX_LINES = 250_000  # of the header, where old files keep the description: parsing takes about 2 us for each
MAX_REQUIREMENTS = 1 << 20  # characters in all Requires-Dist together: validation takes about 1 us for each
# Characters of any other field that is validated: the time for Description-Content-Type grows by its length squared.
MAX_VALUE = 4096

VERSIONS = ("1.0", "1.1", "1.2", "2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6")
_OLDEST_READING: Final = "2.1"

# Fields that decide what the file is or whether it may be installed: two readers must not see two values.
_ONCE = ("Metadata-Version", "Name", "Version", "Requires-Python", "License", "License-Expression")

# pkginfo's attribute -> packaging's field, for all that packaging has a rule for.
_VALIDATED = {
    "description_content_type": "description_content_type",
    "dynamic": "dynamic",
    "provides_extras": "provides_extra",
    "requires_python": "requires_python",
    "requires_dist": "requires_dist",
    "license_expression": "license_expression",
    "license_file": "license_files",
    "import_names": "import_names",
    "import_namespaces": "import_namespaces",
}

# The lines that email.feedparser takes for header lines.
_HEADER = re.compile(r"(?:(?:[!-9;-~]*:|[ \t])[^\r\n]*(?:\r\n|\r|\n|\Z))*+")
_FOLD = re.compile(r"[ \t]*[\r\n]+[ \t]*")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class CoreMetadata:
    """The fields that the registry acts upon: `name` and `version` in normal form, the rest as written."""

    name: str
    version: str
    requires_python: str | None
    requires_dist: tuple[str, ...]


def read_metadata(data: bytes) -> CoreMetadata:
    """Parse and validate METADATA or PKG-INFO, versions 1.0 to 2.6. Raises `UploadRefused`."""
    header = _header(data)
    message: Message = HeaderParser().parsestr(header)
    _check_header(message)
    fields = _fields(header, _single(message, "Metadata-Version") or "")
    _check_sizes(fields)
    _validate(fields)
    return CoreMetadata(
        _normal(normalize, "Name", _single(message, "Name")),
        _normal(normalize_version, "Version", _single(message, "Version")),
        fields.get("requires_python"),
        tuple(fields.get("requires_dist", ())),
    )


def name_and_version(data: bytes) -> tuple[str, str]:
    """In normal form, of metadata that is judged by nothing else. Raises `UploadRefused`."""
    message: Message = HeaderParser().parsestr(_header(data))
    name, version = (_single(message, field) for field in ("Name", "Version"))
    return _normal(normalize, "Name", name), _normal(normalize_version, "Version", version)


def is_metadata(data: bytes) -> bool:
    """Whether it looks like METADATA or PKG-INFO, right or not. Never raises."""
    try:
        return re.search(r"^Metadata-Version:", _header(data), re.MULTILINE | re.IGNORECASE) is not None
    except UploadRefused:
        return False


def parts(data: bytes) -> tuple[str, str]:
    """The header, and the description below it, of a document that was read once. Raises `UploadRefused`."""
    header = _header(data)
    return header, data.decode("utf-8")[len(header) :].strip("\r\n")


def _header(data: bytes) -> str:
    if len(data) > MAX_DOCUMENT:
        refuse(f"its metadata is larger than {MAX_DOCUMENT} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UploadRefused(f"its metadata is not UTF-8 at byte {error.start}") from error
    match = _HEADER.match(text)
    header = match[0] if match else ""
    if header.count("\n") + header.count("\r") > MAX_LINES:
        refuse(f"its metadata has more than {MAX_LINES} lines before the description")
    return header


def _check_header(message: Message) -> None:
    if len(message) > MAX_FIELDS:
        refuse(f"its metadata has more than {MAX_FIELDS} fields")
    for name in _ONCE:
        if len(message.get_all(name, ())) > 1:
            refuse(f"its metadata has the field {name} more than once")
    version = _single(message, "Metadata-Version")
    if version is None:
        refuse("its metadata has no Metadata-Version")
    if version not in VERSIONS:
        refuse(f"Metadata-Version {quoted(version)} is not supported: use 1.0 to {VERSIONS[-1]}")
    if _single(message, "License") and _single(message, "License-Expression"):
        refuse("its metadata has License beside License-Expression: drop License (PEP 639)")


def _single(message: Message, name: str) -> str | None:
    """The value of a field that occurs once; None where it is absent, empty or UNKNOWN."""
    return _present(_FOLD.sub(" ", str(message.get(name, ""))).strip(" \t"))


def _present(value: str) -> str | None:
    return None if value in ("", "UNKNOWN") else value


def _fields(header: str, version: str) -> dict[str, Any]:
    """What pkginfo reads, by packaging's names; absent fields are left out.

    A version before 2.1 is read as 2.1, since installers obey Requires-Dist and Requires-Python in any.
    """
    distribution = Distribution()
    # Set beforehand, it is not taken from the text, where pkginfo would warn of one that it does not know.
    distribution.metadata_version = min(max(version, _OLDEST_READING), MAX_METADATA_VERSION_STR)
    distribution.parse(header)  # type: ignore[arg-type]  # text is taken as it is; bytes would fall back to Latin-1
    fields: dict[str, Any] = {}
    for attribute, field in _VALIDATED.items():
        value = getattr(distribution, attribute, None)
        if isinstance(value, str):
            value = _present(value.strip())
        elif value:
            value = [item.strip() for item in value if _present(item.strip())]
        if value:
            fields[field] = value
    return fields


def _check_sizes(fields: dict[str, Any]) -> None:
    requirements = fields.get("requires_dist", [])
    if sum(map(len, requirements)) > MAX_REQUIREMENTS:
        refuse(f"its Requires-Dist fields are longer than {MAX_REQUIREMENTS} characters together")
    for field in fields.keys() - {"requires_dist"}:
        values = [fields[field]] if isinstance(fields[field], str) else fields[field]
        if max(map(len, values)) > MAX_VALUE:
            refuse(f"its {field} is longer than {MAX_VALUE} characters")
    for value in (*requirements, fields.get("requires_python", "")):
        if _CONTROL.search(value):
            refuse(f"its metadata has a control character in {quoted(value)}")


def _validate(fields: dict[str, Any]) -> None:
    """Have packaging judge each field; an older packaging without a field does not judge it."""
    judge = Metadata.from_raw(cast(RawMetadata, fields), validate=False)
    for field in fields.keys() & vars(Metadata).keys():
        try:
            getattr(judge, field)
        except (MemoryError, OSError):
            raise
        except Exception as error:  # foreign code on hostile text: RecursionError, int() of 5,000 digits and others
            raise UploadRefused(f"its metadata is not valid: {_plain(error, field)}") from error


def _plain(error: Exception, field: str) -> str:
    """One printable ASCII line that says what packaging found, and in which field."""
    text = str(error) if isinstance(error, ValueError) else f"{field} cannot be read"
    text = text if field in text[:200] else f"{field}: {text}"
    return " ".join(_CONTROL.sub(" ", text.encode("ascii", "backslashreplace").decode("ascii")).split())[:200]


def _normal(normalizer: Callable[[str], str], field: str, value: str | None) -> str:
    if value is None:
        refuse(f"its metadata has no {field}")
    try:
        return normalizer(value)
    except InvalidName as error:
        raise UploadRefused(f"{field} in its metadata: {error}") from error
