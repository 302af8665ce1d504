"""Policies in governed sources: what pages show, what is refused, whose policies count, and when it is judged anew."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fake_sources import TOY, FakeKnown, FakeSource, guard, local, remote, virtual

from orbitalreg.catalog import Catalog, reports
from orbitalreg.config import RepositorySettings
from orbitalreg.errors import NotFound, UpstreamFailed, Withheld
from orbitalreg.findings import Exposure, Hop, vulnerabilities
from orbitalreg.model import Database, File, Finding, Listing, Report, ReportStatus, Severity, Status, StatusName
from orbitalreg.policy import Action, Judgement, Policy, PolicyException, Scope, Show
from orbitalreg.scanning.known import KnownReports
from orbitalreg.sources.explaining import explain
from orbitalreg.sources.governed import ASKED_AGAIN, Governance, GovernedSource
from orbitalreg.sources.policing import Attached
from orbitalreg.sources.raw import RawSource
from orbitalreg.sources.rules import Rules

DAY = 86_400_000_000
NOON = 20_000 * DAY
GATE = Policy("gate", severity=Severity.HIGH)
HOLE = Finding("CVE-1", "ball", "1.0", Severity.HIGH, fixed_in="1.1")
TOLD = "blocked by policy gate: CVE-1 (high) in ball 1.0, fixed in 1.1"


class FakeExposed:
    """What versions are exposed to, by repository id and package; it counts what is asked."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], dict[str, tuple[Exposure, ...]]] = {}
        self.asked: list[str] = []
        self._number = 0

    def put(self, source: RawSource, package: str, version: str, *exposures: Exposure) -> None:
        self._number += 1
        self.found.setdefault((source.repository.id, package), {})[version] = exposures

    def revision(self, repository_id: str, package: str) -> str:
        self.asked.append("revision")
        return str(self._number)

    def of(self, repository_id: str, package: str) -> Mapping[str, tuple[Exposure, ...]]:
        self.asked.append("of")
        return self.found.get((repository_id, package), {})


class World:
    def __init__(self, data: Path) -> None:
        self.catalog = Catalog(data)
        self.instant = NOON
        self.known: Any = FakeKnown()
        self.exposed = FakeExposed()
        self.policies: dict[str, list[Attached]] = {}
        self.rules: dict[str, Rules] = {}

    def attach(self, source: RawSource, *policies: Policy) -> None:
        address = source.repository.address
        self.policies.setdefault(source.repository.id, []).extend(Attached(address, one) for one in policies)

    def rule(self, source: RawSource, **keys: Any) -> None:
        settings = RepositorySettings(format="toy", kind=source.repository.kind, **keys)
        self.rules[source.repository.id] = Rules.of(source.repository, settings, TOY.normalize)

    def governed(self, raw: RawSource) -> GovernedSource:
        governance = Governance(
            self.catalog,
            self.rules,
            self.policies,
            self.known,
            frozenset(["eye"]),
            lambda: self.instant,
            exposed=self.exposed,
        )
        return GovernedSource(raw, TOY, governance)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def balls(source: FakeSource) -> FakeSource:
    source.put("ball", "1.0")
    source.put("ball", "1.1")
    return source


def filenames(source: GovernedSource, package: str = "ball") -> list[str]:
    return [file.filename for file in source.listing(package).files]


def refusal(source: GovernedSource, filename: str = "ball@1.0.toy", package: str = "ball") -> str:
    with pytest.raises(Withheld) as caught:
        source.file(package, filename)
    return str(caught.value)


@pytest.mark.parametrize("make", [local, remote])
def test_a_blocked_file_is_absent_and_refused_and_comes_back_with_its_cause_gone(world: World, make: Any) -> None:
    raw = balls(make())
    world.attach(raw, GATE)
    source = world.governed(raw)
    before = source.revision("ball")
    world.known.put("ball", "ball@1.0.toy", HOLE)
    assert filenames(source) == ["ball@1.1.toy"]
    assert refusal(source) == TOLD
    assert source.revision("ball") != before
    assert source.listing("ball").withheld["ball@1.0.toy"].by == str(raw.repository.address)
    world.known.put("ball", "ball@1.0.toy")
    assert (filenames(source), source.revision("ball")) == (["ball@1.0.toy", "ball@1.1.toy"], before)
    assert source.file("ball", "ball@1.0.toy").filename == "ball@1.0.toy"


