"""Publishing: what is taken, what is refused, what one upload changes and what it leaves."""

import errno
import fcntl
import hashlib
import io
import os
from collections.abc import Callable
from typing import Any

import pytest

from orbitalreg import publishing, staging
from orbitalreg.errors import Busy, NoSpace, StorageFailed, UploadRefused
from orbitalreg.model import Coordinates, Identity, Status, StatusName
from orbitalreg.publishing import LocalPublisher

BODY = b"needs: kite drum\nthe rest"
DONE = "audit_entry WHERE outcome = 'done'"
SHA256 = hashlib.sha256(BODY).hexdigest()


def state(site: Any) -> tuple[Any, ...]:
    """Everything that a change would change."""
    db = site.registry.catalog.read()
    tables = [db.execute(f"SELECT * FROM {table}").fetchall() for table in ("file", "package", "blob", DONE)]
    return (*tables, site.blobs(), site.registry.source(site.repository()).names_revision())


def test_an_upload_is_on_the_very_next_page(site: Any) -> None:
    assert site.put("ball@1.toy", BODY, X_Note="round").text == "made\n"
    assert site.page() == {"ball@1.toy": [SHA256, None, {"note": "round"}]}


def test_what_was_uploaded_comes_back_byte_for_byte(site: Any) -> None:
    body = os.urandom(700_000)
    site.put("ball@1.toy", body)
    assert site.get("/toy/acme/toys/get/ball/ball@1.toy").content == body


def test_an_empty_file_is_a_file(site: Any) -> None:
    assert site.put("ball@1.toy", b"").status_code == 200
    answer = site.get("/toy/acme/toys/get/ball/ball@1.toy")
    assert (answer.content, answer.headers["Content-Length"]) == (b"", "0")


def test_a_document_beside_the_file_is_served(site: Any) -> None:
    site.put("ball@1.toy", BODY)
    assert site.get("/toy/acme/toys/get/ball/ball@1.toy.head").content == b"needs: kite drum"


def test_requirements_are_kept_for_later(site: Any) -> None:
    site.put("ball@1.toy", BODY)
    [file] = site.registry.source(site.repository()).listing("ball").files
    assert file.requirements == ("kite", "drum")


def test_the_same_bytes_again_change_nothing(site: Any) -> None:
    site.put("ball@1.toy", BODY)
    before = state(site)
    assert site.put("ball@1.toy", BODY).text == "was here\n"
    assert state(site) == before
    assert site.staged() == []


def test_other_bytes_under_a_taken_name_are_refused(site: Any) -> None:
    site.put("ball@1.toy", BODY)
    before = state(site)
    answer = site.put("ball@1.toy", b"other")
    assert answer.status_code == 400
    assert answer.status.startswith("400 File already exists: ball@1.toy")
    assert state(site) == before


def test_an_upload_is_in_the_audit_log_with_its_maker(site: Any) -> None:
    answer = site.put("ball@1.toy", BODY)
    row = site.registry.catalog.read().execute(
        "SELECT actor, address, request_id, target, detail FROM audit_entry WHERE action = 'file.publish'"
    )
    detail = f'{{"filename":"ball@1.toy","sha256":"{SHA256}"}}'
    request_id = answer.headers["X-Request-ID"]
    assert row.fetchall() == [("service:publisher", "127.0.0.1", request_id, "acme/toys/ball==1", detail)]


def test_a_digest_that_does_not_fit_is_refused(site: Any) -> None:
    answer = site.put("ball@1.toy", BODY, X_SHA256="0" * 64)
    assert (answer.status_code, answer.text) == (
        400,
        "ball@1.toy: its sha256 is not the one that was sent; it broke on the way\n",
    )
    assert site.get("/toy/acme/toys/of/ball/").status_code == 404
    assert (site.blobs(), site.staged()) == ([], [])


