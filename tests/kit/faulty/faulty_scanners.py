"""Scanners with one fault each; `FAULTS` says which tests of the contract must find it."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from orbitalreg_toy_scanner import ToyScanner

from orbitalreg.errors import ConfigError
from orbitalreg.interfaces import Scanner, Target, Tool
from orbitalreg.model import Component, Database, Finding, Report, ReportStatus, Scan


class Misnamed(ToyScanner):
    """Has a name that can stand nowhere."""

    name = "Toy Scanner"


class Aimless(ToyScanner):
    """Looks for nothing."""

    capabilities = frozenset()


class Writing(ToyScanner):
    """Writes when it is made."""

    def __init__(self, surroundings: Any) -> None:
        super().__init__(surroundings)
        surroundings.folder.mkdir(exist_ok=True)


class Trying(ToyScanner):
    """Tries its tool when it is made."""

    def __init__(self, surroundings: Any) -> None:
        super().__init__(surroundings)
        subprocess.run([self._tool, "/dev/null"], capture_output=True)


class Unchecking(ToyScanner):
    """Takes any table."""

    def __init__(self, surroundings: Any) -> None:
        options = {key: surroundings.options[key] for key in ("recalls", "tool") if key in surroundings.options}
        super().__init__(replace(surroundings, options={key: str(value) for key, value in options.items()}))


class Unhelpful(ToyScanner):
    """Does not say how to get its tool."""

    def __init__(self, surroundings: Any) -> None:
        if shutil.which(surroundings.options.get("tool", "shaker")) is None:
            raise ConfigError(["tool: not found"])
        super().__init__(surroundings)


class Baseless(ToyScanner):
    """Takes an absent list for an empty one."""

    def _read(self) -> Any:
        return super()._read() if self._recalls.exists() else (Database("0", "0"), {})


class Restless(ToyScanner):
    """Has another digest each time."""

    asked = 0

    def database(self) -> Database:
        Restless.asked += 1
        return replace(super().database(), digest=f"{Restless.asked}")


class Growing(ToyScanner):
    """Has another version each time."""

    asked = 0

    @property
    def version(self) -> str:
        Growing.asked += 1
        return f"{Growing.asked}"


class _Changing(ToyScanner):
    """Says something else in the place of what is right."""

    def change(self, report: Report) -> Any:
        return report

    def scan(self, target: Target) -> Scan:
        scan = super().scan(target)
        return replace(scan, report=self.change(scan.report))

    def judge(self, components: Sequence[Component]) -> Sequence[Report]:
        return [self.change(report) for report in super().judge(components)]


class _ChangingFindings(_Changing):
    def change(self, report: Report) -> Report:
        return replace(report, findings=tuple(map(self.found, report.findings)))

    def found(self, finding: Finding) -> Finding:
        raise NotImplementedError


class Overlooking(_Changing):
    """Finds nothing."""

    def change(self, report: Report) -> Report:
        return replace(report, findings=())


class Unproven(_Changing):
    """Does not prove what it saw."""

    def change(self, report: Report) -> Report:
        return replace(report, packages_seen=())


class Clean(_Changing):
    """Calls clean what it did not recognise."""

    def change(self, report: Report) -> Report:
        return replace(report, status=ReportStatus.OK, reason=None)


class Reasonless(_Changing):
    """Does not say why it did not look."""

    def change(self, report: Report) -> Report:
        return replace(report, reason=None)


class Renaming(_ChangingFindings):
    """Names packages as it likes."""

    def found(self, finding: Finding) -> Finding:
        return replace(finding, package=finding.package.title())


class Imagining(_Changing):
    """Has seen packages that were not there."""

    def change(self, report: Report) -> Report:
        return replace(report, packages_seen=(*report.packages_seen, "pkg:toy/doll@1"))


class Numbering(_ChangingFindings):
    """Has numbers of its own for severities."""

    def found(self, finding: Finding) -> Finding:
        return replace(finding, severity=7)  # type: ignore[arg-type]


class InSeconds(_ChangingFindings):
    """Counts in seconds."""

    def found(self, finding: Finding) -> Finding:
        return replace(finding, published_at=1_700_000_000)


class Repeating(_Changing):
    """Finds everything twice."""

    def change(self, report: Report) -> Report:
        return replace(report, findings=report.findings * 2)


class Listing(_ChangingFindings):
    """Has lists where the model has tuples."""

    def found(self, finding: Finding) -> Finding:
        return replace(finding, aliases=list(finding.aliases))  # type: ignore[arg-type]

    def change(self, report: Report) -> Report:
        return replace(super().change(report), packages_seen=list(report.packages_seen))  # type: ignore[arg-type]


class HalfACharacter(_ChangingFindings):
    """Takes whatever text there is."""

    def found(self, finding: Finding) -> Finding:
        return replace(finding, title="\ud800")


class Anonymous(_Changing):
    """Does not say whose report it is."""

    def change(self, report: Report) -> Report:
        return replace(report, scanner="")


class Undated(_Changing):
    """Does not say what it judged by."""

    def change(self, report: Report) -> Report:
        return replace(report, database=None)


class Outdated(_Changing):
    """Its reports are of another version than it tells."""

    def change(self, report: Report) -> Report:
        return replace(report, scanner_version="0")


class Lagging(_Changing):
    """Its reports are of another version than its tool tells."""

    version = ""

    @property
    def tool(self) -> Tool:
        return Tool(Path(self._tool), ("/dev/null",))


class Promising(ToyScanner):
    """Promises a bill of materials."""

    def scan(self, target: Target) -> Scan:
        return replace(super().scan(target), documents={})


class Remembering(ToyScanner):
    """Finds once what it finds."""

    told: ClassVar[set[tuple[Path, str]]] = set()

    def scan(self, target: Target) -> Scan:
        scan: Scan = super().scan(target)
        place = self._recalls, target.sha256
        is_told = place in self.told
        self.told.add(place)
        return replace(scan, report=replace(scan.report, findings=())) if is_told else scan


class Littering(ToyScanner):
    """Leaves a log at home."""

    def scan(self, target: Target) -> Scan:
        (Path.home() / "toys.log").write_text(target.filename)
        return super().scan(target)


class Tidying(ToyScanner):
    """Writes beside its database."""

    def scan(self, target: Target) -> Scan:
        self._recalls.with_suffix(".idx").write_text(target.filename)
        return super().scan(target)


class Trusting(ToyScanner):
    """Takes silence for a proof."""

    def scan(self, target: Target) -> Scan:
        done = target.run([self._tool, str(target.bom)])
        report = self.judge([target.component])[0]
        return Scan(report, done.stdout, {"toybom": b"{}"})


class Stumbling(ToyScanner):
    """Fails in its own words on what its tool says."""

    def scan(self, target: Target) -> Scan:
        done = target.run([self._tool, str(target.bom)])
        json.loads(done.stdout)["shaken"]
        return super().scan(target)


class OnItsOwn(ToyScanner):
    """Runs its tool itself."""

    def scan(self, target: Target) -> Scan:
        subprocess.run([self._tool, target.bom], capture_output=True)
        return super().scan(target)


class Hasty(ToyScanner):
    """Judges names by less than it does files."""

    def judge(self, components: Sequence[Component]) -> Sequence[Report]:
        return [replace(report, findings=report.findings[:1]) for report in super().judge(components)]


class Sorting(ToyScanner):
    """Judges names in an order of its own."""

    def judge(self, components: Sequence[Component]) -> Sequence[Report]:
        return super().judge(sorted(components, key=lambda component: component.purl))  # type: ignore[no-any-return]


CONTROL = "test_its_name_is_one"
GOOD = "test_a_good_target_is_seen_and_what_is_known_of_it_is_found"
VOUCHES = "test_it_vouches_for_nothing_that_it_did_not_see"
UNKNOWN = "test_what_it_cannot_recognise_is_not_scanned"
OF_TARGET = "test_what_was_seen_and_found_is_of_the_targets_components"
SAY = "test_findings_say_what_they_are"
PLAIN = "test_a_scan_is_made_of_plain_values"
REPORT = "test_a_report_names_the_scanner_and_its_database"
TOOL = "test_a_tool_that_fails_is_never_a_clean_file"
OUTSIDE = "test_it_writes_in_its_own_folder_and_the_targets_alone"
JUDGES = "test_it_judges_names_as_it_judges_files"

FAULTS: dict[type[Scanner], list[str]] = {
    Misnamed: [CONTROL],
    Aimless: ["test_it_says_what_it_looks_for"],
    Writing: ["test_making_one_changes_nothing_and_asks_nobody"],
    Trying: ["test_making_one_starts_no_program"],
    Unchecking: ["test_a_faulty_table_is_a_config_error_with_its_keys"],
    Unhelpful: ["test_a_missing_tool_is_a_config_error_that_says_how_to_get_it"],
    Baseless: ["test_without_its_database_it_says_how_to_get_one"],
    Restless: ["test_its_database_has_a_version_and_a_digest_and_keeps_them"],
    Growing: ["test_its_version_is_always_the_same"],
    Outdated: ["test_its_version_is_always_the_same"],
    Lagging: ["test_its_reports_are_of_the_version_that_its_tool_tells"],
    Overlooking: [GOOD],
    Unproven: [GOOD, VOUCHES],
    Clean: [UNKNOWN, VOUCHES],
    Reasonless: [UNKNOWN],
    Renaming: [OF_TARGET],
    Imagining: [OF_TARGET],
    Numbering: [SAY],
    InSeconds: [SAY],
    Repeating: ["test_nothing_is_found_twice"],
    Listing: [PLAIN],
    HalfACharacter: [PLAIN],
    Anonymous: [REPORT],
    Undated: [REPORT],
    Promising: ["test_an_sbom_is_brought_by_who_promises_one"],
    Remembering: ["test_it_finds_the_same_again"],
    Littering: [OUTSIDE],
    Tidying: [OUTSIDE],
    Trusting: [TOOL],
    Stumbling: [TOOL],
    OnItsOwn: [TOOL],
    Hasty: [JUDGES],
    Sorting: [JUDGES],
}