def test_where_scanners_name_several_versions_as_mended_the_greatest_is_told(world: World) -> None:
    raw = balls(local())
    world.attach(raw, GATE)
    world.known.put("ball", "ball@1.0.toy", HOLE)
    world.known.put("ball", "ball@1.0.toy", replace(HOLE, fixed_in="1.10"), scanner="other")
    assert refusal(world.governed(raw)) == TOLD.replace("1.1", "1.10")


def test_it_can_be_shown_as_yanked_with_the_reason_and_is_refused_all_the_same(world: World) -> None:
    raw = balls(local())
    world.attach(raw, replace(GATE, show=Show.YANKED))
    world.known.put("ball", "ball@1.0.toy", HOLE)
    source = world.governed(raw)
    assert {file.filename: file.yanked for file in source.listing("ball").files} == {
        "ball@1.0.toy": TOLD,
        "ball@1.1.toy": None,
    }
    assert source.listing("ball").withheld == {}
    assert refusal(source) == TOLD


def test_a_warning_is_shown_and_told_of_and_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    raw = balls(local())
    world.attach(raw, replace(GATE, action=Action.WARN))
    world.known.put("ball", "ball@1.0.toy", HOLE)
    source = world.governed(raw)
    assert filenames(source) == ["ball@1.0.toy", "ball@1.1.toy"]
    assert source.file("ball", "ball@1.0.toy").yanked is None
    assert source.verdicts("ball")["ball@1.0.toy"].text == TOLD.replace("blocked", "warned of")
    assert [record.message for record in caplog.records] == [
        f"ball@1.0.toy of acme/internal: {TOLD.replace('blocked', 'warned of')}"
    ]


def test_a_virtual_repository_applies_its_own_and_the_members(world: World) -> None:
    inner, outer = balls(local()), balls(remote())
    outer.put("kite", "1.0")
    both = virtual(inner, outer, guarded_by=guard(enabled=False))
    world.attach(inner, GATE)
    world.attach(both, Policy("of-all", severity=Severity.LOW))
    low = Finding("CVE-2", "kite", "1.0", Severity.LOW)
    world.known.put("kite", "kite@1.0.toy", low)
    world.known.put("ball", "ball@1.0.toy", HOLE)
    source = world.governed(both)
    assert refusal(source, "kite@1.0.toy", "kite").startswith("blocked by policy of-all: CVE-2")
    assert source.listing("kite").withheld["kite@1.0.toy"].by == "acme/all-libs"
    assert [one.policy for one in source.verdicts("ball")["ball@1.0.toy"].breaches] == ["gate", "of-all"]
    assert source.listing("ball").withheld["ball@1.0.toy"].by == "acme/internal"
    assert filenames(world.governed(outer), "kite") == ["kite@1.0.toy"]


def test_a_blocked_file_never_yields_its_place_to_another_members(world: World) -> None:
    inner, outer = balls(local()), balls(remote())
    both = virtual(inner, outer, guarded_by=guard(enabled=False))
    world.attach(inner, GATE)
    world.known.put("ball", "ball@1.0.toy", HOLE)
    assert filenames(world.governed(both)) == ["ball@1.1.toy"]


def test_a_policy_that_is_attached_twice_is_told_of_once(world: World) -> None:
    inner = balls(local())
    both = virtual(inner)
    world.attach(inner, GATE)
    world.attach(both, GATE)
    world.known.put("ball", "ball@1.0.toy", HOLE)
    source = world.governed(both)
    assert len(source.verdicts("ball")["ball@1.0.toy"].breaches) == 1
    assert source.listing("ball").withheld["ball@1.0.toy"].by == "acme/all-libs"


