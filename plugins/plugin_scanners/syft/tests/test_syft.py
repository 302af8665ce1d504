"""What the plugin makes of Syft's output, and how it runs it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from orbitalreg_syft.plugin import Syft

from orbitalreg.errors import ScannerFailed
from orbitalreg.interfaces import Surroundings, ToolRun
from orbitalreg.interfaces.tools import version_of
from orbitalreg.model import Component, ReportStatus, Scan, Staged
from orbitalreg.testing.targets import make_target, run_tool

CASE = "jinja2-2.10"
Install = Callable[[Path], Mapping[str, Any]]


@pytest.fixture
def scan(tmp_path: Path, recorded: Any, installed: Install) -> Callable[..., Scan]:
    """Scans jinja2, where Syft writes what was recorded but for what is given."""
    options = installed(tmp_path)
    made = Syft(Surroundings(options, tmp_path, tmp_path / "own", lambda *_: None))  # type: ignore[arg-type, return-value]

    def scan(staged: Staged | None = None, **written: bytes) -> Scan:
        def run(arguments: Sequence[str], **more: Any) -> ToolRun:
            for name in ("cyclonedx", "spdx"):
                body = written.get(name, recorded.output(CASE, f"{name}.json"))
                (more["folder"] / f"{name}.json").write_bytes(body)
            return ToolRun(0, b"", b"")

        return made.scan(make_target(staged or recorded.cases[CASE], tmp_path / "target", "", run))

    return scan


def test_the_documents_are_as_syft_wrote_them(scan: Callable[..., Scan], recorded: Any) -> None:
    found = scan()
    assert found.documents == {name: recorded.output(CASE, f"{name}.json") for name in ("cyclonedx", "spdx")}
    assert found.raw == found.documents["cyclonedx"]
    assert found.report.findings == () and found.report.scanner_version == "1.18.1"


def test_a_name_and_a_version_as_their_author_spells_them_are_recognised(
    scan: Callable[..., Scan], recorded: Any
) -> None:
    def spelt(name: str) -> bytes:
        body: bytes = recorded.output(CASE, f"{name}.json")
        return body.replace(b"pkg:pypi/jinja2@2.10", b"pkg:pypi/Jin.Ja2@2.10.0-RC1")

    own = Component("jin-ja2", "2.10rc1", "pkg:pypi/jin-ja2@2.10rc1")
    found = scan(Staged((own,)), cyclonedx=spelt("cyclonedx"), spdx=spelt("spdx"))
    assert found.report.status is ReportStatus.OK and found.report.packages_seen == (own.purl,)


@pytest.mark.parametrize("kind", ["cyclonedx", "spdx"])
def test_what_is_in_one_document_alone_is_not_seen(kind: str, scan: Callable[..., Scan], recorded: Any) -> None:
    body: bytes = recorded.output(CASE, f"{kind}.json")
    found = scan(**{kind: body.replace(b"pkg:pypi/jinja2@2.10", b"pkg:pypi/requests@2.10")})
    assert found.report.status is ReportStatus.NOT_SCANNED
    assert found.report.packages_seen == () and found.documents == {}


@pytest.mark.parametrize("kind", ["cyclonedx", "spdx"])
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"bomFormat": 7, "spdxVersion": 7}']
)
def test_what_is_no_bill_of_materials_is_a_failure(kind: str, body: bytes, scan: Callable[..., Scan]) -> None:
    with pytest.raises(ScannerFailed, match="syft"):
        scan(**{kind: body})


def test_it_stays_off_the_network_and_looks_at_what_is_staged_alone(
    tmp_path: Path, recorded: Any, installed: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com")
    told: dict[str, Any] = {}

    def run(arguments: Sequence[str], **more: Any) -> ToolRun:
        told.update(more, arguments=arguments)
        done: ToolRun = recorded.run(arguments, **more)
        return done

    made = Syft(Surroundings(installed(tmp_path), tmp_path, tmp_path / "own", lambda *_: None))  # type: ignore[arg-type, return-value]
    target = make_target(recorded.cases[CASE], tmp_path / "target")
    made.scan(replace(target, run=run))
    assert told["environment"]["SYFT_CHECK_FOR_APP_UPDATE"] == "false" and "HTTPS_PROXY" not in told["environment"]
    assert f"dir:{tmp_path / 'target'}" in told["arguments"]
    assert json.loads(recorded.output(CASE, "cyclonedx.json"))["specVersion"] == "1.6"


def test_its_version_is_that_of_the_program_that_is_there_now(tmp_path: Path, installed: Install) -> None:
    scanner = Syft(Surroundings(installed(tmp_path), tmp_path, tmp_path / "own", lambda *_: None))  # type: ignore[arg-type, return-value]
    for number in ("0.99.1", "0.100.0"):
        (tmp_path / "syft").write_text(f"#!/bin/sh\n[ $* = --version ] && echo 'syft {number}'\n")
        assert version_of(scanner.tool, run_tool, tmp_path) == number
