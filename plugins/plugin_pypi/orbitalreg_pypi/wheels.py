"""The structure of a wheel: PEP 427, and PEP 491 for the name of the `.dist-info` folder."""

from io import RawIOBase

from orbitalreg.errors import InvalidName
from orbitalreg_pypi.archives import ZipArchive
from orbitalreg_pypi.filenames import ParsedFilename, normalize, normalize_version, quoted, refuse
from orbitalreg_pypi.metadata import MAX_DOCUMENT

MAX_RECORD = 32 << 20  # bytes: 65,535 lines of 500

_NEEDED = {"METADATA": MAX_DOCUMENT, "WHEEL": 1 << 20, "RECORD": MAX_RECORD}
_SUFFIX = ".dist-info"


def read_wheel(file: RawIOBase, parsed: ParsedFilename) -> bytes:
    """The METADATA of the wheel, byte for byte. Raises `UploadRefused` unless the archive and its structure are sound.

    METADATA, WHEEL and RECORD are expanded and verified. Only those right inside the one `.dist-info` folder at the
    top count: vendored packages bring theirs along, deeper down.
    """
    archive = ZipArchive(file)
    folder = _dist_info(archive, parsed)
    _check_spelling(archive, folder)
    documents = {}
    for name, limit in _NEEDED.items():
        if f"{folder}/{name}" not in archive.entries:
            refuse(f"it has no {folder}/{name}")
        documents[name] = archive.read(f"{folder}/{name}", limit)
    return documents["METADATA"]


def _dist_info(archive: ZipArchive, parsed: ParsedFilename) -> str:
    """The only top folder of that suffix, whatever its case; its name and version are the filename's."""
    tops = {name.partition("/")[0] for name in archive.entries if "/" in name}
    folders = sorted(top for top in tops if top.lower().endswith(_SUFFIX))
    if len(folders) != 1:
        refuse(f"it has {len(folders) or 'no'} .dist-info folders at its top, in place of one")
    name, _, version = folders[0][: -len(_SUFFIX)].rpartition("-")
    try:
        # PEP 427 writes '_' for '-', also in a version.
        same = (normalize(name), normalize_version(version.replace("_", "-"))) == (parsed.package, parsed.version)
    except InvalidName:
        same = False
    if not same:
        refuse(f"its folder {quoted(folders[0])} is not that of {parsed.package} {parsed.version}")
    return folders[0]


def _check_spelling(archive: ZipArchive, folder: str) -> None:
    """Refuse a METADATA beside Metadata: where case does not count, one would replace the other on installing."""
    wanted = {f"{folder}/{name}".lower(): f"{folder}/{name}" for name in _NEEDED}
    for name in archive.entries:
        if wanted.get(name.lower(), name) != name:
            refuse(f"its entry {quoted(name)} differs from {wanted[name.lower()]} by case alone")
