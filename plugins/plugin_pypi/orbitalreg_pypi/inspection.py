"""The inspection of an uploaded file: what it is, whether it keeps the rules, and what is kept of it.

Made for a child process: the imports of this module are what an inspection needs, and little more.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from orbitalreg.errors import InvalidName, UploadRefused
from orbitalreg.model import Inspection
from orbitalreg_pypi.filenames import ParsedFilename, normalize, normalize_version, parse_filename, quoted, refuse
from orbitalreg_pypi.metadata import CoreMetadata, read_metadata
from orbitalreg_pypi.sdists import read_sdist
from orbitalreg_pypi.wheels import read_wheel

PKG_INFO = "pkg-info"
MAX_ATTESTATIONS = 1 << 20  # characters; one attestation has about 5,000


def inspect(path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
    """Check the file at `path`, which is to be published as `filename`, and read what is to be kept.

    Of `claims` (the form's fields; empty and UNKNOWN ones are absent) name, version and filetype must agree with the
    file, and attestations must be a JSON array; others are ignored, metadata_version too, since some clients send a
    fixed one. Raises `UploadRefused` with one line that names the file, and `OSError` where the disk fails.
    """
    parsed = parse_filename(filename)
    try:
        return _inspect(path, parsed, {key: value for key, value in claims.items() if value not in ("", "UNKNOWN")})
    except UploadRefused as error:
        raise UploadRefused(f"{filename} is refused: {error}") from error


def _inspect(path: Path, parsed: ParsedFilename, claims: Mapping[str, str]) -> Inspection:
    _check_claims(parsed, claims)
    documents = {"attestations": _attestations(claims["attestations"])} if "attestations" in claims else {}
    is_wheel = parsed.filetype == "bdist_wheel"
    # Unbuffered: the archives are read in few places, and a buffer would read ahead at each.
    with path.open("rb", buffering=0) as file:
        document = (read_wheel if is_wheel else read_sdist)(file, parsed)
    metadata = read_metadata(document)
    _check_same("its metadata", metadata.name, metadata.version, parsed)
    documents["metadata" if is_wheel else PKG_INFO] = document
    return Inspection(parsed.package, parsed.version, _attributes(parsed, metadata), metadata.requires_dist, documents)


def _attributes(parsed: ParsedFilename, metadata: CoreMetadata) -> dict[str, str]:
    attributes: dict[str, str] = {"filetype": parsed.filetype}
    if metadata.requires_python is not None:
        attributes["requires_python"] = metadata.requires_python
    return attributes


def _check_claims(parsed: ParsedFilename, claims: Mapping[str, str]) -> None:
    name = _normal(normalize, claims.get("name", parsed.package))
    version = _normal(normalize_version, claims.get("version", parsed.version))
    _check_same("the form", name, version, parsed)
    if claims.get("filetype", parsed.filetype) != parsed.filetype:
        refuse(f"the form says filetype {quoted(claims['filetype'])}, the filename {parsed.filetype}")


def _normal(normalizer: Callable[[str], str], claim: str) -> str:
    try:
        return normalizer(claim)
    except InvalidName as error:
        raise UploadRefused(f"in the form, {error}") from error


def _check_same(what: str, name: str, version: str, parsed: ParsedFilename) -> None:
    if (name, version) != (parsed.package, parsed.version):
        refuse(
            f"{what} says {quoted(name)} {quoted(version)}, the filename "
            f"{quoted(parsed.package)} {quoted(parsed.version)}"
        )


def _attestations(claim: str) -> bytes:
    """The claim's bytes. Raises `UploadRefused` unless it is a JSON array; whom it convinces is not asked here."""
    try:
        is_array = len(claim) <= MAX_ATTESTATIONS and isinstance(json.loads(claim), list)
        document = claim.encode()
    except (ValueError, RecursionError):
        is_array = False
    if not is_array:
        refuse(f"the form's attestations must be a JSON array of at most {MAX_ATTESTATIONS} characters")
    return document
