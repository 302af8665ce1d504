"""The structure of a wheel: PEP 427, and PEP 491 for the name of the `.dist-info` folder."""

from collections.abc import Iterable
from io import RawIOBase

from orbitalreg.errors import InvalidName
from orbitalreg_pypi.archives import Visit, ZipArchive, ZipDirectory, pass_by
from orbitalreg_pypi.filenames import ParsedFilename, normalize, normalize_version, quoted, refuse
from orbitalreg_pypi.metadata import MAX_DOCUMENT

MAX_RECORD = 32 << 20  # bytes: 65,535 lines of 500

_NEEDED = {"METADATA": MAX_DOCUMENT, "WHEEL": 1 << 20, "RECORD": MAX_RECORD}
_SUFFIX = ".dist-info"


def read_wheel(file: RawIOBase, parsed: ParsedFilename, visit: Visit = pass_by) -> bytes:
    """The METADATA of the wheel, byte for byte. Raises `UploadRefused` unless the archive and its structure are sound.

    METADATA, WHEEL and RECORD are expanded and verified. Only those right inside the one `.dist-info` folder at the
    top count: vendored packages bring theirs along, deeper down. `visit` sees every file after that.
    """
    archive = ZipArchive(file)
    folder = _dist_info(archive, parsed)
    _check_spelling(archive, folder)
    documents = {}
    for name, limit in _NEEDED.items():
        if f"{folder}/{name}" not in archive.entries:
            refuse(f"it has no {folder}/{name}")
        documents[name] = archive.read(f"{folder}/{name}", limit)
    archive.visit(visit)
    return documents["METADATA"]


def metadata_of(file: RawIOBase, filename: str) -> bytes:
    """The METADATA of a wheel that others have published: read as little as it takes, and judged as installers do.

    That is one `.dist-info` folder at the top, of the package in the wheel's name, with one METADATA. What that says is
    not judged, nor is any other entry. Raises `UploadRefused`.
    """
    directory = ZipDirectory(file)
    folder = _only_dist_info(entry.name for entry in directory.members)
    names = [folder[: -len(_SUFFIX)].rpartition("-")[0], filename.partition("-")[0]]
    if len({_normal(name) for name in names}) != 1:
        refuse(f"its folder {quoted(folder)} is that of another package")
    return directory.read(f"{folder}/METADATA", MAX_DOCUMENT)


def _normal(name: str) -> str:
    try:
        return normalize(name)
    except InvalidName as error:
        refuse(str(error))


def _only_dist_info(names: Iterable[str]) -> str:
    """The only folder at the top of that suffix, whatever its case."""
    tops = {name.partition("/")[0] for name in names if "/" in name}
    folders = sorted(top for top in tops if top.lower().endswith(_SUFFIX))
    if len(folders) != 1:
        refuse(f"it has {len(folders) or 'no'} .dist-info folders at its top, in place of one")
    return folders[0]


def _dist_info(archive: ZipArchive, parsed: ParsedFilename) -> str:
    """The folder with the metadata; its name and version are the filename's."""
    folder = _only_dist_info(archive.entries)
    name, _, version = folder[: -len(_SUFFIX)].rpartition("-")
    try:
        # PEP 427 writes '_' for '-', also in a version.
        same = (normalize(name), normalize_version(version.replace("_", "-"))) == (parsed.package, parsed.version)
    except InvalidName:
        same = False
    if not same:
        refuse(f"its folder {quoted(folder)} is not that of {parsed.package} {parsed.version}")
    return folder


def _check_spelling(archive: ZipArchive, folder: str) -> None:
    """Refuse a METADATA beside Metadata: where case does not count, one would replace the other on installing."""
    wanted = {f"{folder}/{name}".lower(): f"{folder}/{name}" for name in _NEEDED}
    for name in archive.entries:
        if wanted.get(name.lower(), name) != name:
            refuse(f"its entry {quoted(name)} differs from {wanted[name.lower()]} by case alone")
