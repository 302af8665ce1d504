"""Judging names: what scanners say of versions that were never here, kept, asked once, and asked anew."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from scanner_plugin import SOURCE, waiting, watch, work

from orbitalreg.catalog import reports
from orbitalreg.model import Database, Report, ReportStatus, now
from orbitalreg.scanning import children, judging
from orbitalreg.scanning.queue import WATCH


@pytest.fixture
def judged(install: Callable[..., None], make_site: Callable[..., Any]) -> Callable[..., Any]:
    install("probe", SOURCE)
    return lambda *options: make_site("\n".join(["[plugins.probe]", *options]) + "\n")


def listed(site: Any) -> dict[str, tuple[ReportStatus, int, str]]:
    found = reports.listed(site.registry.catalog.read(), "toy", "ball")
    return {
        version: (one.status, len(one.findings), one.database.digest if one.database else "")
        for version, (one,) in found.items()
    }


def test_each_version_is_judged_once_and_what_is_no_version_is_left(judged: Any) -> None:
    site = judged('judges = "yes"')
    judge = site.registry.scanning.judge
    judge.ensure("toy", "ball", ["1", "6", "", "1"])
    assert listed(site) == {"1": (ReportStatus.OK, 0, "one"), "6": (ReportStatus.OK, 1, "one")}
    db = site.registry.catalog.read()
    assert reports.revision(db, "toy", "ball") == 1
    judge.ensure("toy", "ball", ["6", "1"])
    assert reports.revision(db, "toy", "ball") == 1, "what is judged is not asked again"
    judge.ensure("toy", "ball", ["6", "7"])
    assert set(listed(site)) == {"1", "6", "7"}


def test_a_scanner_that_needs_the_file_is_not_asked(judged: Any) -> None:
    site = judged()
    site.registry.scanning.judge.ensure("toy", "ball", ["1"])
    assert listed(site) == {}


@pytest.mark.parametrize("how", ["hang", "few"])
def test_a_scanner_that_fails_is_an_error_within_the_time_and_is_asked_again_later(
    how: str, judged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "SECONDS", 1.0)
    site = judged(f'judges = "{how}"')
    began = time.monotonic()
    site.registry.scanning.judge.ensure("toy", "ball", ["1", "2"])
    assert time.monotonic() - began < 20
    assert listed(site) == dict.fromkeys(("1", "2"), (ReportStatus.ERROR, 0, ""))
    site.registry.scanning.judge.ensure("toy", "ball", ["1", "2"])
    assert reports.revision(site.registry.catalog.read(), "toy", "ball") == 1
    site = judged('judges = "yes"')
    monkeypatch.setattr(judging, "AGAIN_SECONDS", 0)
    site.registry.scanning.judge.ensure("toy", "ball", ["1", "2"])
    assert listed(site) == dict.fromkeys(("1", "2"), (ReportStatus.OK, 0, "one"))


def test_a_page_that_a_scanner_failed_has_the_watch_come_round_at_once_and_a_rescan_has_not(
    judged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "SECONDS", 1.0)
    site = judged('judges = "few"')
    work(site)
    [(due, waits)] = watches(site)
    assert waits
    site.registry.scanning.judge.judge("probe", "toy", "ball", ["1"])
    assert watches(site) == [(due, True)], "else they would follow one another for ever"
    site.registry.scanning.judge.ensure("toy", "ball", ["2"])
    [(_, waits)] = watches(site)
    assert not waits


def watches(site: Any) -> list[tuple[int, bool]]:
    """When each is due, and whether it waits until then."""
    rows = site.registry.catalog.read().execute("SELECT due_at FROM job WHERE kind = ?", (WATCH,)).fetchall()
    return [(due, due > now()) for (due,) in rows]


def test_a_package_of_many_versions_is_asked_about_in_parts(judged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    site = judged('judges = "yes"')
    monkeypatch.setattr(children, "MAX_ANSWER", 6000)
    versions = [str(n) for n in range(100)]
    site.registry.scanning.judge.ensure("toy", "ball", versions)
    assert {version: status for version, (status, _, _) in listed(site).items()} == dict.fromkeys(
        versions, ReportStatus.OK
    )


def test_what_was_answered_before_a_failure_counts(judged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "AT_ONCE", 1)
    monkeypatch.setattr(judging, "SECONDS", 1.0)
    site = judged('judges = "until 7"')
    site.registry.scanning.judge.ensure("toy", "ball", ["6", "7", "8"])
    assert listed(site) == {
        "6": (ReportStatus.OK, 1, "one"),
        "7": (ReportStatus.ERROR, 0, ""),
        "8": (ReportStatus.ERROR, 0, ""),
    }


def test_a_scanner_that_fails_frees_nothing_that_it_found(judged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    judged('judges = "yes"').registry.scanning.judge.ensure("toy", "ball", ["1", "6"])
    monkeypatch.setattr(judging, "SECONDS", 1.0)
    site = judged('judges = "hang"')
    site.registry.scanning.judge.judge("probe", "toy", "ball", ["1", "6"])
    assert listed(site) == {"1": (ReportStatus.ERROR, 0, ""), "6": (ReportStatus.ERROR, 1, "")}


def test_a_changed_database_has_names_judged_anew(judged: Any, tmp_path: Any) -> None:
    (tmp_path / "db").write_text("one")
    site = judged('judges = "yes"', f'database = "{tmp_path}/db"')
    site.registry.scanning.judge.ensure("toy", "ball", ["1", "6"])
    work(site)
    assert {digest for _, _, digest in listed(site).values()} == {"one"}
    (tmp_path / "db").write_text("two")
    watch(site)
    assert listed(site) == {"1": (ReportStatus.OK, 0, "two"), "6": (ReportStatus.OK, 1, "two")}
    assert reports.revision(site.registry.catalog.read(), "toy", "ball") == 2


def test_what_cannot_be_judged_anew_holds_up_nothing_else(judged: Any) -> None:
    site = judged('judges = "yes"')
    former = Report("probe", ReportStatus.OK, (), database=Database("0", "zero"))
    with site.registry.catalog.write() as db:
        reports.put_listed(db, "gone", "ball", {"1": former})
        reports.put_listed(db, "toy", "apple", {"no version at all": former})
        reports.put_listed(db, "toy", "ball", {"6": former})
        reports.put_listed(db, "toy", "kite", {"6": former})
    watch(site)
    db = site.registry.catalog.read()
    for package in ("ball", "kite"):
        [found] = reports.listed(db, "toy", package)["6"]
        assert (found.database.digest, len(found.findings)) == ("one", 1)
    assert waiting(site, "rescan.probe") == []
