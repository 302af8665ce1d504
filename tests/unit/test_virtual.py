"""A virtual repository: which member provides what, what the name guard hides, and what a failing member does."""

from itertools import pairwise
from typing import Any

import pytest
from fake_sources import TOY, FakeSource, guard, local, remote, shown, virtual
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from orbitalreg.errors import NotFound, UpstreamFailed
from orbitalreg.model import File, Status, StatusName, Withholding
from orbitalreg.sources.kept import Kept
from orbitalreg.sources.patterns import Patterns
from orbitalreg.sources.virtual import Composed

OFF = guard(enabled=False)


@pytest.fixture
def internal() -> FakeSource:
    return local("internal")


@pytest.fixture
def public() -> FakeSource:
    return remote("public")


def test_the_listing_is_the_union_of_versions(internal: FakeSource, public: FakeSource) -> None:
    internal.put("ball", "1.0")
    public.put("ball", "2.0")
    source = virtual(internal, public, guarded_by=OFF)
    assert shown(source.listing("ball")) == {"ball@1.0.toy": "id-acme-internal", "ball@2.0.toy": "id-acme-public"}


def test_the_first_member_that_has_a_version_provides_all_of_its_files() -> None:
    first, second = remote("first"), remote("second")
    first.put("ball", "1.0", "ball@1.0.toy")
    second.put("ball", "1.0", "ball@1.0.toy")
    second.put("ball", "1.0", "BALL@1.0.toy")
    assert shown(virtual(first, second).listing("ball")) == {"ball@1.0.toy": "id-acme-first"}
    assert set(shown(virtual(second, first).listing("ball")).values()) == {"id-acme-second"}
    assert len(virtual(second, first).listing("ball").files) == 2


def test_two_spellings_of_a_version_are_one() -> None:
    first, second = remote("first"), remote("second")
    first.put("ball", "1.0")
    second.put("ball", "1.0.0")
    second.put("ball", "1.0.1")
    assert shown(virtual(first, second).listing("ball")) == {
        "ball@1.0.toy": "id-acme-first",
        "ball@1.0.1.toy": "id-acme-second",
    }


def test_local_members_are_not_asked_for_a_name_that_none_ever_held(internal: FakeSource, public: FakeSource) -> None:
    public.put("ball", "1.0")
    source = virtual(internal, public)
    assert source.revision("ball") == source.listing("ball").revision
    assert internal.asked == []
    internal.put("ball", "2.0")
    assert shown(source.listing("ball")) == {"ball@2.0.toy": "id-acme-internal"}


def test_local_members_are_asked_where_the_guard_is_lifted(internal: FakeSource, public: FakeSource) -> None:
    public.put("ball", "1.0")
    source = virtual(internal, public, guarded_by=guard(lifted=["ball"]))
    before = source.revision("ball")
    internal.put("ball", "2.0")
    assert source.revision("ball") != before
    assert len(shown(source.listing("ball"))) == 2


def test_files_of_no_known_version_are_a_group_of_their_own() -> None:
    first, second = remote("first"), remote("second")
    first.put("ball", "", "odd.toy")
    second.put("ball", "", "odder.toy")
    second.put("ball", "1.0")
    assert set(shown(virtual(first, second).listing("ball"))) == {"odd.toy", "ball@1.0.toy"}


def test_a_filename_is_shown_once_also_where_its_version_is_told_differently() -> None:
    first, second = remote("first"), remote("second")
    first.put("ball", "1.0", "same.toy")
    second.put("ball", "2.0", "same.toy")
    listing = virtual(first, second).listing("ball")
    assert [(file.version, file.holder) for file in listing.files] == [("1.0", "id-acme-first")]