def test_an_exception_ends_at_its_instant_without_anybody_doing_anything(world: World) -> None:
    raw = balls(local())
    world.attach(raw, replace(GATE, exceptions=(PolicyException("CVE-1", "why", NOON + DAY),)))
    world.known.put("ball", "ball@1.0.toy", HOLE)
    source = world.governed(raw)
    before = source.listing("ball")
    assert before.valid_until == NOON + DAY and len(before.files) == 2
    world.instant = NOON + DAY - 1
    assert source.listing("ball") == before
    world.instant = NOON + DAY
    assert (filenames(source), source.revision("ball") != before.revision) == (["ball@1.1.toy"], True)
    assert source.listing("ball").valid_until is None


def test_what_is_young_and_blocked_is_told_of_as_blocked_and_a_quarantine_goes_first(world: World) -> None:
    raw = remote()
    raw.put("ball", "1.0", at=NOON)
    world.rule(raw, min_age="7d")
    world.attach(raw, replace(GATE, show=Show.YANKED))
    world.known.put("ball", "ball@1.0.toy", HOLE)
    source = world.governed(raw)
    assert (filenames(source), refusal(source)) == ([], TOLD)
    raw.statuses["ball"] = Status(StatusName.QUARANTINED, "stolen")
    assert "quarantined: stolen" in refusal(source)


def test_unscanned_files_can_be_held_back_until_somebody_looked(world: World) -> None:
    raw = balls(local())
    world.attach(raw, Policy("seen", unscanned=Judgement.BLOCK))
    source = world.governed(raw)
    assert refusal(source) == "blocked by policy seen: it is not scanned yet by eye"
    world.known.put("ball", "ball@1.0.toy")
    assert filenames(source) == ["ball@1.0.toy"]


# Licenses

FREE = Policy("free", licenses_denied=("AGPL-3.0-only",))


class Licensed(FakeSource):
    """Its documents are here only once they were asked for, as those of a remote repository are."""

    heads: ClassVar = {"ball@1.0.toy": b"license: AGPL-3.0-only", "ball@1.1.toy": b"license: MIT OR AGPL-3.0-only"}

    def document(self, file: File, kind: str) -> bytes:
        self._fail()
        return self.heads[file.filename]


def test_a_license_that_an_upstream_tells_is_learnt_when_its_file_is_asked_for(world: World) -> None:
    raw = Licensed("public", remote().repository.kind)
    balls(raw)
    world.attach(raw, FREE)
    world.known = KnownReports(world.catalog)
    source = world.governed(raw)
    assert filenames(source) == ["ball@1.0.toy", "ball@1.1.toy"]
    assert source.file("ball", "ball@1.1.toy").filename == "ball@1.1.toy"
    assert refusal(source) == "blocked by policy free: its license AGPL-3.0-only is denied"
    assert filenames(source) == ["ball@1.1.toy"], "and pages know of it from then on"


def test_a_license_that_cannot_be_learnt_now_lets_nothing_through(world: World) -> None:
    raw = Licensed("public", remote().repository.kind)
    balls(raw)
    world.attach(raw, FREE)
    source = world.governed(raw)
    source.listing("ball")
    judged = source.listing("ball")
    raw.document = lambda file, kind: (_ for _ in ()).throw(UpstreamFailed("down"))  # type: ignore[method-assign]
    with pytest.raises(UpstreamFailed):
        source.file("ball", "ball@1.0.toy")
    assert source.listing("ball") == judged


# The cooldown's seam


def test_a_young_version_that_mends_one_below_is_let_through_and_explained(world: World) -> None:
    raw = remote()
    raw.put("ball", "1.0", at=NOON - 30 * DAY)
    raw.put("ball", "1.1", at=NOON)
    raw.put("ball", "1.2", at=NOON)
    world.rule(raw, min_age="7d")
    source = world.governed(raw)
    assert filenames(source) == ["ball@1.0.toy"]
    world.known.put("ball", "ball@1.0.toy", HOLE)
    assert filenames(source) == ["ball@1.0.toy", "ball@1.1.toy"]
    told = {one.version: one.remedy for one in explain(source, "ball").versions}
    assert told == {"1.0": None, "1.1": "it mends CVE-1 of 1.0", "1.2": None}
    world.instant += 7 * DAY
    assert {one.remedy for one in explain(source, "ball").versions} == {None}, "it is old enough by itself"


