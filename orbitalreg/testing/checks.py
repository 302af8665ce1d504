"""What the contract of a format adapter asks again and again, and the material that it asks with."""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st

from orbitalreg.errors import InvalidName, UploadRefused
from orbitalreg.interfaces import DetailPage, FormatAdapter, NamesPage, PackagePage, Proposal
from orbitalreg.model import Component, Inspection, Kind, Listing, Requirement, Staged, valid_name
from orbitalreg.testing import pages
from orbitalreg.testing.evidence import AdapterUnderTest

F = TypeVar("F", Inspection, Staged)

# https://github.com/package-url/purl-spec: scheme, type, namespaces, name, version, qualifiers, subpath.
_PART = r"(?:[A-Za-z0-9._~:-]|%[0-9A-F]{2})+"
_PURL = re.compile(rf"pkg:[a-z][a-z0-9.+-]*(?:/{_PART})+@{_PART}(?:\?[a-z][!-~]*)?(?:#[!-~]+)?")
_UNSAFE_PATH = re.compile(r"[\\:]|(?:^|/)\.{0,2}(?:/|$)")

BASE = "https://registry.example.com/format/acme/things"


def check_normal(normalize: Callable[[str], str], text: str) -> None:
    try:
        normal = normalize(text)
    except InvalidName:
        return
    assert type(normal) is str
    assert normalize(normal) == normal


def outcome(read: Callable[..., F], filename: str, body: bytes, how: Mapping[str, str] | bool) -> F | UploadRefused:
    """What `inspect` or `stage` says of these bytes."""
    try:
        return read(filename, body, how)
    except UploadRefused as refused:
        return refused


def check_less(key: Callable[[str], Any], earlier: str, later: str) -> None:
    a, b = key(earlier), key(later)
    assert a < b and b > a and a != b, f"{earlier} must come before {later}"


def check_page(page: PackagePage, listing: Listing) -> None:
    text = pages.text_of(page, page.render(listing))
    missing = [file.filename for file in listing.files if file.filename not in text]
    assert missing == [], f"{page.representation} does not name every file"


def check_proposal(proposal: Proposal) -> None:
    assert valid_name(proposal.name, "repository name")
    assert isinstance(proposal.kind, Kind)
    assert proposal.comment.strip() and proposal.comment.isprintable()
    assert is_json(dict(proposal.settings)) and not {"format", "kind"} & set(proposal.settings)


def check_component(component: Component) -> None:
    assert type(component) is Component
    told = (component.name, component.version, component.purl, component.location, *component.aliases)
    assert all(type(text) is str and text.isprintable() for text in told)
    assert type(component.aliases) is tuple and type(component.is_bundled) is bool
    assert component.name and component.version
    assert _PURL.fullmatch(component.purl), f"{component.purl!r} is no package URL in its normal form"
    assert component.name not in component.aliases and len(set(component.aliases)) == len(component.aliases)
    assert all(component.aliases)


def check_staged(staged: Staged) -> None:
    """That it can be laid out in a folder beside `bom.json`, and says where each component is from."""
    assert type(staged) is Staged and type(staged.components) is tuple and staged.components
    for component in staged.components:
        check_component(component)
    first, *others = staged.components
    assert not first.is_bundled and all(component.is_bundled for component in others)
    assert {component.location for component in others} <= set(staged.documents)
    assert first.location in ("", *staged.documents)
    assert all(type(path) is str and type(body) is bytes for path, body in staged.documents.items())
    assert [path for path in staged.documents if _UNSAFE_PATH.search(path) or not path.isprintable()] == []
    folders = {path[:at] for path in staged.documents for at, char in enumerate(path) if char == "/"}
    keys = [path.lower() for path in (*staged.documents, "bom.json")]
    assert not {folder.lower() for folder in folders} & set(keys) and len(set(keys)) == len(keys)


