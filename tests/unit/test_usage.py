"""Counts gathered in memory and written in batches."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from orbitalreg.catalog import Catalog, downloads
from orbitalreg.errors import Busy
from orbitalreg.identity import Accounts
from orbitalreg.model import Actor, Grant, now
from orbitalreg.usage import PRECISION, UsageRecorder


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path)


@pytest.fixture
def usage(catalog: Catalog) -> Iterator[UsageRecorder]:
    usage = UsageRecorder(catalog, interval=3600)
    yield usage
    usage.stop()


def last_used(catalog: Catalog, token_id: str) -> int | None:
    [row] = [row for row in Accounts(catalog).tokens() if row.id == token_id]
    return row.last_used_at


@pytest.fixture
def token_id(catalog: Catalog) -> str:
    return Accounts(catalog).create_token("robot", None, [Grant.parse("acme:read")], None, Actor("me")).id


def test_nothing_is_written_until_the_batch_is(catalog: Catalog, usage: UsageRecorder, token_id: str) -> None:
    usage.used(token_id)
    assert last_used(catalog, token_id) is None
    before = now()
    usage.used(token_id)
    usage.flush()
    assert before - PRECISION <= (last_used(catalog, token_id) or 0) <= now()  # it is noted to the second


def test_downloads_add_up_by_file_token_and_day(catalog: Catalog, usage: UsageRecorder) -> None:
    for token in ("t1", "t1", None):
        usage.downloaded("f1", token)
    usage.flush()
    usage.downloaded("f1", "t1")
    usage.downloaded("f2", None)
    usage.flush()
    rows = catalog.read().execute("SELECT file_id, token_id, count FROM download ORDER BY 1, 2").fetchall()
    assert rows == [("f1", "", 1), ("f1", "t1", 3), ("f2", "", 1)]
    assert downloads.of_files(catalog.read(), ["f1", "f2"]) == {"f1": 4, "f2": 1}


def test_a_batch_is_written_when_the_interval_is_over(catalog: Catalog) -> None:
    usage = UsageRecorder(catalog, interval=0.02)
    usage.downloaded("f1", None)
    end = time.monotonic() + 10
    while not downloads.of_files(catalog.read(), ["f1"]):
        assert time.monotonic() < end
        time.sleep(0.01)
    usage.stop()


def test_the_last_batch_is_written_at_the_stop(catalog: Catalog) -> None:
    usage = UsageRecorder(catalog, interval=3600)
    usage.downloaded("f1", None)
    usage.stop()
    assert downloads.of_files(catalog.read(), ["f1"]) == {"f1": 1}


def test_what_is_counted_after_the_stop_is_written_at_once(
    catalog: Catalog, usage: UsageRecorder, token_id: str
) -> None:
    """A reload stops the recorder while requests that came before it go on."""
    usage.downloaded("f1", None)
    usage.stop()
    usage.downloaded("f1", None)
    usage.used(token_id)
    assert downloads.of_files(catalog.read(), ["f1"]) == {"f1": 2}
    assert last_used(catalog, token_id)


def test_what_cannot_be_written_after_the_stop_ends_no_request(
    catalog: Catalog, usage: UsageRecorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def busy() -> None:
        raise Busy("not now")

    usage.stop()
    monkeypatch.setattr(catalog, "write", busy)
    usage.downloaded("f1", None)
    assert "could not be written yet: not now" in caplog.text


def test_a_batch_that_could_not_be_written_is_kept(
    catalog: Catalog, usage: UsageRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def busy() -> Iterator[Any]:
        raise Busy("not now")
        yield

    usage.downloaded("f1", None)
    with monkeypatch.context() as patch:
        patch.setattr(catalog, "write", busy)
        with pytest.raises(Busy):
            usage.flush()
    usage.downloaded("f1", None)
    usage.flush()
    assert downloads.of_files(catalog.read(), ["f1"]) == {"f1": 2}


def test_an_idle_recorder_writes_nothing(
    usage: UsageRecorder, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "write", lambda: pytest.fail("wrote"))
    usage.flush()
