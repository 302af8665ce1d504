"""What scanners are handed of a Python package: metadata, where tools look for that of an installed one."""

from pathlib import Path

from orbitalreg.errors import UploadRefused
from orbitalreg.model import Staged
from orbitalreg_pypi.archives import pass_by
from orbitalreg_pypi.bundles import Bundle, component
from orbitalreg_pypi.filenames import parse_filename
from orbitalreg_pypi.sdists import read_sdist
from orbitalreg_pypi.wheels import read_wheel


def stage(path: Path, filename: str, deep: bool) -> Staged:
    """The metadata of the wheel or sdist at `path`; with `deep` that of what it bundles too, where it lies in it.

    Nothing is extracted. Raises `UploadRefused`, also for a file that bundles more than can be staged: a part of it
    would be called the whole.
    """
    parsed = parse_filename(filename)
    location = f"{parsed.package}-{parsed.version}.dist-info/METADATA"
    own = component(parsed.package, parsed.version, location)
    bundle = Bundle(own)
    try:
        with path.open("rb", buffering=0) as file:
            read = read_wheel if parsed.filetype == "bdist_wheel" else read_sdist
            document = read(file, parsed, bundle.visit if deep else pass_by)
    except UploadRefused as error:
        raise UploadRefused(f"{filename}: {error}") from error
    return Staged((own, *bundle.components), {location: document, **bundle.documents})
