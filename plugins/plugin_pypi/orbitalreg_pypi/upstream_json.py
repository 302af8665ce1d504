"""Pages of the simple API in JSON, as others write them: PEP 691, 700, 714, 740, 792."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from orbitalreg.errors import InvalidName
from orbitalreg.interfaces import Answer
from orbitalreg.model import RemotePage
from orbitalreg_pypi.filenames import normalize, quoted
from orbitalreg_pypi.upstream_files import (
    MAX_FILES,
    MAX_NAMES,
    MAX_SIZE,
    Odd,
    Told,
    check_version,
    digest,
    moment,
    offered,
    page,
    status,
    text,
    unusable,
)

_CORE_METADATA = ("core-metadata", "dist-info-metadata", "data-dist-info-metadata")


def read_names(answer: Answer) -> Iterator[str]:
    """The names as they are written. Raises `UpstreamFailed`."""
    for project in _items(_table(answer), "projects", answer, MAX_NAMES):
        if isinstance(project, dict) and isinstance(project.get("name"), str):
            yield project["name"]


def read_page(answer: Answer, package: str) -> RemotePage:
    """Raises `UpstreamFailed`."""
    told = _table(answer)
    _check_name(told.get("name", package), package, answer)
    files = _items(told, "files", answer, MAX_FILES)
    said = told.get("project-status")
    said = said if isinstance(said, dict) else {}
    return page(package, answer.url, _understood(files), status(said.get("status"), said.get("reason")))


def check_provenance(answer: Answer) -> None:
    """Whether its attestations are true is for those who read it to say. Raises `UpstreamFailed` for another thing."""
    told = _object(answer)
    if told.get("version") != 1 or not isinstance(told.get("attestation_bundles"), list):
        raise unusable(answer, "it is no provenance of version 1")


def _object(answer: Answer) -> dict[str, Any]:
    try:
        told = json.loads(answer.body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise unusable(answer, "it is no JSON") from error
    if not isinstance(told, dict):
        raise unusable(answer, "its JSON is no object")
    return told


def _table(answer: Answer) -> dict[str, Any]:
    told = _object(answer)
    meta = told.get("meta")
    check_version(answer, meta.get("api-version") if isinstance(meta, dict) else None)
    return told


def _check_name(name: Any, package: str, answer: Answer) -> None:
    try:
        is_other = normalize(name if isinstance(name, str) else "") != package
    except InvalidName:
        is_other = True
    if is_other:
        raise unusable(answer, f"it is not about {package}")


def _items(told: Mapping[str, Any], key: str, answer: Answer, most: int) -> list[Any]:
    items = told.get(key)
    if not isinstance(items, list):
        raise unusable(answer, f"its {quoted(key)} is no list")
    if len(items) > most:
        raise unusable(answer, f"its {quoted(key)} has more than {most} items")
    return items


def _understood(files: list[Any]) -> Iterator[Told]:
    for file in files:
        try:
            yield _told(file)
        except Odd:
            continue


def _told(file: Any) -> Told:
    if not isinstance(file, dict) or not isinstance(file.get("filename"), str) or not isinstance(file.get("url"), str):
        raise Odd(file)
    hashes = file.get("hashes", {})
    if not isinstance(hashes, dict):
        raise Odd(hashes)
    return Told(
        file["filename"],
        file["url"],
        _size(file.get("size")),
        digest(hashes.get("sha256")),
        moment(file.get("upload-time")),
        text(file.get("requires-python")) or None,
        _core_metadata(next((file[key] for key in _CORE_METADATA if file.get(key) is not None), None)),
        _yanked(file.get("yanked")),
        text(file.get("provenance")) or None,
    )


def _size(value: Any) -> int | None:
    if value is not None and (type(value) is not int or not 0 <= value <= MAX_SIZE):
        raise Odd(value)
    return value


def _core_metadata(value: Any) -> str | None:
    """As in `Told`: absent, there, or there with these digests."""
    if isinstance(value, dict):
        return digest(value.get("sha256")) or ""
    if isinstance(value, bool):
        return "" if value else None
    return offered(text(value))


def _yanked(value: Any) -> str | None:
    """PEP 592; an empty reason is none at all, as installers read it."""
    return ("" if value else None) if isinstance(value, bool) else text(value) or None
