"""What an installer would take, against every combination of versions of small worlds."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitalreg.errors import InvalidName, Unresolved, UpstreamFailed
from orbitalreg.graph.auditing import audit, pins, wished
from orbitalreg.graph.offers import Offers
from orbitalreg.graph.resolving import Bounds, Impossible, Resolution, Wish, resolve
from orbitalreg.model import File, Locked, Requirement

from ..universe import HERE, SmallFormat, World

FORMAT = SmallFormat()
NAMES = ("a", "b", "c", "d")


def offers(world: World, **options: Any) -> Offers:
    return Offers(world, FORMAT, HERE, **{"readers": 0, **options})  # type: ignore[arg-type]


def wishes(*texts: str) -> list[Wish]:
    return wished(FORMAT, texts, HERE)[0]


def taken(world: World, *texts: str) -> dict[str, int]:
    return versions(resolve(offers(world), wishes(*texts)))


def versions(resolution: Resolution) -> dict[str, int]:
    return {package: int(one.version) for package, one in resolution.chosen.items()}


def test_the_newest_that_fits_is_taken_and_the_way_to_it_told() -> None:
    world = World({"top": {1: ["mid"]}, "mid": {1: ["low<3"], 2: ["low<2"]}, "low": {1: [], 2: [], 3: []}})
    found = resolve(offers(world), wishes("top"))
    assert versions(found) == {"low": 1, "mid": 2, "top": 1}
    assert [(hop.stated, hop.package, hop.version) for hop in found.path("low")] == [
        ("top", "top", "1"),
        ("mid", "mid", "2"),
        ("low<2", "low", "1"),
    ]


def test_versions_are_given_up_where_others_rule_them_out() -> None:
    world = World({"a": {1: ["c<2"], 2: ["c>=2"]}, "b": {1: ["c<2"]}, "c": {1: [], 2: []}})
    assert taken(world, "a", "b") == {"a": 1, "b": 1, "c": 1}


def test_packages_that_ask_for_one_another_end() -> None:
    assert taken(World({"a": {1: ["b"]}, "b": {1: ["a>=1"]}}), "a") == {"a": 1, "b": 1}
    assert taken(World({"a": {1: ["a"]}}), "a") == {"a": 1}


def test_what_was_given_up_may_ask_for_itself() -> None:
    """The library's own way from its search to a result does not end here."""
    assert taken(World({"a": {1: ["a[x]"], 2: ["a[x]", "x? a<2"]}}), "a") == {"a": 1}


def test_extras_ask_for_more_and_for_the_package_in_one_version() -> None:
    world = World({"a": {1: ["x? b", "y? c", "both? a[x,y]"], 2: ["x? b>=9"]}, "b": {1: []}, "c": {1: []}})
    assert taken(world, "a") == {"a": 2}
    assert taken(world, "a[x]") == {"a": 1, "b": 1}
    assert taken(world, "a[both]<2") == {"a": 1, "b": 1, "c": 1}
    found = resolve(offers(world), wishes("a[both]<2"))
    assert found.chosen["a"].extras == ("both", "x", "y")
    assert [hop.stated for hop in found.path("c")] == ["a[both]<2", "y? c"]


def test_what_comes_from_elsewhere_is_told_and_not_asked_for() -> None:
    world = World({"a": {1: ["b @ https://b", "c"]}, "c": {1: ["b>=7"]}})
    found = resolve(offers(world), wishes("a"))
    assert versions(found) == {"a": 1, "c": 1}
    assert found.elsewhere == (("b @ https://b", "a"), ("b>=7", "c"))
    assert "b" not in world.asked


def test_a_yanked_version_is_taken_only_where_it_is_named() -> None:
    world = World({"a": {1: [], 2: []}, "b": {1: ["a==2", "a>=1"]}})
    world.change("a", 2, yanked="bad")
    assert taken(world, "a") == {"a": 1}
    assert taken(world, "a==2") == {"a": 2}
    assert [one.only for one in pins(offers(world), [("lock", Locked("a", "2"))])[0]] == [frozenset({(2,)})]
    assert versions(resolve(offers(world), pins(offers(world), [("lock", Locked("a", "2"))])[0])) == {"a": 2}


