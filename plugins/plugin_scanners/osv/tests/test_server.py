"""OSV.dev where there is no dump: a stand-in on loopback is asked, by the host's own client."""

from pathlib import Path
from time import sleep
from typing import Any

import pytest
from asked_of_osv import component
from fake_osv import FakeOsv, answers
from orbitalreg_osv import judging
from orbitalreg_osv.scanner import Osv
from orbitalreg_osv.server import TRIES, Question, Server
from records_made import V3_HIGH, record

from orbitalreg.errors import ScannerFailed
from orbitalreg.interfaces import Clients, Surroundings, Target
from orbitalreg.model import Component, ReportStatus, Severity, Staged
from orbitalreg.testing import make_target


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it was waited between tries, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr("orbitalreg_osv.server.time.sleep", waited.append)
    return waited


@pytest.fixture
def osv(osv_dev: FakeOsv, clients: Clients, tmp_path: Path, waits: list[float]) -> Osv:
    return Osv(Surroundings({"server": osv_dev.url + "/"}, tmp_path, tmp_path / "own", clients))


@pytest.fixture
def server(osv_dev: FakeOsv, clients: Clients, waits: list[float]) -> Server:
    return Server(osv_dev.url, clients(osv_dev.url))


def target(folder: Path, *components: Component) -> Target:
    return make_target(Staged(components or (component(),)), folder)


def test_a_file_is_judged_by_what_the_server_says(osv: Osv, osv_dev: FakeOsv, tmp_path: Path) -> None:
    osv_dev.put(record("GHSA-1", aliases=["CVE-2020-1"], severity=[{"type": "CVSS_V3", "score": V3_HIGH}]))
    osv_dev.put(record("PYSEC-2020-1", "Demo", aliases=["CVE-2020-1"]), record("PYSEC-2020-2", "other"))
    scan = osv.scan(target(tmp_path))
    report = scan.report
    assert (report.status, report.packages_seen) == (ReportStatus.OK, ("pkg:pypi/demo@1.0",))
    assert {finding.id: (finding.severity, finding.fixed_in) for finding in report.findings} == {
        "GHSA-1": (Severity.HIGH, "2.0"),
        "PYSEC-2020-1": (Severity.HIGH, "2.0"),  # lent, as in a dump
    }
    assert b"PYSEC-2020-1" in scan.raw
    assert report.database == osv.database()
    assert not osv.judges_names


def test_what_it_does_not_know_is_not_asked(osv: Osv, osv_dev: FakeOsv, tmp_path: Path) -> None:
    report = osv.scan(target(tmp_path, Component("demo", "1.0", "pkg:npm/demo@1.0"))).report
    assert (report.status, report.packages_seen) == (ReportStatus.NOT_SCANNED, ())
    assert osv_dev.asked == []


