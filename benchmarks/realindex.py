"""A package index of real packages: what the metadata on this machine says, as a static tree. Nothing is fetched.

There are no files behind it, only pages and metadata: what a graph of dependencies asks an upstream for.
"""

import hashlib
import json
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from itertools import islice
from pathlib import Path
from typing import Any

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

MORE = "ORBITALREG_METADATA"
"""Names further folders, in which `NAME-VERSION.dist-info/METADATA` is looked for at any depth."""


@dataclass(frozen=True)
class Real:
    package: str
    version: str
    requires_python: str | None
    metadata: bytes

    @property
    def filename(self) -> str:
        return f"{self.package.replace('-', '_')}-{self.version}-py3-none-any.whl"


def installed(folders: Iterable[Path], most: int) -> list[Real]:
    """What is installed somewhere below these folders, below the interpreter's and below those of `MORE`, each once."""
    extra = filter(None, os.environ.get(MORE, "").split(os.pathsep))
    places = [*map(Path, extra), *folders, Path(sys.base_prefix, "lib")]
    found = {(one.package, one.version): one for place in reversed(places) for one in _below(place)}
    return list(islice((found[key] for key in sorted(found)), most))


def _below(place: Path) -> Iterator[Real]:
    for path in place.rglob("*.dist-info/METADATA"):
        content = path.read_bytes()
        head = BytesHeaderParser().parsebytes(content)
        one = Real(canonicalize_name(head["Name"] or ""), head["Version"] or "", head["Requires-Python"], content)
        try:
            parse_wheel_filename(one.filename)
        except InvalidWheelFilename:
            continue
        yield one


def build_tree(world: Iterable[Real], tree: Path) -> None:
    """Write `tree` anew, as `statictree.build_tree` does, without HTML and without files."""
    shutil.rmtree(tree, ignore_errors=True)
    packages: dict[str, list[Real]] = defaultdict(list)
    for one in world:
        packages[one.package].append(one)
    for package, its in packages.items():
        files, folder = tree / "files" / package, tree / "simple" / package
        files.mkdir(parents=True)
        folder.mkdir(parents=True)
        for one in its:
            (files / f"{one.filename}.metadata").write_bytes(one.metadata)
        page = {"meta": {"api-version": "1.1"}, "name": package, "files": list(map(_entry, its))}
        page["versions"] = [one.version for one in its]
        (folder / "page.json").write_text(json.dumps(page))


def _entry(one: Real) -> dict[str, Any]:
    return {
        "filename": one.filename,
        "url": f"../../files/{one.package}/{one.filename}",
        "hashes": {"sha256": hashlib.sha256(one.filename.encode()).hexdigest()},
        "requires-python": one.requires_python,
        "size": 1000,
        "upload-time": "2024-01-01T00:00:00.000000Z",
        "core-metadata": {"sha256": hashlib.sha256(one.metadata).hexdigest()},
    }