def test_a_version_whose_words_cannot_be_read_is_passed_over() -> None:
    world = World({"a": {1: [], 2: ["!!"]}, "b": {1: ["!!"]}})
    assert taken(world, "a") == {"a": 1}
    with pytest.raises(Impossible, match=r"^b 1 asks for '!!', which cannot be read$"):
        taken(world, "b")


def test_what_nobody_can_read_before_it_is_built_is_told() -> None:
    class Sealed(SmallFormat):
        def stated_requirements(self, file: File, document: Any) -> Sequence[str]:
            return [document("head").decode()]

    world = World({"a": {1: []}})
    found = resolve(Offers(world, Sealed(), HERE), wishes("a"))  # type: ignore[arg-type]
    assert (versions(found), found.chosen["a"].is_read) == ({"a": 1}, False)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["gone"], "acme/world has no package gone: asked for is gone"),
        (["a"], "acme/world has no package gone: a 1 asks for gone>=1"),
        (["c>=9"], "no version of c fits that acme/world offers: asked for is c>=9; the newest is 2"),
        (
            ["b", "c>=2"],
            "no version of c fits that acme/world offers: b 1 asks for c<2 and asked for is c>=2; the newest is 2",
        ),
        (["e"], "acme/world offers no file of e for here: asked for is e"),
    ],
)
def test_who_asks_for_what_is_told_where_nothing_fits(texts: list[str], said: str) -> None:
    world = World({"a": {1: ["gone>=1"]}, "b": {1: ["c<2"]}, "c": {1: [], 2: []}, "e": {}})
    with pytest.raises(Impossible) as caught:
        taken(world, *texts)
    told = str(caught.value)
    assert told == said or sorted(told) == sorted(said)


def test_a_failing_upstream_is_told_and_time_is_bounded() -> None:
    world = World({"a": {1: []}})
    world.listing = _failing  # type: ignore[method-assign]
    with pytest.raises(UpstreamFailed, match="it burns"):
        taken(world, "a")
    with pytest.raises(Unresolved, match=r"acme/world: no answer within -1 s; ask again"):
        resolve(offers(World({"a": {1: []}}), seconds=-1), wishes("a"))


def _failing(package: str) -> Any:
    raise UpstreamFailed("it burns")


def test_readers_begin_with_what_will_be_asked_and_each_thing_is_read_once() -> None:
    world = World(
        {name: {1: [following]} for name, following in zip("abcdefgh", "bcdefghi", strict=True)} | {"i": {1: []}}
    )
    counts: list[int] = []
    with Offers(world, FORMAT, HERE, told=counts.append) as read:  # type: ignore[arg-type]
        assert len(resolve(read, wishes("a")).chosen) == 9
    assert sorted(world.asked) == list("abcdefghi")
    assert max(counts) == 9


def test_wishes_that_cannot_be_read_or_do_not_count() -> None:
    with pytest.raises(InvalidName, match=r"^'!!' is no requirement that can be read$"):
        wishes("!!")
    assert wished(FORMAT, ["x? a"], HERE) == ([], [("x? a", "it does not count for here")])


def test_pins_that_the_repository_does_not_have_are_told_with_their_place() -> None:
    world = World({"a": {1: [], 2: []}})
    for pin, said in [
        (Locked("b", "1", place="line 3"), "r.txt line 3: b==1: acme/world has no package b"),
        (
            Locked("a", "7", place="line 4"),
            "r.txt line 4: a==7: acme/world offers no file of this version; see: orbitalreg explain acme/world/a",
        ),
        (
            Locked("a", "2", frozenset({"f" * 64}), "line 5"),
            "r.txt line 5: a==2: no file that acme/world offers has a digest of the lock; "
            "see: orbitalreg explain acme/world/a",
        ),
    ]:
        with pytest.raises(Unresolved) as caught:
            pins(offers(world), [("r.txt", pin)])
        assert str(caught.value) == said
    assert pins(offers(world), [("r.txt", Locked("a", "1"))])[1] == []


