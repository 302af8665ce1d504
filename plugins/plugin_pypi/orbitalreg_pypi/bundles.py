"""What a file bundles: packages that were vendored with their metadata, and what its bills of materials list.

PEP 770 has bills of materials under `*.dist-info/sboms/`. Those in JSON are read, CycloneDX (https://cyclonedx.org) and
SPDX (https://spdx.dev); one in another form is staged, and what it lists is not known.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from packageurl import PackageURL

from orbitalreg.errors import InvalidName, UploadRefused
from orbitalreg.model import Component
from orbitalreg_pypi.filenames import normalize, normalize_version, quoted, refuse
from orbitalreg_pypi.metadata import name_and_version

MAX_DOCUMENTS = 1_000
MAX_BYTES = 16 << 20  # of all of them
MAX_COMPONENTS = 10_000
MAX_PURL = 2_000  # characters

_METADATA = re.compile(r"(?:^|/)(?:METADATA|PKG-INFO)$")
_SBOM = re.compile(r"(?:^|/)[^/]+\.dist-info/sboms/.")
_TOO_MANY = f"it bundles more than {MAX_DOCUMENTS} documents of packages, or {MAX_BYTES} bytes of them"


def component(package: str, version: str, location: str = "", is_bundled: bool = False) -> Component:
    """By https://github.com/package-url/purl-spec. Tools that do not fold names know them with dots or underscores."""
    aliases = (package.replace("-", "."), package.replace("-", "_")) if "-" in package else ()
    purl = PackageURL("pypi", None, package, version).to_string()
    return Component(package, version, purl, location, is_bundled, aliases)


class Bundle:
    """Gathers while an archive is walked through: `documents` by their path in it, `components` as they come."""

    def __init__(self, own: Component) -> None:
        """`own` is the file's package: where its metadata is there again, it is left out."""
        self.documents: dict[str, bytes] = {}
        self.components: list[Component] = []
        self._own = own
        self._taken = {own.location.lower(), "bom.json"}
        self._folders = set(_folders(own.location.lower()))
        self._left = MAX_BYTES

    def visit(self, name: str, read: Callable[[int], bytes]) -> None:
        """`archives.Visit`. Raises `UploadRefused` for more than can be staged, and for names that clash."""
        if _SBOM.search(name):
            body = self._read(name, read)
            self._add(name, body, [found for found in _listed(body, name) if found.purl != self._own.purl])
        elif _METADATA.search(name):
            body = self._read(name, read)
            try:
                package, version = name_and_version(body)
            except UploadRefused:  # a template or a test's: sdists have both
                return
            if (package, version) != (self._own.name, self._own.version):
                self._add(name, body, [component(package, version, name, is_bundled=True)])

    def _read(self, name: str, read: Callable[[int], bytes]) -> bytes:
        if len(self.documents) >= MAX_DOCUMENTS:
            refuse(_TOO_MANY)
        try:
            body = read(self._left)
        except UploadRefused as error:
            raise UploadRefused(f"{_TOO_MANY}: {error}" if self._left < MAX_BYTES else str(error)) from error
        self._left -= len(body)
        return body

    def _add(self, name: str, body: bytes, components: list[Component]) -> None:
        """Where case does not count, no document may stand for another, or in the place of a folder."""
        key = name.lower()
        if not name.isprintable() or ":" in name:
            refuse(f"the name of its entry {quoted(name)} cannot be staged")
        if key in self._taken | self._folders or self._taken & set(_folders(key)):
            refuse(f"its entry {quoted(name)} differs from another by case alone, or is a folder elsewhere")
        if len(self.components) + len(components) > MAX_COMPONENTS:
            refuse(f"it bundles more than {MAX_COMPONENTS} packages")
        self._taken.add(key)
        self._folders.update(_folders(key))
        self.documents[name] = body
        self.components += components


def _folders(path: str) -> Iterator[str]:
    return (path[:at] for at, char in enumerate(path) if char == "/")


def _listed(body: bytes, location: str) -> Iterable[Component]:
    """The packages in a bill of materials, each once; what is no package URL with a version is left out."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    found = [_component(purl, location) for purl in _purls(told)]
    return {listed.purl: listed for listed in found if listed is not None}.values()


def _purls(told: object) -> Iterator[str]:
    """Of CycloneDX's components, which may hold components, and of SPDX's packages."""
    waiting = list(_items(told, "components"))
    while waiting:
        part = waiting.pop()
        waiting += _items(part, "components")
        yield from _texts(part, "purl")
    for package in _items(told, "packages"):
        for reference in _items(package, "externalRefs"):
            if reference.get("referenceType") == "purl":
                yield from _texts(reference, "referenceLocator")


def _items(told: object, key: str) -> Iterator[dict[str, Any]]:
    found = told.get(key) if isinstance(told, dict) else None
    return (item for item in found if isinstance(item, dict)) if isinstance(found, list) else iter(())


def _texts(told: dict[str, Any], key: str) -> Iterator[str]:
    if isinstance(told.get(key), str):
        yield told[key]


def _component(text: str, location: str) -> Component | None:
    if len(text) > MAX_PURL or not text.isprintable():
        return None
    try:
        purl = PackageURL.from_string(text)
        if not purl.name or not purl.version:
            return None
        if purl.type == "pypi":
            return component(normalize(purl.name), normalize_version(purl.version), location, is_bundled=True)
        name = f"{purl.namespace}/{purl.name}" if purl.namespace else purl.name
        found = Component(name, purl.version, purl.to_string(), location, is_bundled=True)
        return found if f"{name}{purl.version}".isprintable() else None
    except (ValueError, InvalidName):
        return None
