"""What a repository holds back: cooldown, freeze, allow and deny, exceptions, quarantine; and why, in words."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from fake_sources import TOY, FakeKnown, FakeSource, guard, local, remote, virtual
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from orbitalreg.catalog import Catalog, exceptions, repositories
from orbitalreg.config import RepositorySettings
from orbitalreg.errors import Forbidden, Malformed, Misplaced, NotFound, Withheld
from orbitalreg.model import Actor, Address, Kind, Repository, Status, StatusName, Withholding
from orbitalreg.publishing import Curator
from orbitalreg.sources.explaining import explain
from orbitalreg.sources.governed import Governance, GovernedSource
from orbitalreg.sources.policing import Attached
from orbitalreg.sources.raw import RawSource
from orbitalreg.sources.rules import Rules, duration
from orbitalreg.summaries import HiddenVersion, MemberAnswer, VersionExplanation, WithheldSummary
from orbitalreg.times import microseconds

DAY = 86_400_000_000
WEEK = 7 * DAY
NOON = microseconds(datetime(2026, 11, 22, 12, tzinfo=UTC))
ACTOR = Actor("local:test")
OFF = guard(enabled=False)


class World:
    """One catalog, a clock that is set by hand, and rules by repository."""

    def __init__(self, data: Path) -> None:
        self.catalog = Catalog(data)
        self.data = data
        self.instant = NOON
        self.known = FakeKnown()
        self.policies: dict[str, list[Attached]] = {}
        self.rules: dict[str, Rules] = {}

    def rule(self, source: RawSource, **keys: Any) -> None:
        """What the configuration says of the repository of `source`."""
        settings = RepositorySettings(format="toy", kind=source.repository.kind, **keys)
        self.rules[source.repository.id] = Rules.of(source.repository, settings, TOY.normalize)

    def governed(self, raw: RawSource, catalog: Catalog | None = None) -> GovernedSource:
        governance = Governance(
            catalog or self.catalog, self.rules, self.policies, self.known, frozenset(["eye"]), lambda: self.instant
        )
        return GovernedSource(raw, TOY, governance)

    def register(self, *sources: RawSource) -> None:
        """Give each repository its row, so that exceptions can name it."""
        with self.catalog.write() as db:
            for source in sources:
                address = source.repository.address
                db.execute(
                    "INSERT INTO repository (id, project, name, format, kind, created_at)"
                    " VALUES (?, ?, ?, 'toy', ?, 0)",
                    (source.repository.id, address.project, address.repository, str(source.repository.kind)),
                )

    def open(self, source: RawSource, package: str, version: str, until: int) -> None:
        with self.catalog.write() as db:
            exceptions.insert(db, source.repository.id, package, version, until, "why not", "tester")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def public(world: World) -> FakeSource:
    """A remote repository; what it holds is as old as a test says."""
    source = remote("public")
    world.register(source)
    return source


def filenames(source: GovernedSource, package: str = "ball") -> list[str]:
    return [file.filename for file in source.listing(package).files]


def refusal(source: GovernedSource, filename: str, package: str = "ball") -> str:
    with pytest.raises(Withheld) as caught:
        source.file(package, filename)
    return str(caught.value)


# Cooldown


def test_a_young_file_is_withheld_and_says_until_when(world: World, public: FakeSource) -> None:
    public.put("ball", "1.0", at=NOON - WEEK)
    public.put("ball", "2.0", at=NOON - 1)
    world.rule(public, min_age="7d")
    source = world.governed(public)
    assert filenames(source) == ["ball@1.0.toy"]
    assert refusal(source, "ball@2.0.toy") == (
        "ball@2.0.toy is withheld by acme/public: younger than 7d; opens 2026-11-29 12:00 UTC"
    )
    assert source.listing("ball").withheld == {
        "ball@2.0.toy": Withholding("younger than 7d", NOON - 1 + WEEK, "acme/public")
    }


def test_it_opens_at_that_very_instant_and_not_before(world: World, public: FakeSource) -> None:
    public.put("ball", "1.0", at=NOON)
    world.rule(public, min_age="7d")
    source = world.governed(public)
    before = source.revision("ball")
    assert source.listing("ball").valid_until == NOON + WEEK
    world.instant = NOON + WEEK - 1
    assert (filenames(source), source.revision("ball")) == ([], before)
    world.instant = NOON + WEEK
    assert (filenames(source), source.revision("ball") != before) == (["ball@1.0.toy"], True)
    assert source.listing("ball").valid_until is None
    assert source.file("ball", "ball@1.0.toy").filename == "ball@1.0.toy"


def test_the_earliest_change_bounds_the_validity(world: World, public: FakeSource) -> None:
    public.put("ball", "1.0", at=NOON - DAY)
    public.put("ball", "2.0", at=NOON - 2 * DAY)
    world.rule(public, min_age="7d")
    source = world.governed(public)
    assert source.listing("ball").valid_until == NOON + 5 * DAY
    public.valid_until = NOON + 1
    public.put("ball", "3.0", at=NOON)
    assert source.listing("ball").valid_until == NOON + 1


@pytest.mark.parametrize("pattern", ["ball", "Ball", "ba*"])
def test_an_exempt_name_is_not_held_back(world: World, public: FakeSource, pattern: str) -> None:
    public.put("ball", "1.0", at=NOON)
    public.put("kite", "1.0", at=NOON)
    world.rule(public, min_age="7d", min_age_except=[pattern])
    source = world.governed(public)
    assert (filenames(source), filenames(source, "kite")) == (["ball@1.0.toy"], [])


def test_a_version_that_mends_what_it_replaces_is_not_held_back(world: World, public: FakeSource) -> None:
    public.put("ball", "1.0", at=NOON)
    public.put("ball", "1.1", at=NOON)
    world.rule(public, min_age="7d")
    source = world.governed(public)
    before = source.revision("ball")
    world.known.mends("ball", ["1.1.0"])
    assert (filenames(source), source.revision("ball") != before) == (["ball@1.1.toy"], True)


def test_a_file_from_the_end_of_time_is_withheld_without_an_accident(world: World, public: FakeSource) -> None:
    public.put("ball", "1.0", at=1 << 60)
    world.rule(public, min_age="7d")
    assert refusal(world.governed(public), "ball@1.0.toy").endswith("opens 9999-12-30 00:00 UTC")


@pytest.mark.parametrize(("seconds", "text"), [(604800, "7d"), (5400, "90m"), (7200, "2h"), (61, "61s")])
def test_a_duration_is_told_in_its_largest_unit(seconds: int, text: str) -> None:
    assert duration(seconds) == text


# Freeze, allow and deny, quarantine


def test_a_freeze_shows_the_day_as_it_ended(world: World, public: FakeSource) -> None:
    midnight = microseconds(datetime(2026, 10, 2, tzinfo=UTC))
    public.put("ball", "1.0", at=midnight - 1)
    public.put("ball", "2.0", at=midnight)
    world.rule(public, freeze=date(2026, 10, 1))
    source = world.governed(public)
    assert filenames(source) == ["ball@1.0.toy"]
    assert refusal(source, "ball@2.0.toy") == (
        "ball@2.0.toy is withheld by acme/public: uploaded after 2026-10-01, the day of the freeze"
    )
    assert source.listing("ball").valid_until is None


@pytest.mark.parametrize(
    ("keys", "reason"),
    [({"deny": ["ball"]}, "its name matches deny"), ({"allow": ["kite", "d*"]}, "its name does not match allow")],
)
def test_a_package_that_is_kept_out_has_an_empty_page_and_files_that_say_why(
    world: World, public: FakeSource, keys: Any, reason: str
) -> None:
    for name in ("ball", "kite", "drum"):
        public.put(name, "1.0")
    world.rule(public, **keys)
    source = world.governed(public)
    assert source.names() == ["drum", "kite"]
    assert filenames(source) == []
    assert refusal(source, "ball@1.0.toy") == f"ball@1.0.toy is withheld by acme/public: {reason}"
    with pytest.raises(NotFound):
        source.file("ball", "ball@9.0.toy")
    assert source.names_revision() != world.governed(remote("public")).names_revision()


def test_a_quarantined_package_offers_no_file(world: World, public: FakeSource) -> None:
    public.put("ball", "1.0")
    public.statuses["ball"] = Status(StatusName.QUARANTINED, "malware")
    world.rule(public)
    source = world.governed(public)
    assert (filenames(source), source.listing("ball").status.name) == ([], StatusName.QUARANTINED)
    assert refusal(source, "ball@1.0.toy") == (
        "ball@1.0.toy is withheld by acme/public: the package is quarantined: malware"
    )


def test_what_the_member_withholds_stays_so(world: World, public: FakeSource) -> None:
    public.put("ball", "1.0")
    public.withheld["ball@1.0.toy"] = Withholding("recalled")
    assert refusal(world.governed(virtual(public)), "ball@1.0.toy") == (
        "ball@1.0.toy is withheld by acme/public: recalled"
    )


# Rules of several repositories


def test_a_member_s_rules_hold_through_a_virtual_one_and_hidden_files_keep_their_place(
    world: World, public: FakeSource
) -> None:
    mirror = remote("mirror")
    public.put("ball", "1.0", at=NOON)
    mirror.put("ball", "1.0", at=0)
    mirror.put("ball", "2.0", at=NOON)
    world.rule(public, min_age="7d")
    source = world.governed(virtual(public, mirror))
    assert filenames(source) == ["ball@2.0.toy"]
    assert refusal(source, "ball@1.0.toy").startswith("ball@1.0.toy is withheld by acme/public: younger than 7d")


def test_the_rules_of_every_repository_on_the_way_hold(world: World, public: FakeSource) -> None:
    public.put("ball", "1.0", at=NOON - 2 * DAY)
    inner = virtual(public, name="inner")
    outer = virtual(inner, name="outer")
    world.rule(public, min_age="1d")
    world.rule(inner, min_age="3d")
    world.rule(outer, min_age="2d")
    source = world.governed(outer)
    assert refusal(source, "ball@1.0.toy").startswith("ball@1.0.toy is withheld by acme/inner: younger than 3d")
    assert filenames(world.governed(public)) == ["ball@1.0.toy"]


def test_of_several_reasons_the_longest_is_told(world: World, public: FakeSource) -> None:
    public.put("ball", "1.0", at=NOON)
    outer = virtual(public)
    world.rule(public, min_age="7d")
    world.rule(outer, freeze=date(2026, 10, 1))
    assert "acme/all-libs: uploaded after" in refusal(world.governed(outer), "ball@1.0.toy")


# Exceptions


def test_an_exception_opens_one_version_for_a_time(world: World, public: FakeSource) -> None:
    for version in ("1.0", "2.0"):
        public.put("ball", version, at=NOON)
    world.rule(public, min_age="7d", freeze=date(2026, 10, 1))
    source, through = world.governed(public), world.governed(virtual(public))
    assert filenames(source) == filenames(through) == []
    world.open(public, "ball", "1.0.0", NOON + DAY)
    for one in (source, through):
        assert filenames(one) == ["ball@1.0.toy"]
        assert one.listing("ball").valid_until == NOON + DAY
    world.instant = NOON + DAY
    for one in (source, through):
        assert filenames(one) == []
        assert "uploaded after" in refusal(one, "ball@1.0.toy")


def test_an_exception_counts_in_its_own_repository_alone(world: World, public: FakeSource) -> None:
    public.put("ball", "1.0", at=NOON)
    outer = virtual(public)
    world.register(outer)
    world.rule(public, min_age="7d")
    world.rule(outer, min_age="7d")
    world.open(public, "ball", "1.0", NOON + DAY)
    assert filenames(world.governed(public)) == ["ball@1.0.toy"]
    assert "acme/all-libs" in refusal(world.governed(outer), "ball@1.0.toy")
    world.open(outer, "ball", "1.0", NOON + DAY)
    assert filenames(world.governed(outer)) == ["ball@1.0.toy"]


def test_an_exception_opens_no_package_that_is_kept_out_or_quarantined(world: World, public: FakeSource) -> None:
    for name in ("ball", "kite"):
        public.put(name, "1.0", at=NOON)
    public.statuses["kite"] = Status(StatusName.QUARANTINED)
    world.rule(public, deny=["ball"], min_age="7d")
    for name in ("ball", "kite"):
        world.open(public, name, "1.0", NOON + DAY)
    source = world.governed(public)
    assert (filenames(source), filenames(source, "kite")) == ([], [])


def test_an_exception_that_outlasts_the_cooldown_changes_nothing_when_it_ends(world: World, public: FakeSource) -> None:
    public.put("ball", "1.0", at=NOON - 6 * DAY)
    world.rule(public, min_age="7d")
    world.open(public, "ball", "1.0", NOON + 3 * DAY)
    assert world.governed(public).listing("ball").valid_until is None


def test_two_catalogs_see_an_exception_at_the_next_read(world: World, public: FakeSource) -> None:
    public.put("ball", "1.0", at=NOON)
    world.rule(public, min_age="7d")
    here, there = world.governed(public), world.governed(virtual(public), Catalog(world.data))
    assert filenames(here) == filenames(there) == []
    script = """