def test_a_file_that_a_member_withholds_keeps_its_place(public: FakeSource) -> None:
    mirror = remote("mirror")
    public.put("ball", "1.0")
    public.withheld["ball@1.0.toy"] = Withholding("recalled")
    mirror.put("ball", "1.0")
    listing = virtual(public, mirror).listing("ball")
    assert listing.withheld == {"ball@1.0.toy": Withholding("recalled", None, "acme/public")}
    assert shown(listing) == {"ball@1.0.toy": "id-acme-public"}


def test_the_bytes_and_the_documents_are_those_of_the_member_that_provides_the_file(
    internal: FakeSource, public: FakeSource
) -> None:
    internal.put("ball", "1.0")
    public.put("ball", "1.0")
    public.put("ball", "2.0", size=None)
    inner = virtual(internal, public, name="inner", guarded_by=OFF)
    source = virtual(inner, name="outer", guarded_by=OFF)
    ours, theirs = source.listing("ball").files
    assert source.open(ours).read() == b"ball@1.0.toy of acme/internal"
    assert source.open(theirs, 12, 5).read() == b" of a"
    assert source.document(theirs, "head") == b"head of ball@2.0.toy of acme/public"
    assert source.sized(theirs).size == len(b"ball@2.0.toy of acme/public")


def test_a_file_of_no_member_is_not_found(internal: FakeSource) -> None:
    with pytest.raises(NotFound):
        virtual(internal).open(File("id", "ball", "1.0", "ball@1.0.toy", 1, None, 0, holder="elsewhere"))


# The name guard


def test_a_public_version_of_a_local_name_is_not_offered(internal: FakeSource, public: FakeSource) -> None:
    internal.put("secret", "1.0")
    public.put("secret", "99.0")
    assert shown(virtual(internal, public).listing("secret")) == {"secret@1.0.toy": "id-acme-internal"}
    assert shown(virtual(public, internal).listing("secret")) == {"secret@1.0.toy": "id-acme-internal"}
    assert public.asked == []


def test_a_name_that_was_ever_held_stays_guarded(internal: FakeSource, public: FakeSource) -> None:
    internal.put("secret", "1.0")
    internal.drop("secret", "secret@1.0.toy")
    public.put("secret", "99.0")
    source = virtual(internal, public)
    with pytest.raises(NotFound, match="acme/all-libs has no package secret"):
        source.listing("secret")
    assert (source.names(), public.asked) == ([], [])


@pytest.mark.parametrize("pattern", ["acme-tool", "Acme-Tool", "acme-*", "ACME-*", "acme-too?"])
def test_a_private_name_is_asked_of_no_remote_held_or_not(pattern: str, public: FakeSource) -> None:
    public.put("acme-tool", "99.0")
    public.put("other", "1.0")
    source = virtual(local(), public, guarded_by=guard(private=[pattern]))
    with pytest.raises(NotFound):
        source.revision("acme-tool")
    with pytest.raises(NotFound):
        source.listing("acme-tool")
    assert (source.names(), public.asked) == (["other"], [])


@pytest.mark.parametrize("pattern", ["secret", "Secret", "sec*"])
def test_the_guard_is_lifted_by_name(pattern: str, internal: FakeSource, public: FakeSource) -> None:
    internal.put("secret", "1.0")
    internal.put("other", "1.0")
    for name in ("secret", "other"):
        public.put(name, "1.0")
        public.put(name, "99.0")
    source = virtual(internal, public, guarded_by=guard(lifted=[pattern]))
    assert shown(source.listing("secret")) == {
        "secret@1.0.toy": "id-acme-internal",
        "secret@99.0.toy": "id-acme-public",
    }
    assert set(shown(source.listing("other")).values()) == {"id-acme-internal"}


def test_without_the_guard_the_plain_rule_holds(internal: FakeSource, public: FakeSource) -> None:
    internal.put("secret", "1.0")
    public.put("secret", "1.0")
    public.put("secret", "99.0")
    source = virtual(internal, public, guarded_by=guard(private=["secret"], enabled=False))
    assert shown(source.listing("secret")) == {
        "secret@1.0.toy": "id-acme-internal",
        "secret@99.0.toy": "id-acme-public",
    }