def test_where_scanners_name_different_fixes_the_later_one_mends(world: World) -> None:
    raw = remote()
    raw.put("ball", "1.0", at=NOON - 30 * DAY)
    raw.put("ball", "1.9", at=NOON)
    raw.put("ball", "1.10", at=NOON)
    world.rule(raw, min_age="7d")
    world.known.put("ball", "ball@1.0.toy", replace(HOLE, fixed_in="1.9"))
    world.known.put("ball", "ball@1.0.toy", replace(HOLE, fixed_in="1.10"), scanner="other")
    source = world.governed(raw)
    assert filenames(source) == ["ball@1.0.toy", "ball@1.10.toy"]
    world.attach(raw, GATE)
    assert refusal(world.governed(raw)) == "blocked by policy gate: CVE-1 (high) in ball 1.0, fixed in 1.10"


def test_of_versions_that_scanners_name_the_one_that_all_take_for_mended_is_let_through(world: World) -> None:
    raw = remote()
    raw.put("ball", "1.0", at=NOON - 30 * DAY)
    for version in ("1.1", "1.10"):
        raw.put("ball", version, at=NOON)
    world.rule(raw, min_age="7d")
    world.known.put("ball", "ball@1.0.toy", HOLE)
    world.known.put("ball", "ball@1.0.toy", replace(HOLE, fixed_in="1.10"), scanner="other")
    assert filenames(world.governed(raw)) == ["ball@1.0.toy", "ball@1.10.toy"]


@pytest.mark.parametrize("finding", [replace(HOLE, version="1.1"), Finding("MAL-1", "ball", "1.1", Severity.MALICIOUS)])
def test_what_has_the_same_vulnerability_or_is_malicious_mends_nothing(world: World, finding: Finding) -> None:
    raw = remote()
    raw.put("ball", "1.0", at=NOON - 30 * DAY)
    raw.put("ball", "1.1", at=NOON)
    world.rule(raw, min_age="7d")
    world.known.put("ball", "ball@1.0.toy", HOLE)
    world.known.put("ball", "ball@1.1.toy", finding)
    assert filenames(world.governed(raw)) == ["ball@1.0.toy"]


def test_what_is_bundled_in_another_package_is_mended_by_no_version_of_this_one(world: World) -> None:
    raw = remote()
    raw.put("ball", "1.0", at=NOON - 30 * DAY)
    raw.put("ball", "1.1", at=NOON)
    world.rule(raw, min_age="7d")
    world.known.put("ball", "ball@1.0.toy", replace(HOLE, package="net", is_bundled=True))
    world.known.put("ball", "ball@1.0.toy", replace(HOLE, fixed_in="no version"), scanner="other")
    assert filenames(world.governed(raw)) == ["ball@1.0.toy"]


# What is known of what a remote only lists


