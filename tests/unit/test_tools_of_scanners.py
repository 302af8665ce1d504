"""What scanners that rely on a tool share: `orbitalreg.interfaces.tools`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitalreg.errors import ConfigError, ScannerFailed
from orbitalreg.interfaces import ToolRun
from orbitalreg.interfaces.tools import TEXT, Named, Part, Table, Workplace, dated, read_json, report
from orbitalreg.model import Component, Database, Finding, ReportStatus, Staged, now
from orbitalreg.testing.targets import make_target

DAY = 86_400


def program(path: Path) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_program_is_that_of_the_table_or_else_of_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "path").mkdir()
    given, found = program(tmp_path / "given"), program(tmp_path / "path" / "tool")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert Table({"binary": "given"}, tmp_path).program("binary", "tool", "") == given
    assert Table({}, tmp_path).program("binary", "tool", "") == found
    found.unlink()
    table = Table({}, tmp_path)
    table.program("binary", "tool", "get it there")
    with pytest.raises(ConfigError, match="binary: there is no tool on the PATH; get it"):
        table.check()


def test_a_table_says_all_that_is_wrong_with_it(tmp_path: Path) -> None:
    table = Table({"deep": 1, "age": "soon", "place": 3, "binary": "absent", "other": 0}, tmp_path)
    assert table.flag("deep", False) is False
    assert table.seconds("age", "7d") == 7 * DAY
    assert table.path("place", tmp_path) == tmp_path
    table.program("binary", "tool", "get it")
    with pytest.raises(ConfigError) as refused:
        table.check()
    assert [problem.partition(":")[0] for problem in refused.value.problems] == [
        "deep", "age", "place", "binary", "other"
    ]  # fmt: skip


def test_what_is_absent_is_empty_and_what_is_of_another_kind_fails() -> None:
    part = read_json(b'{"text": "a\\n b", "null": null, "number": 7, "inner": {"a": {"b": "c"}}}', "tool")
    assert (part.text("text"), part.text("null"), part.text("none"), part.number("number")) == ("a b", "", "", 7)
    assert part.texts("none") == () and part.parts("none") == [] and part.part("none").text("none") == ""
    assert {name: inner.text("b") for name, inner in part.named("inner").items()} == {"a": "c"}
    for read in (part.texts, part.parts, part.part, part.text):
        with pytest.raises(ScannerFailed, match=r"tool\.number"):
            read("number")
    with pytest.raises(ScannerFailed, match=r"tool\.none is missing"):
        part.needed("none")


def test_a_text_is_bounded_and_can_be_kept() -> None:
    part = read_json(json.dumps({"long": "x" * 10_000, "half": "\ud800"}).encode(), "tool")
    assert len(part.text("long")) == TEXT
    assert part.text("half").encode() == b"?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-04-07T00:29:00Z", 1_554_596_940_000_000),
        ("2019-04-07T00:29:00.123456789Z", 1_554_596_940_123_456),
        ("2019-04-07", 1_554_595_200_000_000),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("soon", None),
        ("", None),
    ],
)
def test_instants(text: str, expected: int | None) -> None:
    assert Part({"at": text}, "tool").instant("at") == expected


@given(st.binary())
def test_any_bytes_are_read_or_refused(output: bytes) -> None:
    try:
        read_json(output, "tool")
    except ScannerFailed:
        return
    assert isinstance(json.loads(output), dict)


ZOPE = Component("zope-interface", "5.4+x", "pkg:pypi/zope-interface@5.4%2Bx", aliases=("zope.interface",))
SCOPED = Component("@scope/pad", "1", "pkg:npm/%40scope/pad@1", "deep/pad", True)


@pytest.mark.parametrize(
    ("purl", "named"),
    [
        ("pkg:pypi/zope-interface@5.4%2Bx", [ZOPE]),
        ("pkg:pypi/Zope.Interface@5.4+x?arch=any#sub", [ZOPE]),
        ("pkg:PyPI/zope-interface@5.4%2bx", [ZOPE]),
        ("pkg:npm/@scope/pad@1", [SCOPED]),
        ("pkg:npm/pad@1", []),
        ("pkg:pypi/zope-interface@5.4", []),
        ("pkg:pypi/zope-interface", []),
        ("zope-interface", []),
        ("", []),
    ],
)
def test_a_package_url_names_a_component_however_it_is_spelt(purl: str, named: Sequence[Component]) -> None:
    assert list(Named([ZOPE, SCOPED]).of(purl)) == named


@given(st.text())
def test_any_text_may_stand_for_a_package_url(text: str) -> None:
    assert Named([ZOPE, SCOPED]).seen([text]) in ((), (ZOPE.purl,), (SCOPED.purl,))


def told(seen: Sequence[str], database: Database | None, findings: Sequence[Finding] = ()) -> Any:
    return report("tool", "1", ZOPE, seen, findings, database, 7 * DAY)


def test_only_what_was_seen_with_a_young_database_is_ok() -> None:
    young, old = (Database("1", "d", now() - days * DAY * 1_000_000) for days in (6, 8))
    assert told([ZOPE.purl], young).status is ReportStatus.OK
    assert told([ZOPE.purl], None).status is ReportStatus.OK
    assert told([ZOPE.purl], old).status is told([ZOPE.purl], Database("1", "d")).status is ReportStatus.DB_STALE
    assert told([SCOPED.purl], young).status is told([], old).status is ReportStatus.NOT_SCANNED


def test_a_database_that_becomes_too_old_says_so_and_is_another_one() -> None:
    young, old = (Database("1", "d", now() - days * DAY * 1_000_000) for days in (6, 8))
    assert dated(young, 7 * DAY) == young and not young.is_stale
    for stale in (dated(old, 7 * DAY), dated(Database("1", "d"), 7 * DAY)):
        assert stale.is_stale and stale.digest != "d" and stale.version == "1"


def test_a_finding_that_comes_twice_is_told_once_for_each_place() -> None:
    first = Finding("CVE-1", "pad", "1", purl=SCOPED.purl, location="a")
    other = Finding("CVE-1", "pad", "1", purl=SCOPED.purl, location="b")
    assert told([ZOPE.purl], None, [first, other, first]).findings == (first, other)


def test_a_tool_is_at_home_within_the_target(tmp_path: Path) -> None:
    given: dict[str, Any] = {}

    def run(arguments: Sequence[str], **more: Any) -> ToolRun:
        given.update(more)
        return ToolRun(len(arguments) - 1, b"printed", b"first\nlast \xff\n")

    place = Workplace(make_target(Staged((ZOPE,)), tmp_path / "target", "", run))
    assert place.run(["tool"], {"MORE": "1"}) == b"printed"
    assert given["folder"] == place.folder and place.folder.parent == tmp_path / "target"
    assert given["environment"]["HOME"] == str(place.folder) and given["environment"]["MORE"] == "1"
    with pytest.raises(ScannerFailed, match="tool ended with 1: last "):
        place.run(["/usr/bin/tool", "more"])
    place.update(["tool", "more"])
    with pytest.raises(ScannerFailed, match=r"did not write its out\.json"):
        place.read("out.json")