def test_the_guard_sees_locals_at_any_depth(internal: FakeSource, public: FakeSource) -> None:
    internal.put("secret", "1.0")
    public.put("secret", "99.0")
    deep = virtual(virtual(internal, name="a"), virtual(public, name="b", guarded_by=OFF), name="c", guarded_by=OFF)
    assert len(deep.listing("secret").files) == 2
    assert set(shown(virtual(deep).listing("secret"))) == {"secret@1.0.toy"}
    assert virtual(deep).guarded("secret") == "acme/internal holds the name"


def test_an_inner_guard_stays_where_the_outer_one_is_off(internal: FakeSource, public: FakeSource) -> None:
    internal.put("secret", "1.0")
    public.put("secret", "99.0")
    inner = virtual(internal, public, name="inner")
    assert set(shown(virtual(inner, guarded_by=OFF).listing("secret"))) == {"secret@1.0.toy"}


def test_a_first_upload_between_guard_and_members_is_guarded_already(internal: FakeSource, public: FakeSource) -> None:
    public.put("secret", "99.0")
    source = virtual(public, internal)
    plain = public.listing

    def listing(package: str, local_only: bool = False) -> Any:
        found = plain(package, local_only)
        internal.put("secret", "1.0")
        return found

    public.listing = listing  # type: ignore[method-assign]
    public.revision = lambda package, local_only=False: plain(package, local_only).revision  # type: ignore[method-assign]
    assert set(shown(source.listing("secret"))) == {"secret@1.0.toy"}


def test_a_pattern_is_normalised_around_its_wildcards() -> None:
    def normalize(name: str) -> str:
        return name.lower().replace("_", "-")

    patterns = Patterns(["Acme_Tools", "Big_*", "x?_Y"], normalize)
    assert [name in patterns for name in ("acme-tools", "big-thing", "xz-y", "acme", "xyz-y")] == [True] * 3 + [
        False
    ] * 2
    assert str(patterns) == "acme-tools,big-*,x?-y"
    assert not Patterns([], normalize)
    assert str(Patterns(["no name!"], TOY.normalize)) == "no name!"


# Failing members


def test_a_member_that_fails_fails_the_page_and_is_named(internal: FakeSource, public: FakeSource) -> None:
    internal.put("ball", "1.0")
    public.failing = "no answer"
    source = virtual(internal, public, guarded_by=OFF)
    for ask in (source.listing, source.revision):
        with pytest.raises(UpstreamFailed, match=r"^acme/public: no answer$"):
            ask("ball")
    with pytest.raises(UpstreamFailed):
        source.names()
    with pytest.raises(UpstreamFailed):
        source.names_revision()


def test_a_member_that_names_itself_is_named_once(public: FakeSource) -> None:
    public.failing = "acme/public: no answer"
    with pytest.raises(UpstreamFailed, match=r"^acme/public: no answer$"):
        virtual(public).listing("ball")


def test_a_guarded_name_does_not_need_the_remotes(internal: FakeSource, public: FakeSource) -> None:
    internal.put("ball", "1.0")
    public.failing = "no answer"
    assert len(virtual(internal, public).listing("ball").files) == 1


def test_a_failure_is_tolerated_where_that_is_wanted(internal: FakeSource, public: FakeSource) -> None:
    internal.put("ball", "1.0")
    public.put("ball", "2.0")
    source = virtual(internal, public, guarded_by=OFF, tolerate=True)
    whole = source.listing("ball")
    public.failing = "no answer"
    less = source.listing("ball")
    assert (set(shown(less)), less.stale) == ({"ball@1.0.toy"}, "acme/public: no answer")
    assert source.names() == ["ball"]
    with pytest.raises(NotFound):
        source.listing("kite")
    public.failing = None
    assert (source.listing("ball"), less.revision != whole.revision) == (whole, True)


