"""The contract of a scanner.

The author gives what the scanner recognises and what it must find there, and what it cannot recognise: so that a
scanner that looked at nothing cannot call it clean.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

from orbitalreg.errors import ConfigError, ScannerFailed
from orbitalreg.interfaces import Capability, Clients, Runner, Scanner, Target, Tool, ToolRun
from orbitalreg.interfaces.tools import version_of
from orbitalreg.model import Component, Database, Finding, Report, ReportStatus, Scan, Severity, Staged, now
from orbitalreg.testing.checks import is_json, is_plain
from orbitalreg.testing.surrounded import SurroundedContract, files, no_clients
from orbitalreg.testing.targets import make_target, run_tool

FINDING = frozenset({Capability.VULNERABILITY, Capability.MALWARE, Capability.LICENSE})
STRANGER = Staged((Component("nothing", "0", "pkg:generic/nothing@0"),))
DAMAGED = (b"", b"\0" * 100, b"\xff\xfe\xfd", b"[" * 100_000, b"Name: " + b"x" * (1 << 20), b"\n\n: :\n")
EARLIEST = 100_000_000_000_000
"""In 1973: what is smaller was meant to be seconds."""

MakeTarget = Callable[..., Target]


@dataclass(frozen=True)
class GoodTarget:
    """What a scanner recognises. `finds` are ids, or aliases, of what it must find: nothing where there are none.

    `staged` is what the adapter's `stage` returns of such a file.
    """

    staged: Staged
    finds: Sequence[str] = ()
    filename: str = ""


@dataclass(frozen=True)
class Lacking:
    """A table under which something is missing, and a part of the words that say how to get it."""

    options: Mapping[str, Any]
    says: str


@dataclass(frozen=True)
class ScannerUnderTest:
    """What the fixture `subject` returns: the class, its table, and what it is shown.

    `base` is what relative paths in the tables are relative to; what the tables name is there already. `unknown` is
    what the scanner cannot recognise. `without_tool` is for a scanner that relies on a program: the test sees to it
    that there is none on the path. `without_database` is for one whose database is not there yet. `run` runs tools:
    one that replays what the real tool printed, or the kit's own, which runs it. Raises `ValueError` where there is
    too little to show anything.
    """

    cls: type[Scanner]
    base: Path
    options: Mapping[str, Any]
    bad_options: Sequence[Mapping[str, Any]]
    good: Sequence[GoodTarget]
    unknown: Sequence[Staged]
    without_tool: Lacking | None = None
    without_database: Lacking | None = None
    run: Runner = run_tool
    clients: Clients = no_clients

    def __post_init__(self) -> None:
        if not self.good or not self.unknown:
            raise ValueError("good, unknown: give at least 1 of each")
        if self.cls.capabilities & FINDING and not any(good.finds for good in self.good):
            raise ValueError("good: give at least 1 in which something is found")


class BaseScannerContract(SurroundedContract[Scanner]):
    """Subclass it as `Test...` and override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> ScannerUnderTest:
        raise NotImplementedError("override the fixture `subject`: return a ScannerUnderTest")

    @pytest.fixture
    def target(self, subject: ScannerUnderTest, tmp_path_factory: pytest.TempPathFactory) -> MakeTarget:
        """Lays out what is staged in a folder of its own, as the host does."""

        def target(staged: Staged, run: Runner = subject.run, filename: str = "") -> Target:
            return make_target(staged, tmp_path_factory.mktemp("target"), filename, run)

        return target

    @pytest.fixture
    def scans(self, subject: ScannerUnderTest, instance: Scanner, target: MakeTarget) -> list[tuple[GoodTarget, Scan]]:
        """What was brought back from each good target."""
        return [(good, instance.scan(target(good.staged, filename=good.filename))) for good in subject.good]

    # How it is made

    def test_it_says_what_it_looks_for(self, instance: Scanner, subject: ScannerUnderTest) -> None:
        assert subject.cls.capabilities and all(type(found) is Capability for found in subject.cls.capabilities)
        assert type(instance.deep) is bool and type(instance.judges_names) is bool
        assert type(subject.cls.vendor) is str

    def test_making_one_starts_no_program(
        self, subject: ScannerUnderTest, make: Callable[[Mapping[str, Any]], Scanner], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The server makes one at each start, to check the table."""
        monkeypatch.setattr(subprocess, "Popen", _no_program)
        make(subject.options)

    def test_a_missing_tool_is_a_config_error_that_says_how_to_get_it(
        self,
        subject: ScannerUnderTest,
        make: Callable[[Mapping[str, Any]], Scanner],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        if subject.without_tool is None:
            pytest.skip("it relies on no tool")
        monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))
        with pytest.raises(ConfigError) as refused:
            make(subject.without_tool.options)
        assert all(is_plain(problem) and ": " in problem for problem in refused.value.problems)
        assert subject.without_tool.says in str(refused.value)

    # What it judges by

    def test_without_its_database_it_says_how_to_get_one(
        self, subject: ScannerUnderTest, make: Callable[[Mapping[str, Any]], Scanner], target: MakeTarget
    ) -> None:
        if subject.without_database is None:
            pytest.skip("it has a database always, or needs none")
        lacking = make(subject.without_database.options)
        with pytest.raises(ScannerFailed) as refused:
            lacking.database()
        assert is_plain(str(refused.value)) and subject.without_database.says in str(refused.value)
        for good in subject.good:
            assert not _has_looked(lacking, target(good.staged))

    def test_its_database_has_a_version_and_a_digest_and_keeps_them(
        self, subject: ScannerUnderTest, instance: Scanner, make: Callable[[Mapping[str, Any]], Scanner]
    ) -> None:
        """A digest that changes has every file scanned again."""
        database = instance.database()
        assert database == instance.database() == make(subject.options).database()
        if database is not None:
            assert type(database) is Database
            assert type(database.version) is str and type(database.digest) is str and database.digest
            assert database.built_at is None or _is_time(database.built_at)

    def test_its_version_is_always_the_same(
        self,
        instance: Scanner,
        scans: Sequence[tuple[GoodTarget, Scan]],
        make: Callable[[Mapping[str, Any]], Scanner],
        subject: ScannerUnderTest,
    ) -> None:
        """Another version has every file scanned again; reports name the one that it tells."""
        assert type(instance.version) is str and instance.version.isprintable()
        assert instance.version == make(subject.options).version
        for _, scan in scans:
            assert not instance.version or scan.report.scanner_version in ("", instance.version)

    def test_its_reports_are_of_the_version_that_its_tool_tells(
        self,
        subject: ScannerUnderTest,
        instance: Scanner,
        scans: Sequence[tuple[GoodTarget, Scan]],
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        """The host asks the tool, by `run`, where the scanner has no version of its own."""
        if instance.tool is None:
            pytest.skip("its version is no tool's")
        assert type(instance.tool) is Tool and instance.tool.program.is_absolute()
        told = instance.version or version_of(instance.tool, subject.run, tmp_path_factory.mktemp("asked"))
        for _, scan in scans:
            assert scan.report.scanner_version in ("", told)

    # What it brings back

    def test_a_good_target_is_seen_and_what_is_known_of_it_is_found(
        self, scans: Sequence[tuple[GoodTarget, Scan]]
    ) -> None:
        for good, scan in scans:
            report = scan.report
            assert report.status is ReportStatus.OK, report.reason
            assert good.staged.components[0].purl in report.packages_seen
            known = {name for finding in report.findings for name in (finding.id, *finding.aliases)}
            assert set(good.finds) <= known
            assert good.finds or not known, "nothing was to be found"

    def test_what_it_cannot_recognise_is_not_scanned(
        self, subject: ScannerUnderTest, instance: Scanner, target: MakeTarget
    ) -> None:
        for unknown in subject.unknown:
            report = instance.scan(target(unknown)).report
            assert report.status is ReportStatus.NOT_SCANNED
            assert not report.packages_seen and report.reason and report.reason.isprintable()

    def test_it_vouches_for_nothing_that_it_did_not_see(
        self, subject: ScannerUnderTest, instance: Scanner, target: MakeTarget
    ) -> None:
        """Neither for a stranger, nor where what is staged is damaged."""
        assert _is_seen_or_silent(instance, target(STRANGER))
        for good in subject.good:
            for body in DAMAGED:
                damaged = replace(good.staged, documents=dict.fromkeys(good.staged.documents, body))
                assert _is_seen_or_silent(instance, target(damaged)), body[:20]

    def test_what_was_seen_and_found_is_of_the_targets_components(
        self, scans: Sequence[tuple[GoodTarget, Scan]]
    ) -> None:
        for good, scan in scans:
            components = [replace(component, aliases=()) for component in good.staged.components]
            assert {component.purl for component in components} >= set(scan.report.packages_seen)
            for finding in scan.report.findings:
                assert _component(finding) in components, f"{finding.id} is of something else"

    def test_findings_say_what_they_are(self, scans: Sequence[tuple[GoodTarget, Scan]]) -> None:
        for _, scan in scans:
            for finding in scan.report.findings:
                assert type(finding.severity) is Severity
                assert finding.id.strip() == finding.id != "" and finding.id.isprintable()
                assert finding.id not in finding.aliases and len(set(finding.aliases)) == len(finding.aliases)
                assert finding.fixed_in is None or (finding.fixed_in and finding.fixed_in != finding.version)
                assert finding.cvss is None or re.fullmatch(r"[!-~]+:[!-~]+/[!-~]+", finding.cvss)
                assert all(re.match("https?://", link) for link in finding.links)
                assert finding.published_at is None or _is_time(finding.published_at)

    def test_nothing_is_found_twice(self, scans: Sequence[tuple[GoodTarget, Scan]]) -> None:
        for _, scan in scans:
            found = [(finding.id, finding.purl, finding.location) for finding in scan.report.findings]
            assert len(found) == len(set(found))
            assert len(scan.report.packages_seen) == len(set(scan.report.packages_seen))

    def test_a_scan_is_made_of_plain_values(self, scans: Sequence[tuple[GoodTarget, Scan]]) -> None:
        """It leaves the scanner's process as JSON, and is kept as UTF-8."""
        for _, scan in scans:
            assert type(scan) is Scan and type(scan.report) is Report
            assert type(scan.raw) is bytes and all(type(body) is bytes for body in scan.documents.values())
            assert all(re.fullmatch("[a-z][a-z0-9-]*", kind) for kind in scan.documents)
            told = _as_json(scan.report)
            assert is_json(told)
            assert json.loads(json.dumps(told, ensure_ascii=False).encode()) == told

    def test_a_report_names_the_scanner_and_its_database(
        self, instance: Scanner, scans: Sequence[tuple[GoodTarget, Scan]]
    ) -> None:
        """A report of another database than the scanner's has its file scanned again."""
        for _, scan in scans:
            assert scan.report.scanner == instance.name
            assert scan.report.database == instance.database()

    def test_an_sbom_is_brought_by_who_promises_one(
        self, subject: ScannerUnderTest, scans: Sequence[tuple[GoodTarget, Scan]]
    ) -> None:
        for _, scan in scans:
            assert (Capability.SBOM in subject.cls.capabilities) == bool(scan.documents)

    # How it behaves

    def test_it_finds_the_same_again(
        self,
        subject: ScannerUnderTest,
        scans: Sequence[tuple[GoodTarget, Scan]],
        make: Callable[[Mapping[str, Any]], Scanner],
        target: MakeTarget,
    ) -> None:
        """A scan that was lost is run again, by another process, among others."""
        other = make(subject.options)
        for good, scan in reversed(scans):
            again = other.scan(target(good.staged, filename=good.filename))
            assert replace(again.report, scanned_at=0) == replace(scan.report, scanned_at=0)
            assert again.documents.keys() == scan.documents.keys()

    def test_it_writes_in_its_own_folder_and_the_targets_alone(
        self,
        subject: ScannerUnderTest,
        make: Callable[[Mapping[str, Any]], Scanner],
        target: MakeTarget,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        home = tmp_path_factory.mktemp("home")
        before = _outside(subject.base)
        targets = [target(staged) for staged in (*(good.staged for good in subject.good), *subject.unknown)]
        for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            monkeypatch.setenv(name, str(home))
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.chdir(home)
        instance = make(subject.options)
        instance.database()
        for each in targets:
            instance.scan(each)
        assert files(home) == {}
        assert _outside(subject.base) == before

    def test_a_tool_that_fails_is_never_a_clean_file(
        self, subject: ScannerUnderTest, instance: Scanner, target: MakeTarget, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is run by `target.run` alone, which knows how to end it. What it says is checked: no tool fails on what
        it did not recognise. Only `ScannerFailed` is raised.
        """
        monkeypatch.setattr(subprocess, "Popen", _no_program)
        for good in subject.good:
            for fault in FAULTS:
                asked: list[Sequence[str]] = []
                target_of_fault = target(good.staged, _run_of(fault, asked))
                assert not (_has_looked(instance, target_of_fault) and asked), f"the tool ended with {fault}"

    def test_it_judges_names_as_it_judges_files(
        self, subject: ScannerUnderTest, instance: Scanner, target: MakeTarget
    ) -> None:
        """By a package's name and version it says what it says of the file."""
        if not instance.judges_names:
            pytest.skip("it must see the file")
        stageds = [*(good.staged for good in subject.good), *subject.unknown]
        components = [staged.components[0] for staged in stageds]
        reports = list(instance.judge(components))
        assert [instance.judge([component])[0] for component in components] == reports
        assert list(instance.judge(components[::-1])) == reports[::-1]
        for staged, report in zip(stageds, reports, strict=True):
            assert not report.status.has_looked or staged.components[0].purl in report.packages_seen
            assert _verdict(report) == _verdict(instance.scan(target(staged)).report)


FAULTS: tuple[ToolRun | ScannerFailed, ...] = (
    ScannerFailed("the tool was ended: it took too long"),
    ToolRun(1, b"", b"fatal"),
    ToolRun(-9, b"", b""),
    ToolRun(0, b"", b""),
    ToolRun(0, b"{}", b""),
    ToolRun(0, b"[]", b""),
    ToolRun(0, b"null", b""),
    ToolRun(0, b"\xff\xfe", b""),
    ToolRun(0, b"[" * 100_000, b""),
)


def _run_of(fault: ToolRun | ScannerFailed, asked: list[Sequence[str]]) -> Runner:
    def run(arguments: Sequence[str], **_: object) -> ToolRun:
        asked.append(arguments)
        if isinstance(fault, ScannerFailed):
            raise fault
        return fault

    return run


def _no_program(*arguments: object, **_: object) -> Any:
    raise AssertionError(f"a program is started: {arguments}")


def _has_looked(scanner: Scanner, target: Target) -> bool:
    """Whether it says that it did; raising `ScannerFailed`, it says that it did not."""
    try:
        return scanner.scan(target).report.status.has_looked
    except ScannerFailed:
        return False


def _is_seen_or_silent(scanner: Scanner, target: Target) -> bool:
    try:
        report = scanner.scan(target).report
    except ScannerFailed:
        return True
    return target.component.purl in report.packages_seen or not report.status.has_looked


def _component(finding: Finding) -> Component:
    return Component(finding.package, finding.version, finding.purl, finding.location, finding.is_bundled)


def _verdict(report: Report) -> tuple[object, ...]:
    """What is said of the file's own package."""
    own = frozenset(finding for finding in report.findings if not finding.is_bundled)
    return report.scanner, report.status, own, report.database


def _as_json(value: object) -> object:
    """As the host writes it; a list in the place of a tuple, or a class of the plugin's own, becomes no JSON."""
    if type(value) in (Report, Finding, Database):
        return {field.name: _as_json(getattr(value, field.name)) for field in fields(value)}  # type: ignore[arg-type]
    if type(value) is tuple:
        return [_as_json(item) for item in value]
    if type(value) in (list, dict):
        return (value,)
    return str(value) if type(value) in (Severity, ReportStatus) else value


def _is_time(value: object) -> bool:
    """Whether it can be when something became known, in microseconds."""
    return type(value) is int and EARLIEST < value <= now()


def _outside(base: Path) -> dict[str, bytes]:
    return {path: body for path, body in files(base).items() if path.split("/")[0] != "own"}