def test_a_digest_may_be_written_in_capitals(site: Any) -> None:
    assert site.put("ball@1.toy", BODY, X_SHA256=f" {SHA256.upper()} ").status_code == 200


@pytest.mark.parametrize(
    ("digests", "says"),
    [
        ({}, "no digest was sent"),
        ({"crc32": "0"}, "'crc32' is not one of"),
        ({"sha256": SHA256, "md5": "0"}, "its md5 is not the one"),
        ({"sha256": ""}, "its sha256 is not the one"),
        ({"sha256": "ä"}, "its sha256 is not the one"),
    ],
)
def test_every_digest_is_checked_and_one_is_needed(digests: dict[str, str], says: str, site: Any) -> None:
    adapter = site.registry.formats["toy"]
    operator = Identity("local:me", is_operator=True)
    publisher = LocalPublisher(site.registry.desk, adapter, site.repository(), operator, site.actor)
    with publisher.receive(io.BytesIO(BODY), "ball@1.toy", []) as upload, pytest.raises(UploadRefused, match=says):
        publisher.publish(upload, {}, digests)
    assert (site.blobs(), site.staged()) == ([], [])


@pytest.mark.parametrize("filename", ["ball.toy", "@1.toy", "ball@x.toy", "b%20all@1.toy", "..@1.toy"])
def test_a_name_that_the_format_does_not_know_is_refused(filename: str, site: Any) -> None:
    answer = site.put(filename)
    assert answer.status_code == 400
    assert (site.blobs(), site.staged()) == ([], [])


def test_a_body_that_the_adapter_stumbles_over_is_refused(site: Any) -> None:
    assert site.put("ball@1.toy", b"hoard").status_code == 400
    assert (site.blobs(), site.staged()) == ([], [])


def test_an_adapter_that_finds_another_package_inside_is_refused(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        type(site.registry.formats["toy"]), "parse_filename", lambda self, filename: Coordinates("kite", "1")
    )
    assert site.put("ball@1.toy").text == "ball@1.toy: its metadata is of ball 1\n"
    assert site.blobs() == []


@pytest.fixture
def small(make_site: Callable[..., Any]) -> Any:
    return make_site('[server]\nmax_upload = "10B"\n')


def test_a_file_of_the_largest_size_is_taken(small: Any) -> None:
    assert small.put("ball@1.toy", b"x" * 10).status_code == 200


def test_a_larger_file_is_refused(small: Any) -> None:
    answer = small.put("ball@1.toy", b"x" * 11)
    assert (answer.status_code, answer.text) == (
        413,
        "the file is larger than the 10 bytes that [server] max_upload allows\n",
    )
    assert (small.blobs(), small.staged()) == ([], [])


def test_a_length_beyond_all_bounds_is_refused_from_the_head(small: Any) -> None:
    answer = small.request("POST", "/toy/acme/toys/put/ball@1.toy", headers={"Content-Length": str(1 << 40)})
    assert answer.status_code == 413


def test_a_version_that_was_deleted_has_no_page(site: Any) -> None:
    site.put("ball@1.toy", BODY)
    delete(site)
    assert site.get("/toy/acme/toys/of/ball/").status_code == 404
    assert site.get("/toy/acme/toys/get/ball/ball@1.toy").status_code == 404
    assert site.get("/toy/acme/toys/names/").text == ""


def test_a_deleted_name_is_not_used_again_for_other_bytes(site: Any) -> None:
    site.put("ball@1.toy", BODY)
    delete(site)
    answer = site.put("ball@1.toy", b"other")
    assert answer.status_code == 400
    assert "was deleted here, and its name is not used again" in answer.text


def test_a_deleted_name_takes_the_same_bytes_again(site: Any) -> None:
    site.put("ball@1.toy", BODY)
    delete(site)
    assert site.put("ball@1.toy", BODY).text == "made\n"
    assert site.page()["ball@1.toy"][0] == SHA256