def test_a_member_without_the_package_is_just_absent(internal: FakeSource, public: FakeSource) -> None:
    public.put("ball", "1.0")
    assert len(virtual(internal, public).listing("ball").files) == 1
    with pytest.raises(NotFound, match="acme/all-libs has no package kite"):
        virtual(internal, public).revision("kite")


def test_staleness_and_the_end_of_validity_are_passed_up() -> None:
    first, second = remote("first"), remote("second")
    first.put("ball", "1.0")
    second.put("ball", "2.0")
    first.valid_until, second.valid_until, second.stale = 70, 50, "the upstream of acme/second is down"
    listing = virtual(virtual(first, second, name="inner")).listing("ball")
    assert (listing.valid_until, listing.stale) == (50, "the upstream of acme/second is down")


# Status


def test_the_first_member_that_has_the_package_decides_its_status() -> None:
    first, second = remote("first"), remote("second")
    second.put("ball", "2.0")
    second.statuses["ball"] = Status(StatusName.ARCHIVED, "done")
    assert virtual(first, second).listing("ball").status == Status(StatusName.ARCHIVED, "done")
    first.put("ball", "1.0")
    assert virtual(first, second).listing("ball").status == Status()


def test_a_member_that_has_the_package_quarantined_is_the_last_that_counts() -> None:
    first, second, third = remote("first"), remote("second"), remote("third")
    first.put("ball", "1.0")
    second.put("ball", "2.0")
    second.statuses["ball"] = Status(StatusName.QUARANTINED, "malware")
    third.put("ball", "2.0")
    third.put("ball", "3.0")
    listing = virtual(first, second, third).listing("ball")
    assert set(shown(listing)) == {"ball@1.0.toy", "ball@2.0.toy"}
    reason = Withholding("the package is quarantined: malware", None, "acme/second")
    assert (listing.withheld, listing.status) == ({"ball@2.0.toy": reason}, Status())


def test_a_package_that_a_local_member_has_quarantined_is_not_taken_from_the_next(public: FakeSource) -> None:
    internal = local()
    internal.put("ball", "1.0")
    internal.statuses["ball"] = Status(StatusName.QUARANTINED)
    public.put("ball", "1.0")
    listing = virtual(internal, public, guarded_by=OFF).listing("ball")
    assert (listing.files, listing.status) == ((), Status(StatusName.QUARANTINED))


# Names and revisions


def test_the_names_are_the_union_in_order(internal: FakeSource, public: FakeSource) -> None:
    for name in ("kite", "ball"):
        internal.put(name, "1.0")
    for name in ("drum", "ball", "zither"):
        public.put(name, "1.0")
    assert virtual(internal, public).names() == ["ball", "drum", "kite", "zither"]


def test_a_listing_is_made_once_for_each_revision(public: FakeSource) -> None:
    public.put("ball", "1.0")
    source = virtual(public)
    assert source.listing("ball") is source.listing("ball")
    before = source.listing("ball")
    public.put("ball", "2.0")
    assert source.listing("ball") is not before


def test_two_processes_say_the_same_revision(internal: FakeSource, public: FakeSource) -> None:
    public.put("ball", "1.0")
    one, other = virtual(internal, public), virtual(internal, public)
    assert one.revision("ball") == other.revision("ball") == other.listing("ball").revision
    assert one.names_revision() == other.names_revision()


# Against a model: what a person would say who reads the rule

NAMES = st.sampled_from(["ball", "kite"])
VERSIONS = st.sampled_from(["1", "1.0", "1.0.0", "1.1", "2", ""])
MEMBERS = st.integers(0, 3)