# Small worlds, and what could be in them at all.

_requirement = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "", "", "x? "]),
    st.sampled_from([*NAMES, "a[x]", "b[x]"]),
    st.sampled_from(["", "", ">=2", "<2", "<3", ">=3", "==2"]),
)
_versions = st.dictionaries(st.integers(1, 3), st.lists(_requirement, max_size=2), max_size=3)
_packages = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, _versions))
_wishes = st.lists(_requirement.filter(lambda text: "?" not in text), min_size=1, max_size=2)


def is_consistent(world: World, texts: Sequence[str], assigned: Mapping[str, int]) -> bool:
    """Whether everything that is asked for on the way is there."""
    asked = list(FORMAT.requirements(texts, HERE))
    seen: set[Requirement] = set()
    extras: dict[str, set[str]] = {}
    while asked:
        one = asked.pop()
        if one in seen:
            continue
        seen.add(one)
        known = world.listings.get(one.package)
        files = [file for file in known.files if int(file.version) == assigned.get(one.package)] if known else []
        if not files or not FORMAT.candidates(one, files):
            return False
        extras.setdefault(one.package, set()).update(one.extras)
        asked += FORMAT.requirements(files[0].requirements, HERE, one.extras)
    return extras.keys() == assigned.keys()


def solutions(world: World, texts: Sequence[str]) -> Iterator[dict[str, int]]:
    known = {name: [None, *(int(file.version) for file in listing.files)] for name, listing in world.listings.items()}
    for choice in product(*known.values()):
        assigned = {name: version for name, version in zip(known, choice, strict=True) if version is not None}
        if is_consistent(world, texts, assigned):
            yield assigned


def newest(world: World, texts: Sequence[str]) -> dict[str, int] | None:
    """The newest of each as each asks for it, where all agree."""
    found: dict[str, int] = {}
    asked, seen = list(FORMAT.requirements(texts, HERE)), set()
    while asked:
        one = asked.pop()
        if one in seen:
            continue
        seen.add(one)
        known = world.listings.get(one.package)
        allowed = FORMAT.candidates(one, FORMAT.offers(known, HERE)) if known else []
        if not allowed or found.setdefault(one.package, int(allowed[0].version)) != int(allowed[0].version):
            return None
        asked += FORMAT.requirements(allowed[0].requirements, HERE, one.extras)
    return found


@given(_packages, _wishes)
@settings(max_examples=400, deadline=None)
def test_it_finds_a_solution_wherever_there_is_one_and_the_newest_where_all_agree(
    packages: dict[str, dict[int, list[str]]], texts: list[str]
) -> None:
    world = World(packages)
    try:
        found = taken(world, *texts)
    except Impossible:
        assert list(solutions(world, texts)) == []
        return
    assert is_consistent(world, texts, found)
    assert newest(world, texts) in (None, found)


# The smallest set of upgrades.


def upgraded(world: World, *texts: str) -> tuple[dict[str, int], list[str], bool]:
    done = audit(offers(world), texts, (), world)
    assert done.upgrades is not None
    told = done.upgrades
    assert told.is_smallest or len(told.changed) > 1
    return (
        {name: int(file.version) for name, file in told.changed.items()},
        [f"{ill.id} of {ill.package}: {why}" for ill, why in told.left],
        bool(told.widened),
    )


CHAIN: Mapping[str, Mapping[int, Sequence[str]]] = {
    "top": {1: ["mid<2"], 2: ["mid"]},
    "mid": {1: ["low<2"], 2: ["low>=2"]},
    "low": {1: [], 2: []},
}


def test_one_change_that_brings_the_others_is_enough() -> None:
    assert upgraded(World(CHAIN, {("low", 1): ["CVE-1"]}), "top==1") == ({"top": 2}, [], True)


