"""A package index as static files (PEP 503, 691, 658, 700 and 714), each page with a compressed twin."""

import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.corpus import Wheel

JSON_PAGE = "application/vnd.pypi.simple.v1+json"


def build_tree(wheels: Iterable[Wheel], corpus: Path, tree: Path) -> None:
    """Write `tree`; the wheels in it are hard links to those in `corpus`."""
    packages: dict[str, list[Wheel]] = defaultdict(list)
    for wheel in wheels:
        packages[wheel.package].append(wheel)
    for package, its in packages.items():
        files = tree / "files" / package
        files.mkdir(parents=True)
        entries = [_entry(wheel, corpus, files) for wheel in its]
        page = {"meta": {"api-version": "1.1"}, "name": package, "files": entries}
        page["versions"] = sorted({wheel.version for wheel in its})
        _write(tree / "simple" / package, page, package, [_link(entry) for entry in entries])
    names = sorted(packages)
    listing = {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in names]}
    _write(tree / "simple", listing, "Packages", [f'<a href="{name}/">{name}</a>' for name in names])


def _entry(wheel: Wheel, corpus: Path, files: Path) -> dict[str, Any]:
    kept, metadata = wheel.kept_in(corpus), wheel.metadata().encode()
    content, core = kept.read_bytes(), {"sha256": hashlib.sha256(metadata).hexdigest()}
    (files / wheel.filename).hardlink_to(kept)
    (files / f"{wheel.filename}.metadata").write_bytes(metadata)
    return {
        "filename": wheel.filename,
        "url": f"../../files/{wheel.package}/{wheel.filename}",
        "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
        "requires-python": ">=3.9",
        "size": len(content),
        "upload-time": "2024-01-01T00:00:00.000000Z",
        "yanked": False,
        "core-metadata": core,
        "data-dist-info-metadata": core,
        "provenance": None,
    }


def _link(entry: dict[str, Any]) -> str:
    file, core = f"{entry['url']}#sha256={entry['hashes']['sha256']}", f"sha256={entry['core-metadata']['sha256']}"
    return (
        f'<a href="{file}" data-requires-python="&gt;=3.9" data-core-metadata="{core}" '
        f'data-dist-info-metadata="{core}">{entry["filename"]}</a>'
    )


def _write(folder: Path, page: dict[str, Any], title: str, links: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    body = "<br>\n".join(links)
    html = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body>\n{body}\n</body></html>\n"
    contents = {"page.json": json.dumps(page, separators=(",", ":")), "page.html": html}
    for name, text in contents.items():
        (folder / name).write_bytes(text.encode())
        (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