def test_a_deleted_name_may_be_reused_where_the_configuration_says_so(site: Any) -> None:
    site.put("ball@1.toy", BODY, to="/toy/acme/again")
    delete(site, "acme/again")
    assert site.put("ball@1.toy", b"other", to="/toy/acme/again").text == "made\n"


def delete(site: Any, repository: str = "acme/toys") -> None:
    site.registry.curator.delete(site.repository(repository), "ball", "1", None, site.actor)


def test_identical_bytes_are_one_blob_however_many_hold_them(site: Any) -> None:
    site.put("ball@1.toy", BODY)
    site.put("kite@1.toy", BODY)
    site.put("ball@1.toy", BODY, to="/toy/other/toys")
    assert len(site.blobs()) == site.count("blob") == 1
    assert site.get("/toy/other/toys/get/ball/ball@1.toy").content == BODY


@pytest.mark.parametrize("status", [StatusName.ARCHIVED, StatusName.QUARANTINED])
def test_a_package_that_is_closed_takes_no_uploads(status: StatusName, site: Any) -> None:
    site.put("ball@1.toy")
    site.registry.curator.set_status(site.repository(), "ball", Status(status), site.actor)
    answer = site.put("ball@2.toy")
    assert (answer.status_code, answer.text) == (400, f"ball is {status} and takes no uploads\n")


def test_a_deprecated_package_takes_uploads(site: Any) -> None:
    site.put("ball@1.toy")
    site.registry.curator.set_status(site.repository(), "ball", Status(StatusName.DEPRECATED), site.actor)
    assert site.put("ball@2.toy").status_code == 200


class Failing:
    """Fails at the `turn`-th call and is the real thing otherwise."""

    def __init__(self, real: Callable[..., Any], code: int, turn: int = 1) -> None:
        self.real, self.code, self.left = real, code, turn

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise OSError(self.code, os.strerror(self.code))
        return self.real(*arguments, **options)