def test_what_a_lock_pins_is_changed_as_far_as_it_must_be() -> None:
    world = World({**CHAIN, "other": {1: [], 2: []}}, {("low", 1): ["CVE-1"]})
    lock = [("r.txt", Locked(name, "1")) for name in ("top", "mid", "low", "other")]
    told = audit(offers(world), (), lock, world).upgrades
    assert told is not None
    assert {name: file.version for name, file in told.changed.items()} == {"low": "2", "mid": "2", "top": "2"}
    assert len(told.widened) == 3
    assert told.left == ()


def test_what_cannot_be_cleared_is_said_with_why_and_the_rest_cleared() -> None:
    world = World({"a": {1: ["b<2"], 2: ["b<2"]}, "b": {1: [], 2: []}, "c": {1: [], 2: []}}, {("b", 1): ["CVE-1"]})
    assert upgraded(world, "a", "c") == (
        {},
        [
            "CVE-1 of b: no version of b fits that acme/world offers: "
            "a 2 asks for b<2 and a 1 asks for b<2; the newest is 2"
        ],
        False,
    )
    world.ill = {("b", 1): ["CVE-1"], ("c", 1): ["CVE-2"]}
    changed, left, _ = upgraded(world, "a", "c==1")
    assert (changed, len(left)) == ({"c": 2}, 1)
    world.ill = {("c", 1): ["CVE-2"], ("c", 2): ["CVE-2"]}
    assert upgraded(world, "c")[1] == ["CVE-2 of c: acme/world offers no later version of c without it"]


def test_where_no_later_version_helps_a_lower_one_that_is_allowed_does() -> None:
    world = World({"a": {1: ["b"]}, "b": {1: [], 2: [], 3: []}}, {("b", 3): ["CVE-1"]})
    assert upgraded(world, "a") == ({"b": 2}, [], False)


def test_an_upgrade_that_brings_another_vulnerability_is_none() -> None:
    world = World({"a": {1: [], 2: [], 3: []}}, {("a", 1): ["CVE-1"], ("a", 2): ["CVE-2"]})
    assert upgraded(world, "a==1") == ({"a": 3}, [], True)


_ill = st.dictionaries(
    st.tuples(st.sampled_from(NAMES), st.integers(1, 3)), st.lists(st.sampled_from(["X", "Y"]), min_size=1, max_size=2)
)


def brute(world: World, texts: Sequence[str], now: Resolution) -> int | None:
    """How few packages may be changed so that an installer takes nothing ill; None where no change does it."""
    read = offers(world)
    roots = {one.package: one for one in FORMAT.requirements(texts, HERE)}
    choices: dict[str, list[int | None]] = {}
    for name, listing in world.listings.items():
        allowed = [int(file.version) for file in listing.files]
        if name in roots:
            fits = {
                int(f.version)
                for f in listing.files
                if all(FORMAT.candidates(one, [f]) for one in FORMAT.requirements(texts, HERE) if one.package == name)
            }
            allowed = [one for one in allowed if one in fits or one >= int(now.chosen[name].version)]
        choices[name] = [None, *allowed]
    best = None
    for choice in product(*choices.values()):
        pinned = {name: version for name, version in zip(choices, choice, strict=True) if version is not None}
        if best is not None and len(pinned) >= best:
            continue
        try:
            after = resolve(read, wishes(*texts), Bounds(pinned={n: frozenset([(v,)]) for n, v in pinned.items()}))
        except Impossible:
            continue
        if not any(world.ill.get((name, version)) for name, version in versions(after).items()):
            best = len(pinned)
    return best


@given(_packages, _wishes, _ill)
@settings(max_examples=300, deadline=None)
def test_no_smaller_set_of_upgrades_clears_as_much(
    packages: dict[str, dict[int, list[str]]], texts: list[str], ill: dict[tuple[str, int], list[str]]
) -> None:
    world = World(packages, ill)
    try:
        done = audit(offers(world), texts, (), world)
    except Impossible:
        return
    told = done.upgrades
    if told is None:
        assert done.ills == ()
        return
    least = brute(world, texts, done.resolution)
    if least is None:
        assert told.left
    else:
        assert told.left == ()
        assert len(told.changed) == least
    assert {(one.package, one.id) for one, _ in told.left} <= {(one.package, one.id) for one in done.ills}
    assert all(why for _, why in told.left)