class Composition(RuleBasedStateMachine):
    """Members change under a virtual repository and a virtual one over that."""

    @initialize(enabled=st.booleans(), lifted=st.booleans(), private=st.booleans())
    def configure(self, enabled: bool, lifted: bool, private: bool) -> None:
        self.members = [local("a"), remote("b"), local("c"), remote("d")]
        self.lifted, self.private, self.enabled = lifted, private, enabled
        self.guard = guard(["kite"] if private else [], ["ball"] if lifted else [], enabled)
        self.flat = virtual(*self.members, guarded_by=self.guard)
        inner = virtual(*self.members[1:3], name="inner", guarded_by=OFF)
        self.deep = virtual(self.members[0], inner, self.members[3], guarded_by=self.guard)
        self.seen: dict[str, Any] = {}

    @rule(member=MEMBERS, name=NAMES, version=VERSIONS, number=st.integers(0, 1))
    def put(self, member: int, name: str, version: str, number: int) -> None:
        self.members[member].put(name, version, f"{name}@{version}-{number}.toy")

    @rule(member=MEMBERS, name=NAMES, data=st.data())
    def drop(self, member: int, name: str, data: st.DataObject) -> None:
        files = self.members[member].files.get(name)
        if files:
            self.members[member].drop(name, data.draw(st.sampled_from(sorted(files))))

    @rule(member=MEMBERS, name=NAMES)
    def release(self, member: int, name: str) -> None:
        if name not in self.members[member].files:
            self.members[member].held.discard(name)

    def expected(self, name: str) -> dict[str, str]:
        locals_only = self.enabled and not (self.lifted and name == "ball")
        locals_only &= any(name in member.held for member in self.members) or (self.private and name == "kite")
        chosen: dict[str, str] = {}
        taken: set[Any] = set()
        for member in self.members:
            if locals_only and member.repository.kind == "remote":
                continue
            files = [file for file in member.files.get(name, {}).values() if _key(file.version) not in taken]
            chosen |= {file.filename: file.holder for file in files if file.filename not in chosen}
            taken |= {_key(file.version) for file in files}
        return chosen

    @invariant()
    def it_shows_what_the_rule_says(self) -> None:
        names = [name for name in ("ball", "kite") if self.expected(name)]
        for source in (self.flat, self.deep):
            assert source.names() == names
            for name in names:
                listing = source.listing(name)
                assert shown(listing) == self.expected(name)
                assert source.revision(name) == listing.revision
                for file in listing.files:
                    assert source.open(file).read().decode().endswith(file.holder.removeprefix("id-acme-"))
                assert self.seen.setdefault(listing.revision, listing) == listing
            for name in {"ball", "kite"}.difference(names):
                with pytest.raises(NotFound):
                    source.listing(name)


def _key(version: str) -> Any:
    return TOY.version_key(version) if version else None


TestComposition = Composition.TestCase
TestComposition.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


@given(st.lists(st.lists(st.sampled_from("abcdef"), unique=True), max_size=4))
def test_names_are_each_told_once_and_in_order(lists: list[list[str]]) -> None:
    members = [remote(f"m{number}") for number in range(len(lists))]
    for member, names in zip(members, lists, strict=True):
        for name in names:
            member.put(name, "1")
    told = virtual(*members).names()
    assert all(one < other for one, other in pairwise(told))
    assert set(told) == {name for names in lists for name in names}


def test_what_is_kept_is_bounded_by_files_and_the_oldest_goes_first() -> None:
    members = [remote(f"m{number}") for number in range(5)]
    sizes = [3, 3, 3, 3, 40]
    for member, size in zip(members, sizes, strict=True):
        for number in range(size):
            member.put("ball", f"1.{number}")
    kept: Kept[Composed] = Kept(limit=12)
    made = [Composed(virtual(member).listing("ball")) for member in members]
    for number in (0, 1, 2):
        kept.put(str(number), made[number])
    assert kept.get("0") is made[0]  # used just now
    kept.put("3", made[3])
    assert [kept.get(str(number)) is not None for number in range(4)] == [True, False, True, True]
    kept.put("3", made[3])
    assert kept.get("0") is made[0]
    kept.put("4", made[4])
    assert [kept.get(str(number)) is not None for number in range(5)] == [False] * 4 + [True]