class Judge:
    """A stand-in for the scanners that need names alone."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.asked: list[tuple[str, str, list[str]]] = []
        self.bad: set[str] = {"1.0"}
        self.digest = "one"

    def _report(self, version: str) -> Report:
        found = (replace(HOLE, version=version),) if version in self.bad else ()
        return Report("osv", ReportStatus.OK, found, database=Database("1", self.digest))

    def ensure(self, format_name: str, package: str, versions: Sequence[str]) -> None:
        self.asked.append((format_name, package, list(versions)))
        said = {version: self._report(version) for version in versions}
        with self.catalog.write() as db:
            known = reports.listed(db, format_name, package)
            if any(said[version] not in known.get(version, ()) for version in versions):
                reports.put_listed(db, format_name, package, said)
                reports.changed(db, format_name, package)


class Silent:
    """A judge that has judged all there is."""

    def ensure(self, format_name: str, package: str, versions: Sequence[str]) -> None: ...


def test_what_a_remote_only_lists_is_judged_before_the_first_byte(world: World) -> None:
    judge = Judge(world.catalog)
    world.known = KnownReports(world.catalog, judge, ["osv"])
    raw = balls(remote())
    world.attach(raw, GATE)
    source = world.governed(raw)
    assert (filenames(source), refusal(source)) == (["ball@1.1.toy"], TOLD)
    assert judge.asked[0] == ("toy", "ball", ["1.0", "1.1"])


def test_the_judges_are_asked_again_after_a_while(world: World) -> None:
    judge = Judge(world.catalog)
    world.known = KnownReports(world.catalog, judge, ["osv"])
    raw = balls(remote())
    world.attach(raw, GATE)
    source = world.governed(raw)
    source.listing("ball")
    source.listing("ball")
    asked = len(judge.asked)
    judge.bad, judge.digest = {"1.1"}, "two"
    world.instant += ASKED_AGAIN - 1
    assert (filenames(source), len(judge.asked)) == (["ball@1.1.toy"], asked)
    world.instant += 1
    assert filenames(source) == ["ball@1.0.toy"]


def test_a_scanners_own_report_on_a_file_goes_before_what_it_said_of_the_version(world: World) -> None:
    raw = balls(remote())
    [first, second] = raw.listing("ball").files
    judge = Judge(world.catalog)
    judge.bad = {"1.0", "1.1"}
    known = KnownReports(world.catalog, judge, ["osv"])
    with world.catalog.write() as db:
        reports.put(db, first.id, Report("osv", ReportStatus.OK))
        reports.put(db, second.id, Report("eye", ReportStatus.OK))
        reports.put_listed(db, "toy", "ball", {"1.0": Report("gone", ReportStatus.OK, (HOLE,))})
    found = known.of("toy", raw.listing("ball"))
    assert [(one.scanner, len(one.findings)) for one in found[first.id]] == [("osv", 0)]
    assert [(one.scanner, len(one.findings)) for one in found[second.id]] == [("eye", 0), ("osv", 1)]


@pytest.mark.parametrize("status", [ReportStatus.NOT_SCANNED, ReportStatus.ERROR])
def test_a_file_that_its_scanner_could_not_read_is_judged_by_its_name_all_the_same(
    world: World, status: ReportStatus
) -> None:
    raw = balls(remote())
    world.known = KnownReports(world.catalog, Judge(world.catalog), ["osv"])
    world.attach(raw, GATE)
    [first, _] = raw.listing("ball").files
    with world.catalog.write() as db:
        reports.put(db, first.id, Report("osv", status, reason="it is no zip", scanned_at=1))
        reports.changed(db, "toy", "ball")
    source = world.governed(raw)
    assert (filenames(source), refusal(source)) == (["ball@1.1.toy"], TOLD)
    [said] = world.known.of("toy", raw.listing("ball"))[first.id]
    assert said.status is status, "it still counts as unscanned"


def test_what_was_judged_by_its_name_after_the_file_was_scanned_counts_too(world: World) -> None:
    raw = balls(remote())
    [first, _] = raw.listing("ball").files
    with world.catalog.write() as db:
        reports.put(db, first.id, Report("osv", ReportStatus.OK, scanned_at=1))
        reports.put_listed(db, "toy", "ball", {"1.0": Report("osv", ReportStatus.OK, (HOLE,), scanned_at=2)})
    known = KnownReports(world.catalog, Silent(), ["osv"])
    [said] = known.of("toy", raw.listing("ball"))[first.id]
    assert said.findings == (HOLE,)
    with world.catalog.write() as db:
        reports.put(db, first.id, Report("osv", ReportStatus.OK, scanned_at=3))
    [said] = known.of("toy", raw.listing("ball"))[first.id]
    assert said.findings == (), "the scanner looked since, and withdrew it"


def test_without_judges_nobody_is_asked_and_what_was_listed_does_not_count(world: World) -> None:
    raw = balls(remote())
    judge = Judge(world.catalog)
    judge.ensure("toy", "ball", ["1.0"])
    for known in (KnownReports(world.catalog), KnownReports(world.catalog, judge, [])):
        assert (known.of("toy", raw.listing("ball")), known.judges) == ({}, frozenset())
    assert len(judge.asked) == 1


def test_the_revision_of_what_is_known_follows_the_package(world: World) -> None:
    known = KnownReports(world.catalog)
    before = known.revision("toy", "ball")
    with world.catalog.write() as db:
        reports.changed(db, "toy", "kite")
    assert known.revision("toy", "ball") == before
    with world.catalog.write() as db:
        reports.changed(db, "toy", "ball")
    assert known.revision("toy", "ball") != before


def test_a_package_that_is_not_there_is_not_found(world: World) -> None:
    raw = local()
    world.attach(raw, GATE)
    with pytest.raises(NotFound):
        world.governed(raw).listing("ball")
    assert world.known.of("toy", Listing("ball", (), "1")) == {}


WIDE = replace(GATE, scope=Scope.TRANSITIVE)
[STRING_HOLE] = vulnerabilities([Report("eye", ReportStatus.OK, (replace(HOLE, package="string"),))])
THROUGH = Exposure(STRING_HOLE, (Hop("net", "net", "2.0"), Hop("string<2", "string", "1.0")))


def test_a_transitive_policy_counts_what_versions_are_exposed_to(world: World) -> None:
    raw = balls(local())
    world.attach(raw, WIDE)
    source = world.governed(raw)
    assert filenames(source) == ["ball@1.0.toy", "ball@1.1.toy"]
    world.exposed.put(raw, "ball", "1.0", THROUGH)
    assert filenames(source) == ["ball@1.1.toy"]
    told = "blocked by policy gate: CVE-1 (high) in string 1.0, which comes through net 2.0, fixed in 1.1"
    assert refusal(source) == told
    [version] = [one for one in explain(source, "ball").versions if one.version == "1.0"]
    assert [one.reason for one in version.verdicts] == [told.removeprefix("blocked by policy gate: ")]
    world.exposed.put(raw, "ball", "1.0")
    assert filenames(source) == ["ball@1.0.toy", "ball@1.1.toy"]


def test_exposures_are_those_of_the_repository_that_is_asked(world: World) -> None:
    """A member's policy is about what an installer gets there: by the view through which it asks."""
    member = balls(local())
    raw = virtual(member)
    world.attach(member, WIDE)
    world.exposed.put(raw, "ball", "1.0", THROUGH)
    assert filenames(world.governed(raw)) == ["ball@1.1.toy"]
    assert filenames(world.governed(member)) == ["ball@1.0.toy", "ball@1.1.toy"]


