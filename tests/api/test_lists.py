"""Lists in parts: all of it, each once, in order, whatever comes and goes meanwhile."""

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orbitalreg.catalog import Catalog, blobs, files, repositories
from orbitalreg.inventory import START
from orbitalreg.model import Address, File, Kind
from orbitalreg.summaries import Page
from orbitalreg.web.api.paging import Paging, name_key, page, time_key

from .conftest import BALL, ROOT, TOYS

LISTS = {
    "projects": (f"{ROOT}/projects", "name", ["acme", "other"]),
    "repositories": (f"{ROOT}/projects/acme/repositories", "name", ["again", "open", "toys"]),
    "packages": (f"{TOYS}/packages", "name", ["ball", "kite"]),
    "versions": (f"{BALL}/versions", "version", ["1", "2", "10"]),
    "files": (f"{BALL}/files", "filename", ["ball@1.toy", "ball@2.toy", "ball@10.toy"]),
    "files of a version": (f"{BALL}/versions/2/files", "filename", ["ball@2.toy"]),
}


@pytest.mark.parametrize("limit", [1, 2, 3, 100, 1000])
@pytest.mark.parametrize("which", LISTS)
def test_the_parts_make_the_list(which: str, limit: int, stocked: Any, api: Any) -> None:
    path, key, expected = LISTS[which]
    assert api.names(path, key, limit=limit) == expected


@pytest.mark.parametrize("which", LISTS)
def test_a_part_has_at_most_as_many_as_asked(which: str, stocked: Any, api: Any) -> None:
    path, _, expected = LISTS[which]
    part = api.get(path, limit=1)
    assert len(part["items"]) == 1 and (part["next"] is None) is (len(expected) == 1)


def test_the_tokens_of_an_account_come_in_parts(site: Any, api: Any) -> None:
    token = site.token("acme:read", name="robot", user="ann")
    made = [site.token("acme:read", name=f"robot-{number}", user="ann")[7:15] for number in range(4)]
    assert api.names(f"{ROOT}/tokens", "id", token, limit=2)[1:] == made


def test_the_tokens_of_a_project_come_in_parts(site: Any, api: Any) -> None:
    admin = site.token("acme:admin", name="chief")
    made = [site.token("acme/toys:read", name=f"robot-{number}")[6:14] for number in range(4)]
    assert api.names(f"{ROOT}/projects/acme/tokens", "id", admin, limit=2)[1:] == made


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "limit=1&limit=2", "limt=1", "cursor=%00"]
)
@pytest.mark.parametrize("which", LISTS)
def test_a_query_that_is_not_asked_for_is_told(which: str, query: str, stocked: Any, api: Any) -> None:
    answer = api("GET", LISTS[which][0], query_string=query)
    assert answer.status_code == 422
    assert answer.json["detail"].startswith(f"the query: {query.partition('=')[0]}:")


BROKEN = [5, None, [], {}, [1], ["a", "b"], [1, 2], [1.5, "a"], [True, "a"], [1 << 70, "a"], "\ud800", [1, "\ud800"]]


@pytest.mark.parametrize("value", BROKEN, ids=repr)
@pytest.mark.parametrize("which", ["packages", "versions", "files"])
def test_a_cursor_of_one_s_own_making_is_refused(which: str, value: Any, stocked: Any, api: Any) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    assert api("GET", LISTS[which][0], params={"cursor": cursor}).status_code == 422