def test_records_are_kept_until_they_are_modified(osv: Osv, osv_dev: FakeOsv, tmp_path: Path) -> None:
    osv_dev.put(record(summary="First"))
    for _ in range(2):
        (finding,) = osv.scan(target(tmp_path)).report.findings
        assert finding.title == "First"
    assert osv_dev.asked == ["/v1/querybatch", "/v1/vulns/PYSEC-2020-1", "/v1/querybatch"]
    osv_dev.put(record(summary="Second", modified="2021-01-01T00:00:00Z"))
    (finding,) = osv.scan(target(tmp_path)).report.findings
    assert finding.title == "Second"
    assert [path.name for path in (tmp_path / "own" / "records").iterdir()] == ["PYSEC-2020-1.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"[" * 100_000, b'{"id": "PYSEC-2020-1"}', b"\xff"])
def test_a_kept_record_that_is_broken_is_fetched_again(
    osv: Osv, osv_dev: FakeOsv, tmp_path: Path, content: bytes
) -> None:
    osv_dev.put(record())
    osv.scan(target(tmp_path))
    (tmp_path / "own" / "records" / "PYSEC-2020-1.json").write_bytes(content)
    (finding,) = osv.scan(target(tmp_path)).report.findings
    assert finding.fixed_in == "2.0"
    assert osv_dev.asked.count("/v1/vulns/PYSEC-2020-1") == 2


def test_a_folder_that_cannot_be_written_to_costs_nothing_but_time(osv: Osv, osv_dev: FakeOsv, tmp_path: Path) -> None:
    (tmp_path / "own").write_text("in the way")
    osv_dev.put(record())
    assert len(osv.scan(target(tmp_path)).report.findings) == 1


@pytest.mark.parametrize("empty_pages", [False, True])
def test_pages_are_followed_to_their_end(server: Server, osv_dev: FakeOsv, empty_pages: bool) -> None:
    osv_dev.put(*(record(f"PYSEC-2020-{number}") for number in range(7)), record("PYSEC-2021-1", "other"))
    osv_dev.page_size, osv_dev.empty_pages = 3, empty_pages
    found = server.hits([Question("PyPI", name, "1.0") for name in ("demo", "none", "other")])
    assert [[hit.id for hit in hits] for hits in found] == [
        [f"PYSEC-2020-{number}" for number in range(7)],
        [],
        ["PYSEC-2021-1"],
    ]


def test_more_than_a_thousand_are_asked_in_turn(server: Server, osv_dev: FakeOsv) -> None:
    osv_dev.put(record("PYSEC-2020-1", "demo2100"))
    found = server.hits([Question("PyPI", f"demo{number}", "1.0") for number in range(2500)])
    assert osv_dev.queries == [1000, 1000, 500]
    assert [number for number, hits in enumerate(found) if hits] == [2100]


def test_pages_without_end_are_not_followed_for_ever(
    server: Server, osv_dev: FakeOsv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orbitalreg_osv.server.PAGES", 20)
    osv_dev.fault = answers(200, 100, b'{"results": [{"next_page_token": "x"}]}')
    with pytest.raises(ScannerFailed, match="more than 20 pages"):
        server.hits([Question("PyPI", "demo", "1.0")])


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again(
    osv: Osv, osv_dev: FakeOsv, tmp_path: Path, waits: list[float], status: int
) -> None:
    osv_dev.put(record())
    osv_dev.fault = answers(status, 2)
    assert len(osv.scan(target(tmp_path)).report.findings) == 1
    assert waits == [0.5, 1.0]


def test_it_is_left_alone_as_long_as_it_asks_for(
    osv: Osv, osv_dev: FakeOsv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Really waited for: the host's client would not ask before either."""
    waited: list[float] = []
    monkeypatch.setattr("orbitalreg_osv.server.time.sleep", lambda seconds: waited.append(seconds) or sleep(seconds))
    osv_dev.fault = answers(429, 1, Retry_After="1")
    osv_dev.put(record())
    assert len(osv.scan(target(tmp_path)).report.findings) == 1
    assert waited[0] == 1.0


def test_whoever_asks_for_too_long_is_not_waited_for(
    osv: Osv, osv_dev: FakeOsv, tmp_path: Path, waits: list[float]
) -> None:
    osv_dev.fault = answers(503, 100, Retry_After="3600")
    with pytest.raises(ScannerFailed, match=r"cannot be asked: .* asks to be left alone for a while \(503\)"):
        osv.scan(target(tmp_path))
    assert waits == []


def test_after_some_tries_it_gives_up(osv: Osv, osv_dev: FakeOsv, tmp_path: Path, waits: list[float]) -> None:
    osv_dev.fault = answers(500, 100)
    with pytest.raises(ScannerFailed, match="answered 500"):
        osv.scan(target(tmp_path))
    assert len(osv_dev.asked) == TRIES and waits == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_not_asked_for_twice(
    osv: Osv, osv_dev: FakeOsv, tmp_path: Path, waits: list[float], status: int
) -> None:
    osv_dev.fault = answers(status, 100)
    with pytest.raises(ScannerFailed):
        osv.scan(target(tmp_path))
    assert len(osv_dev.asked) == 1 and waits == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"words",
        b"[" * 100_000,
        b"null",
        b"{}",
        b'{"results": []}',
        b'{"results": {}}',
        b'{"results": [1]}',
        b'{"results": [{"vulns": {"a": 1}}]}',
        b'{"results": [{"vulns": [{}]}]}',
        b'{"results": [{"vulns": [{"id": "../../etc/passwd"}]}]}',
        b'{"results": [{"vulns": [{"id": "a/b", "modified": "x"}]}]}',
        b'{"results": [{"next_page_token": 7}]}',
        b'{"results": [{}, {}]}',
    ],
)
def test_nonsense_is_never_a_clean_file(osv: Osv, osv_dev: FakeOsv, tmp_path: Path, body: bytes) -> None:
    osv_dev.fault = answers(200, 100, body)
    with pytest.raises(ScannerFailed, match="is it a server of OSV"):
        osv.scan(target(tmp_path))


@pytest.mark.parametrize(
    "kept", [{"id": "PYSEC-2020-1"} | {"affected": 7}, record("PYSEC-2020-9"), {"id": 7}, [], "x", None]
)
def test_a_record_that_cannot_be_used_is_told_by_its_id(
    osv: Osv, osv_dev: FakeOsv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: Any
) -> None:
    osv_dev.put(record())
    monkeypatch.setattr(Server, "record", lambda self, id_: kept)
    (finding,) = osv.scan(target(tmp_path)).report.findings
    assert (finding.id, finding.severity, finding.fixed_in) == ("PYSEC-2020-1", Severity.UNKNOWN, None)


def test_a_record_that_is_gone_is_told_by_its_id(osv: Osv, osv_dev: FakeOsv, tmp_path: Path) -> None:
    osv_dev.put(record())
    told = osv_dev._result

    def result(query: dict[str, Any]) -> dict[str, Any]:
        found = told(query)
        osv_dev.records.clear()
        return found

    osv_dev._result = result  # type: ignore[method-assign]
    (finding,) = osv.scan(target(tmp_path)).report.findings
    assert finding.id == "PYSEC-2020-1"


def test_withdrawn_meanwhile_it_is_nothing(
    osv: Osv, osv_dev: FakeOsv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    osv_dev.put(record())
    monkeypatch.setattr(Server, "record", lambda self, id_: record(withdrawn="2021-01-01T00:00:00Z"))
    assert osv.scan(target(tmp_path)).report.findings == ()


def test_each_period_is_another_database(osv: Osv, monkeypatch: pytest.MonkeyPatch) -> None:
    day = 86_400_000_000
    digests = []
    for at in (10 * day, 11 * day - 1, 11 * day):
        monkeypatch.setattr(judging, "now", lambda at=at: at)
        digests.append(osv.database().digest)
    assert digests[0] == digests[1] != digests[2]


def test_a_server_that_is_not_there_is_a_failure(clients: Clients, tmp_path: Path, waits: list[float]) -> None:
    osv = Osv(Surroundings({"server": "http://127.0.0.1:1"}, tmp_path, tmp_path / "own", clients))
    with pytest.raises(ScannerFailed, match=r"takes no connections|left alone"):
        osv.scan(target(tmp_path))