def test_versions_are_matched_however_they_are_spelt(world: World) -> None:
    raw = balls(local())
    world.attach(raw, WIDE)
    world.exposed.put(raw, "ball", "01.00", THROUGH)
    assert filenames(world.governed(raw)) == ["ball@1.1.toy"]


def test_a_version_in_two_spellings_is_exposed_to_what_either_is(world: World) -> None:
    """As one of an upstream is, that has two files of it; what each of them asks for may differ."""
    raw = balls(local())
    world.attach(raw, WIDE)
    low = replace(THROUGH, vulnerability=replace(STRING_HOLE, severity=Severity.LOW, by={"eye": Severity.LOW}))
    world.exposed.put(raw, "ball", "1.0", THROUGH)
    world.exposed.put(raw, "ball", "01.00", low)
    assert filenames(world.governed(raw)) == ["ball@1.1.toy"]


def test_without_a_transitive_policy_nobody_is_asked_and_with_one_only_the_revision_while_it_is_the_same(
    world: World,
) -> None:
    raw, wide = balls(local()), balls(remote())
    world.attach(raw, GATE)
    source = world.governed(raw)
    source.listing("ball")
    source.file("ball", "ball@1.0.toy")
    assert world.exposed.asked == []
    world.attach(wide, WIDE)
    source = world.governed(wide)
    source.listing("ball")
    assert world.exposed.asked == ["revision", "of"]
    source.listing("ball")
    assert world.exposed.asked == ["revision", "of", "revision"]
    world.governed(wide).without_policies().listing("ball")
    assert world.exposed.asked == ["revision", "of", "revision"], "what is chosen depends on no policy"


def test_what_has_no_license_yet_is_judged_by_its_exposures_too(world: World) -> None:
    raw = balls(remote())
    world.attach(raw, replace(WIDE, licenses_denied=("AGPL-3.0-only",)))
    world.exposed.put(raw, "ball", "1.0", THROUGH)
    source = world.governed(raw)
    [file] = [file for file in source.raw.listing("ball").files if file.version == "1.0"]
    assert source.verdict(file).is_blocked