@pytest.mark.parametrize(
    ("place", "name", "code", "turn", "status"),
    [
        (os, "write", errno.ENOSPC, 1, 507),
        (os, "write", errno.EDQUOT, 2, 507),
        (os, "write", errno.EIO, 1, 500),
        (fcntl, "flock", errno.ENOLCK, 1, 500),
        (os, "fsync", errno.EIO, 1, 500),
        (os, "fsync", errno.EIO, 2, 500),
        (os, "fsync", errno.EIO, 3, 500),
        (os, "fsync", errno.ENOSPC, 1, 507),
        (os, "rename", errno.EIO, 1, 500),
        (os, "rename", errno.ENOSPC, 1, 507),
        (os, "mkdir", errno.ENOSPC, 1, 507),
    ],
)
def test_a_failing_call_is_answered_cleanly_and_the_next_upload_works(
    place: Any, name: str, code: int, turn: int, status: int, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = bytes(2 * staging.CHUNK)
    failing = Failing(getattr(place, name), code, turn)
    with monkeypatch.context() as patch:
        patch.setattr(place, name, failing)
        answer = site.put("ball@1.toy", body)
    assert failing.left <= 0, "the call was never made"
    assert answer.status_code == status
    assert (site.blobs(), site.staged(), site.count("file"), site.count("blob")) == ([], [], 0, 0)
    assert site.get("/toy/acme/toys/of/ball/").status_code == 404
    assert site.put("ball@1.toy", body).text == "made\n"
    assert site.get("/toy/acme/toys/get/ball/ball@1.toy").content == body


def test_a_short_write_loses_no_byte(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, view: write(descriptor, bytes(view)[:1000]))
    body = os.urandom(30_000)
    assert site.put("ball@1.toy", body).status_code == 200
    monkeypatch.undo()
    assert site.get("/toy/acme/toys/get/ball/ball@1.toy").content == body


def test_a_client_that_breaks_off_leaves_nothing(site: Any) -> None:
    class Broken(io.BytesIO):
        def read(self, *arguments: Any) -> bytes:
            raise ConnectionResetError

    answer = site.client.simulate_post(
        "/toy/acme/toys/put/ball@1.toy",
        headers={"Authorization": f"Bearer {site.publisher}", "Content-Length": "5"},
        extras={"wsgi.input": Broken()},
    )
    assert answer.status_code >= 400
    assert (site.blobs(), site.staged(), site.count("file")) == ([], [], 0)


@pytest.mark.parametrize(("error", "status"), [(Busy("busy"), 503), (StorageFailed("broken"), 500)])
def test_a_commit_that_fails_shows_nothing_and_leaves_the_bytes_for_collection(
    error: Exception, status: int, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(publishing.audit, "record", fail)
        answer = site.put("ball@1.toy", BODY)
    assert answer.status_code == status
    assert site.get("/toy/acme/toys/of/ball/").status_code == 404
    assert (site.count("file"), site.count("package"), site.count("blob")) == (0, 0, 0)
    assert (len(site.blobs()), site.staged()) == (1, [])
    assert site.put("ball@1.toy", BODY).text == "made\n"
    assert site.get("/toy/acme/toys/get/ball/ball@1.toy").content == BODY


def test_a_disk_that_is_too_full_refuses_from_the_head(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(site.registry.store), "free_bytes", lambda self: staging.RESERVE + 3)
    answer = site.put("ball@1.toy", b"four")
    assert (answer.status_code, answer.text) == (507, "the data file system has too little room left for this upload\n")
    assert site.staged() == []


def test_where_room_has_no_meaning_there_is_always_enough(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(site.registry.store), "free_bytes", lambda self: None)
    assert site.put("ball@1.toy").status_code == 200


def test_too_many_uploads_at_once_are_told_to_try_again(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    places = site.registry.desk.places
    monkeypatch.setattr("orbitalreg.publishing.PLACE_SECONDS", 0.01)
    taken = 0
    while places.acquire(blocking=False):
        taken += 1
    answer = site.put("ball@1.toy")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert site.get("/toy/acme/toys/names/").status_code == 200
    places.release(taken)
    assert site.put("ball@1.toy").status_code == 200


def test_two_uploads_of_one_name_at_the_same_time_are_one_file(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second arrives while the first is between its bytes and its rows."""
    keep = type(site.registry.store).keep
    answers = []

    def overtaken(self: Any, path: Any, key: str) -> None:
        keep(self, path, key)
        monkeypatch.setattr(type(self), "keep", keep)
        answers.append(site.put("ball@1.toy", BODY).text)

    monkeypatch.setattr(type(site.registry.store), "keep", overtaken)
    answers.append(site.put("ball@1.toy", BODY).text)
    assert answers == ["made\n", "was here\n"]
    assert len(site.blobs()) == site.count("blob") == site.count("file") == 1
    assert site.get("/toy/acme/toys/get/ball/ball@1.toy").content == BODY


def test_two_different_uploads_of_one_name_at_the_same_time_are_one_file(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = type(site.registry.store).keep
    answers = []

    def overtaken(self: Any, path: Any, key: str) -> None:
        keep(self, path, key)
        monkeypatch.setattr(type(self), "keep", keep)
        answers.append(site.put("ball@1.toy", b"first").status_code)

    monkeypatch.setattr(type(site.registry.store), "keep", overtaken)
    answers.append(site.put("ball@1.toy", b"second").status_code)
    assert answers == [200, 400]
    assert site.get("/toy/acme/toys/get/ball/ball@1.toy").content == b"first"


def test_the_room_for_an_upload_is_asked_in_bytes(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = site.registry.desk
    monkeypatch.setattr(type(desk.store), "free_bytes", lambda self: staging.RESERVE + 100)
    desk.room_for(100)
    with pytest.raises(NoSpace):
        desk.room_for(101)