import sys
from pathlib import Path
from orbitalreg.catalog import Catalog
from orbitalreg.model import Actor, Address, Kind, Repository
from orbitalreg.publishing import Curator
public = Repository(sys.argv[2], Address("acme", "public"), "toy", Kind.REMOTE)
Curator(Catalog(Path(sys.argv[1]))).allow(public, "ball", "1.0", int(sys.argv[3]), "a fix", Actor("other"))
"""
    until = str(max(NOON, microseconds(datetime.now(UTC))) + DAY)
    subprocess.run([sys.executable, "-c", script, str(world.data), public.repository.id, until], check=True)
    assert filenames(here) == filenames(there) == ["ball@1.0.toy"]


def test_an_exception_reserves_no_name_and_is_audited(world: World, public: FakeSource) -> None:
    until = microseconds(datetime.now(UTC)) + DAY
    Curator(world.catalog).allow(public.repository, "ball", "1.0", until, "a fix", ACTOR)
    db = world.catalog.read()
    assert repositories.package(db, public.repository.id, "ball") is None
    rows = db.execute("SELECT actor, action, target, detail FROM audit_entry").fetchall()
    detail = f'{{"reason":"a fix","until":{until}}}'
    assert rows == [("local:test", "version.allow", "acme/public/ball==1.0", detail)]


def test_an_exception_needs_a_time_to_come_and_a_repository_that_withholds(world: World, public: FakeSource) -> None:
    curator = Curator(world.catalog)
    with pytest.raises(Malformed, match="a time that is over"):
        curator.allow(public.repository, "ball", "1.0", NOON - 365 * DAY, "late", ACTOR)
    with pytest.raises(Misplaced, match="withholds nothing"):
        curator.allow(local().repository, "ball", "1.0", 1 << 60, "why", ACTOR)
    assert world.catalog.read().execute("SELECT count(*) FROM exception").fetchone()[0] == 0


# A released name


@pytest.fixture
def internal(world: World) -> Repository:
    with world.catalog.write() as db:
        found = repositories.insert_repository(db, Address("acme", "internal"), "toy", Kind.LOCAL)
        repositories.ensure_package(db, found, "ball")
    return Repository(found, Address("acme", "internal"), "toy", Kind.LOCAL)


def test_a_name_without_files_is_released(world: World, internal: Repository) -> None:
    db = world.catalog.read()
    before = repositories.names_revision(db, internal.id)
    with world.catalog.write() as writing:
        writing.execute(
            "INSERT INTO deleted_file (repository_id, filename, sha256, deleted_at) VALUES (?, 'ball@1.toy', 'x', 0)",
            (internal.id,),
        )
    Curator(world.catalog).release_name(internal, "ball", ACTOR)
    assert repositories.package(db, internal.id, "ball") is None
    assert repositories.names_revision(db, internal.id) > before
    assert db.execute("SELECT filename FROM deleted_file").fetchall() == [("ball@1.toy",)]
    assert db.execute("SELECT action, target FROM audit_entry").fetchall() == [
        ("package.release", "acme/internal/ball")
    ]
    with pytest.raises(NotFound, match="acme/internal does not hold the name ball"):
        Curator(world.catalog).release_name(internal, "ball", ACTOR)


def test_a_name_with_files_is_not_released(world: World, internal: Repository) -> None:
    with world.catalog.write() as db:
        row = repositories.ensure_package(db, internal.id, "ball")
        repositories.package_changed(db, row.id, +2)
    with pytest.raises(Forbidden, match="acme/internal/ball still has 2 files"):
        Curator(world.catalog).release_name(internal, "ball", ACTOR)
    assert repositories.package(world.catalog.read(), internal.id, "ball") is not None


# Warm


def test_a_warm_revision_judges_nothing_again(world: World, public: FakeSource) -> None:
    public.put("ball", "1.0", at=NOON)
    world.rule(public, min_age="7d")
    source = world.governed(public)
    assert source.listing("ball") is source.listing("ball")
    assert source.revision("ball") is source.revision("ball")


def test_two_processes_say_the_same_revision(world: World, public: FakeSource) -> None:
    for version in ("1.0", "2.0"):
        public.put("ball", version, at=NOON)
    world.rule(public, min_age="7d")
    one, other = world.governed(public), world.governed(public, Catalog(world.data))
    assert one.revision("ball") == other.revision("ball")
    assert one.listing("ball") == other.listing("ball")


# Explained


def test_it_is_explained_version_by_version(world: World, public: FakeSource) -> None:
    internal, mirror = local("internal"), remote("mirror")
    internal.put("ball", "1.0")
    public.put("ball", "1.0")
    public.put("ball", "2.0", at=NOON)
    mirror.put("ball", "2.0.0")
    world.rule(public, min_age="7d")
    told = explain(world.governed(virtual(internal, public, mirror, guarded_by=OFF)), "ball")
    assert (told.repository, told.status, told.guarded, told.failure) == (
        "acme/all-libs", StatusName.ACTIVE, None, None,
    )  # fmt: skip
    assert told.members == [MemberAnswer(f"acme/{name}", "has it", None) for name in ("internal", "public", "mirror")]
    opens = datetime(2026, 11, 29, 12, tzinfo=UTC)
    assert told.versions == [
        VersionExplanation(
            "1.0",
            "acme/internal",
            ["ball@1.0.toy"],
            [],
            [HiddenVersion("acme/public", "first match: acme/internal has this version and comes first")],
            [],
            None,
        ),
        VersionExplanation(
            "2.0",
            "acme/public",
            [],
            [WithheldSummary("ball@2.0.toy", "acme/public", "younger than 7d", opens)],
            [HiddenVersion("acme/mirror", "first match: acme/public has this version and comes first")],
            [],
            None,
        ),
    ]


def test_the_guard_is_explained_and_what_it_hides_is_told(world: World, public: FakeSource) -> None:
    internal = local("internal")
    internal.put("secret", "1.0")
    public.put("secret", "99.0")
    inner = virtual(internal, public, name="inner")
    told = explain(world.governed(virtual(inner, guarded_by=OFF)), "secret")
    assert told.guarded == "the name guard of acme/inner: acme/internal holds the name"
    assert [(one.version, one.provided_by, one.files) for one in told.versions] == [
        ("1.0", "acme/internal", ["secret@1.0.toy"]),
        ("99.0", None, []),
    ]
    assert told.versions[1].hidden == [HiddenVersion("acme/public", told.guarded)]


def test_a_private_name_is_explained_without_asking_for_it(world: World, public: FakeSource) -> None:
    public.put("secret", "99.0")
    told = explain(world.governed(virtual(local(), public, guarded_by=guard(private=["sec*"]))), "secret")
    assert told.guarded == "the name guard of acme/all-libs: the name is in private_names"
    assert told.members == [
        MemberAnswer("acme/internal", "has none", None),
        MemberAnswer("acme/public", "not asked", "the name is in private_names"),
    ]
    assert (told.versions, public.asked) == ([], [])


def test_a_failing_member_is_named_in_the_explanation(world: World, public: FakeSource) -> None:
    internal = local("internal")
    internal.put("ball", "1.0")
    public.failing = "no answer"
    told = explain(world.governed(virtual(internal, public, guarded_by=OFF)), "ball")
    assert told.failure == "acme/public: no answer"
    assert told.members[1] == MemberAnswer("acme/public", "failed", "no answer")
    assert told.versions[0].hidden == [HiddenVersion("acme/internal", "there is no page: acme/public: no answer")]


def test_a_quarantine_is_explained(world: World) -> None:
    first, second = remote("first"), remote("second")
    first.put("ball", "1.0")
    first.statuses["ball"] = Status(StatusName.QUARANTINED)
    second.put("ball", "2.0")
    told = explain(world.governed(virtual(first, second)), "ball")
    assert told.status is StatusName.QUARANTINED
    assert told.versions[0].withheld[0].reason == "the package is quarantined"
    reason = "acme/first comes first and has the package quarantined"
    assert told.versions[1].hidden == [HiddenVersion("acme/second", reason)]


@pytest.mark.parametrize("make", [local, remote])
def test_a_repository_without_members_is_explained_too(world: World, make: Any) -> None:
    source = make("alone")
    source.put("ball", "1.0")
    told = explain(world.governed(source), "ball")
    assert told.versions == [VersionExplanation("1.0", "acme/alone", ["ball@1.0.toy"], [], [], [], None)]
    with pytest.raises(NotFound, match="acme/alone has no package kite"):
        explain(world.governed(source), "kite")


def test_what_is_old_is_told_with_the_fault(world: World, public: FakeSource) -> None:
    public.put("ball", "1.0")
    public.stale = "no answer"
    assert explain(world.governed(public), "ball").members == [MemberAnswer("acme/public", "has it", "no answer")]


def test_a_failing_repository_is_explained(world: World, public: FakeSource) -> None:
    public.failing = "no answer"
    assert explain(world.governed(public), "ball").failure == "no answer"


# Whatever happens: page, files, documents and explanation say the same

NAMES = st.sampled_from(["ball", "kite"])
VERSIONS = st.sampled_from(["1", "1.0", "2", ""])
MEMBERS = st.integers(0, 2)


class Agreement(RuleBasedStateMachine):
    """Files, time, exceptions, remedies and quarantines come and go under two processes of one catalog."""

    @initialize(
        data=st.data(),
        ages=st.lists(st.sampled_from(["0s", "1d", "7d"]), min_size=4, max_size=4),
        deny=st.sampled_from([(), ("kite",), ("*",)]),
        freeze=st.sampled_from([None, date(2026, 11, 23)]),
        enabled=st.booleans(),
    )
    def configure(
        self, data: Any, ages: Sequence[str], deny: Sequence[str], freeze: date | None, enabled: bool
    ) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.members = [local("a"), remote("b"), remote("c")]
        inner = virtual(*self.members[1:], name="inner", guarded_by=OFF)
        self.raw = virtual(self.members[0], inner, name="outer", guarded_by=guard(enabled=enabled))
        self.ruled = [self.members[1], self.members[2], inner, self.raw]
        self.world.register(*self.ruled)
        for source, age in zip(self.ruled, ages, strict=True):
            self.world.rule(source, min_age=age)
        self.world.rule(self.ruled[0], min_age=ages[0], deny=deny)
        self.world.rule(self.ruled[3], min_age=ages[3], freeze=freeze)
        self.sources = [
            self.world.governed(self.raw),
            self.world.governed(self.raw, Catalog(self.world.data)),
        ]
        self.seen: dict[str, Any] = {}

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @rule(member=MEMBERS, name=NAMES, version=VERSIONS, number=st.integers(0, 1))
    def put(self, member: int, name: str, version: str, number: int) -> None:
        self.members[member].put(name, version, f"{name}@{version}-{number}.toy", at=self.world.instant)

    @rule(member=MEMBERS, name=NAMES, data=st.data())
    def drop(self, member: int, name: str, data: st.DataObject) -> None:
        files = self.members[member].files.get(name)
        if files:
            self.members[member].drop(name, data.draw(st.sampled_from(sorted(files))))

    @rule(member=MEMBERS, name=NAMES, status=st.sampled_from([StatusName.ACTIVE, StatusName.QUARANTINED]))
    def set_status(self, member: int, name: str, status: StatusName) -> None:
        self.members[member].statuses[name] = Status(status)

    @rule(place=st.integers(0, 3), name=NAMES, version=st.sampled_from(["1.0", "2"]), days=st.integers(1, 9))
    def open(self, place: int, name: str, version: str, days: int) -> None:
        self.world.open(self.ruled[place], name, version, self.world.instant + days * DAY)

    @rule(days=st.sampled_from([1, 2, 7]))
    def wait(self, days: int) -> None:
        self.world.instant += days * DAY

    @rule(name=NAMES, versions=st.frozensets(st.sampled_from(["1", "2"])))
    def mend(self, name: str, versions: frozenset[str]) -> None:
        self.world.known.mends(name, versions)

    @invariant()
    def everything_agrees(self) -> None:
        for name in ("ball", "kite"):
            one, other = (self._said(source, name) for source in self.sources)
            assert one == other
            if one is not None:
                self._check(self.sources[0], name)

    def _said(self, source: GovernedSource, name: str) -> Any:
        try:
            return source.revision(name), source.listing(name)
        except NotFound:
            return None

    def _check(self, source: GovernedSource, name: str) -> None:
        listing, raw = source.listing(name), self.raw.listing(name)
        assert listing.revision == source.revision(name)
        assert self.seen.setdefault(listing.revision, listing).files == listing.files
        assert self.seen[listing.revision].withheld == listing.withheld
        offered = {file.filename for file in listing.files}
        assert offered.isdisjoint(listing.withheld)
        assert offered.union(listing.withheld) == {file.filename for file in raw.files}
        for file in listing.files:
            assert source.file(name, file.filename) == file
            assert source.open(file).read()
            assert source.document(file, "head")
        for filename in listing.withheld:
            assert refusal(source, filename, name).startswith(f"{filename} is withheld by acme/")
        self._check_explanation(source, name)
        self._check_validity(name)

    def _check_explanation(self, source: GovernedSource, name: str) -> None:
        listing, told = source.listing(name), explain(source, name)
        origin = {file.filename: file.holder.replace("id-acme-", "acme/") for file in self.raw.listing(name).files}
        said = {filename: one.provided_by for one in told.versions for filename in one.files}
        held = {one.filename: version.provided_by for version in told.versions for one in version.withheld}
        assert said == {file.filename: origin[file.filename] for file in listing.files}
        assert held == {filename: origin[filename] for filename in listing.withheld}
        for version in told.versions:
            assert all(one.repository != version.provided_by and one.reason for one in version.hidden)
            assert "it came just now" not in [one.reason for one in version.hidden]

    def _check_validity(self, name: str) -> None:
        """Just before it ends nothing has changed, and when it ends something has."""
        listing, present = self.sources[0].listing(name), self.world.instant
        fresh = self.world.governed(self.raw)
        if listing.valid_until is None:
            self.world.instant = present + 1000 * DAY
            assert fresh.listing(name) == listing
        else:
            self.world.instant = listing.valid_until - 1
            assert fresh.listing(name) == listing
            self.world.instant = listing.valid_until
            changed = fresh.listing(name)
            assert (changed.files, changed.withheld) != (listing.files, listing.withheld)
        self.world.instant = present


TestAgreement = Agreement.TestCase
TestAgreement.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
