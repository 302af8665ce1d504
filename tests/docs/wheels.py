"""Wheels made again from what is installed here: a package index for `pip install` that needs no network."""

import re
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SCANNERS = ("grype", "osv", "syft", "trivy")
PACKAGES = {
    "orbitalreg": "orbitalreg",
    "orbitalreg-htpasswd": "plugins/plugin_htpasswd/orbitalreg_htpasswd",
    "orbitalreg-pypi": "plugins/plugin_pypi/orbitalreg_pypi",
    "orbitalreg-oidc-gitlab": "plugins/plugin_oidc/orbitalreg_oidc_gitlab",
    **{f"orbitalreg-{name}": f"plugins/plugin_scanners/{name}/orbitalreg_{name}" for name in SCANNERS},
}
"""What is installed in editable mode, and where its package is in the tree."""


def make_index(folder: Path, names: Iterable[str], tree: Path) -> str:
    """Put the wheels of these distributions and of all that they need into `folder`; the index's address."""
    for found in _closure(names):
        project = folder / canonicalize_name(found.name)
        project.mkdir(parents=True)
        filename = _filename(found)
        with zipfile.ZipFile(project / filename, "w") as wheel:
            for name, path in _members(found, tree):
                wheel.write(path, name)
        (project / "index.html").write_text(f'<!DOCTYPE html><a href="{filename}">{filename}</a>')
    return folder.as_uri()


def _closure(names: Iterable[str]) -> list[Distribution]:
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found[name] = distribution(name)
            needs = map(Requirement, found[name].requires or ())
            waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return list(found.values())


def _filename(found: Distribution) -> str:
    """The tags are those of the WHEEL file; a set of them is written with dots between."""
    tags = [line.split("-") for line in re.findall(r"^Tag: (\S+)", found.read_text("WHEEL") or "", re.MULTILINE)]
    joined = "-".join(".".join(dict.fromkeys(part)) for part in zip(*tags, strict=True))
    return f"{re.sub(r'[-_.]+', '_', found.name)}-{found.version}-{joined}.whl"


def _members(found: Distribution, tree: Path) -> Iterator[tuple[str, Path]]:
    """Each file's name in the wheel, and where it is now. What an installer made itself is left out."""
    made = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
    record = ""
    scripts = {point.name for point in found.entry_points.select(group="console_scripts")}
    for file in found.files or ():
        path, name = Path(str(found.locate_file(file))), file.as_posix()
        if file.name in made and ".dist-info/" in name:
            record = record or f"{file.parent}/RECORD"
        elif name.startswith("../"):
            if file.parent.name == "bin" and file.name not in scripts and path.exists():
                yield f"{found.name.replace('-', '_')}-{found.version}.data/scripts/{file.name}", path
        elif file.suffix not in (".pyc", ".pth") or ".dist-info/" in name:
            yield name, path
    source = PACKAGES.get(canonicalize_name(found.name))
    if source:
        top = tree / source
        for path in sorted(top.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                yield f"{top.name}/{path.relative_to(top).as_posix()}", path
    yield record, Path("/dev/null")
