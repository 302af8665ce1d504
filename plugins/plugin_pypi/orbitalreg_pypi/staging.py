"""What scanners are handed of a Python package: metadata, where tools look for that of an installed one."""

from pathlib import Path
from urllib.parse import quote

from orbitalreg.errors import UploadRefused
from orbitalreg.model import Component, Staged
from orbitalreg_pypi.filenames import parse_filename
from orbitalreg_pypi.sdists import read_sdist
from orbitalreg_pypi.wheels import read_wheel


def component(package: str, version: str, location: str = "", is_bundled: bool = False) -> Component:
    """By https://github.com/package-url/purl-spec: a `pkg:pypi/` name is lower-case with hyphens."""
    aliases = (package.replace("-", "."), package.replace("-", "_")) if "-" in package else ()
    return Component(package, version, f"pkg:pypi/{package}@{quote(version, safe='')}", location, is_bundled, aliases)


def stage(path: Path, filename: str, deep: bool) -> Staged:
    """The metadata of the wheel or sdist at `path`. Raises `UploadRefused`."""
    parsed = parse_filename(filename)
    try:
        with path.open("rb", buffering=0) as file:
            document = (read_wheel if parsed.filetype == "bdist_wheel" else read_sdist)(file, parsed)
    except UploadRefused as error:
        raise UploadRefused(f"{filename}: {error}") from error
    location = f"{parsed.package}-{parsed.version}.dist-info/METADATA"
    return Staged((component(parsed.package, parsed.version, location),), {location: document})