def check_requirement(adapter: FormatAdapter, found: Requirement) -> None:
    assert type(found) is Requirement and type(found.extras) is tuple and type(found.is_elsewhere) is bool
    assert all(type(text) is str for text in (found.package, found.specifier, found.stated, *found.extras))
    assert found.extras == tuple(sorted(set(found.extras))) and all(found.extras)
    if found.package:
        assert adapter.normalize(found.package) == found.package
    else:
        assert found == Requirement("", stated=found.stated), "of what cannot be read nothing is known"


def is_plain(text: str) -> bool:
    """Whether it is what the text of an error must be: one line of printable ASCII."""
    return bool(text) and text.isascii() and text.isprintable()


def is_json(value: object) -> bool:
    """Whether it comes back from JSON as it was: the exact types, so that no subclass hides behind one."""
    if type(value) is dict:
        return all(type(key) is str and is_json(item) for key, item in value.items())
    if type(value) is list:
        return all(map(is_json, value))
    return value is None or type(value) in (str, int, float, bool)


def staged(folder: Path, body: bytes) -> Path:
    path = folder / "staged.part"
    path.write_bytes(body)
    return path


def near(known: Sequence[str]) -> st.SearchStrategy[str]:
    """Any text, and texts that are almost one of `known`."""

    def changed(parts: tuple[str, int, str, int]) -> str:
        text, place, more, fewer = parts
        place %= len(text) + 1
        return text[:place] + more + text[place + fewer :]

    hostile = st.sampled_from(["/", "../", "\\", "\0", "\n", " ", "%2e", "\u0661", "\u212a", "-", ".", "9" * 5000])
    near = st.tuples(st.sampled_from(known), st.integers(0, 200), hostile | st.text(max_size=3), st.integers(0, 2))
    return st.text(max_size=80) | near.map(changed)


def damaged(body: bytes) -> st.SearchStrategy[bytes]:
    """`body` with some bytes changed, and perhaps cut off."""

    def damaged(parts: tuple[list[tuple[int, int]], int | None]) -> bytes:
        edits, cut = parts
        found = bytearray(body or b"\0")
        for place, value in edits:
            found[place % len(found)] = value
        return bytes(found if cut is None else found[: cut % len(found)])

    edits = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=6)
    return st.tuples(edits, st.none() | st.integers(0, 1 << 20)).map(damaged)


def package_pages(subject: AdapterUnderTest) -> list[PackagePage]:
    return [reply for reply in replies(subject) if isinstance(reply, PackagePage)]


def detail_pages(subject: AdapterUnderTest) -> list[DetailPage]:
    return [reply for reply in replies(subject) if isinstance(reply, DetailPage)]


def names_pages(subject: AdapterUnderTest) -> list[NamesPage]:
    return [reply for reply in replies(subject) if isinstance(reply, NamesPage)]


def replies(subject: AdapterUnderTest) -> list[object]:
    return [
        pages.ask(route, subject.values(), accept)
        for route in subject.reads()
        if set(pages.fields(route)) <= set(subject.values())
        for accept in subject.accepts
    ]


def answers(subject: AdapterUnderTest) -> list[object]:
    """What the adapter says without reading a file; keys by the order that they make."""
    adapter = subject.adapter
    return [
        [adapter.normalize(name) for name in subject.names],
        [adapter.normalize_version(version) for version in subject.versions],
        sorted(subject.ordered_versions, key=adapter.version_key),
        [adapter.parse_filename(good.filename) for good in subject.good_files],
        [(route.method, route.template, route.right) for route in adapter.routes()],
        list(adapter.proposals()),
        list(adapter.usage(BASE, True)),
        [adapter.requirements([good.found.stated for good in subject.requirements], at) for at in subject.places()],
    ]


def work(subject: AdapterUnderTest, folder: Path) -> object:
    """A thread's share; every file is read from a place of its own."""
    own = folder / f"{threading.get_ident()}"
    own.mkdir(exist_ok=True)
    found = [
        subject.adapter.inspect(staged(own, good.body), good.filename, dict(good.claims)) for good in subject.good_files
    ]
    return answers(subject), found