@given(st.text("ABCDEFGHIJ-_abcdefgh0123456789", max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_cursor_is_read_or_refused(stocked: Any, api: Any, cursor: str) -> None:
    for path in (f"{TOYS}/packages", f"{BALL}/versions", f"{BALL}/files"):
        assert api("GET", path, params={"cursor": cursor}).status_code in (200, 422)


@given(st.lists(st.integers(0, 60), unique=True), st.integers(1, 7), st.sets(st.integers(0, 60)))
def test_the_parts_are_the_visible_list(numbers: list[int], limit: int, visible: set[int]) -> None:
    ordered = sorted(f"{number:03}" for number in numbers)
    asked: list[int] = []

    def after(name: str, count: int) -> list[str]:
        asked.append(count)
        return [item for item in ordered if item > name][:count]

    found: list[str] = []
    paging = Paging(limit=limit)
    while True:
        part: Page[str] = page(paging, "", name_key, after, lambda item: item, lambda item: int(item) in visible)
        assert len(part.items) <= limit and (part.items or part.next is None)
        found += part.items
        if part.next is None:
            break
        paging = Paging(limit=limit, cursor=part.next)
    assert found == [item for item in ordered if int(item) in visible]
    assert set(asked) == {limit + 1}


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["publish", "delete", "read"]), st.integers(0, 30), st.integers(0, 5)), max_size=30
)


@given(st.lists(st.integers(0, 30), unique=True, max_size=15), OPERATIONS, st.integers(1, 4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_stays_is_missed_or_told_twice(
    tmp_path_factory: pytest.TempPathFactory, first: list[int], operations: Any, limit: int
) -> None:
    """While parts are read, files are published and deleted: none is told twice, and what was there throughout is told.

    A file that is deleted and published again is another file, as its id says.
    """
    shelf = Shelf(Catalog(tmp_path_factory.mktemp("catalog")))
    for number in first:
        shelf.publish(number)
    kept = {file.id for file in shelf.there.values()}
    told: list[str] = []
    key: Any = START
    for action, number, _ in [*operations, *[("read", 0, 0)] * 60]:
        if action == "publish":
            shelf.publish(number)
        elif action == "delete":
            kept -= shelf.delete(number)
        elif key is not None:
            part = shelf.read(key, limit)
            told += [file.id for file in part]
            key = (part[-1].uploaded_at, part[-1].id) if len(part) == limit else None
    assert len(told) == len(set(told))
    assert kept <= set(told)


class Shelf:
    """One package in a catalog of its own."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.there: dict[str, File] = {}
        self._clock = 0
        with catalog.write() as db:
            self._repository = repositories.insert_repository(db, Address("acme", "toys"), "toy", Kind.LOCAL)
            self._package = repositories.ensure_package(db, self._repository, "ball").id
            blobs.hold(db, "0" * 64, "0.key", 1)

    def publish(self, number: int) -> None:
        """Two files a tick: the second one's key differs by its id alone."""
        if f"{number}" in self.there:
            return
        self._clock += 1
        file = File(f"{self._clock:08}", "ball", "1", f"{number}", 1, "0" * 64, self._clock // 2)
        with self.catalog.write() as db:
            files.insert(db, self._repository, self._package, file, "local:test")
        self.there[file.filename] = file

    def delete(self, number: int) -> set[str]:
        file = self.there.pop(f"{number}", None)
        if file is None:
            return set()
        with self.catalog.write() as db:
            files.delete(db, self._repository, file)
        return {file.id}

    def read(self, key: tuple[int, str], limit: int) -> list[File]:
        return files.of_package_after(self.catalog.read(), self._package, None, key, limit)


def test_keys_are_read_as_they_are_written() -> None:
    assert time_key(json.loads(json.dumps((5, "a")))) == (5, "a")
    assert name_key("a") == "a"


def test_a_package_published_meanwhile_moves_nothing(stocked: Any, api: Any) -> None:
    part = api.get(f"{TOYS}/packages", limit=1)
    stocked.put("apple@1.toy")
    stocked.put("cube@1.toy")
    assert [item["name"] for item in part["items"]] == ["ball"]
    rest = api.get(f"{TOYS}/packages", cursor=part["next"])
    assert [item["name"] for item in rest["items"]] == ["cube", "kite"]


def test_a_list_goes_on_after_what_was_told_is_gone(stocked: Any, api: Any) -> None:
    part = api.get(f"{BALL}/files", limit=2)
    assert api("DELETE", f"{BALL}/versions/2").status_code == 200
    rest = api.get(f"{BALL}/files", cursor=part["next"])
    assert [item["filename"] for item in rest["items"]] == ["ball@10.toy"]
