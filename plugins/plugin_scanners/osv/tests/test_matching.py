"""Whether a version is affected: the rules of the schema, against a plain implementation of its pseudo-code."""

from collections.abc import Sequence

import pytest
from asked_of_osv import lenient
from hypothesis import given
from hypothesis import strategies as st
from orbitalreg_osv import matching
from orbitalreg_osv.ecosystems import ECOSYSTEMS
from orbitalreg_osv.matching import Affected, Asked, Event, fixed_in, mended, spelled
from packaging.version import Version

(PYPI,) = ECOSYSTEMS
# fmt: off
SPELLINGS = [
    "0", "0.0.dev1", "0.1", "0.1.0", "1", "1.0", "1.0.0", "v1.0", "1.0a1", "1.0.alpha1", "1.0b2", "1.0rc1",
    "1.0-c1", "1.0.post1", "1.0-1", "1.0.dev3", "1.0+local", "1.1", "1.10", "1.9", "2", "2.0", "2.0.0.0",
    "2.0rc1", "2.0.post2.dev1", "3.0", "1!0.1", "1!1.0", "2020.1.1",
]
# fmt: on
versions = st.sampled_from(SPELLINGS)
events = st.lists(
    st.tuples(st.sampled_from(["introduced", "fixed", "last_affected"]), versions).map(lambda event: dict([event])),
    max_size=6,
)


def of(ranges: Sequence[Sequence[Event]], listed: Sequence[str] = ()) -> Affected:
    return matching.read(PYPI, spelled(PYPI, listed), ranges)


def asked(version: str) -> Asked:
    return Asked.of(PYPI, version)


def fixed(parts: Sequence[Affected], version: str) -> str | None:
    return fixed_in(mended(parts), asked(version))


def reference(version: str, ranges: Sequence[Sequence[Event]], listed: Sequence[str]) -> bool:
    """https://ossf.github.io/osv-schema/#evaluation, line by line."""
    if version in listed or any(Version(version) == Version(one) for one in listed):
        return True
    for its in ranges:
        limits = [text for event in its for kind, text in event.items() if kind == "limit"]
        if limits and not any(one == "*" or Version(version) < Version(one) for one in limits):
            continue
        is_vulnerable = False
        for kind, text in sorted(
            ((kind, text) for event in its for kind, text in event.items() if kind != "limit"),
            key=lambda one: (
                (one[1] != "0" or one[0] != "introduced", Version(one[1])),
                ["fixed", "introduced", "last_affected"].index(one[0]),
            ),
        ):
            if kind == "introduced" and (text == "0" or Version(version) >= Version(text)):
                is_vulnerable = True
            elif (kind == "fixed" and Version(version) >= Version(text)) or (
                kind == "last_affected" and Version(version) > Version(text)
            ):
                is_vulnerable = False
        if is_vulnerable:
            return True
    return False


def _has_unclear_tie(its: Sequence[Event]) -> bool:
    """The schema leaves open what `introduced` and `last_affected` at one version mean: tests below say it."""
    told = {kind: {Version(event[kind]) for event in its if kind in event} for kind in ("introduced", "last_affected")}
    return bool(told["introduced"] & told["last_affected"])


@lenient
@given(
    versions,
    st.lists(
        st.builds(
            lambda its, limits: [*its, *({"limit": one} for one in limits)],
            events.filter(lambda its: not _has_unclear_tie(its)),
            st.lists(versions | st.just("*"), max_size=2),
        ),
        max_size=3,
    ),
    st.lists(versions, max_size=3),
)
def test_the_same_as_the_schemas_own_words(version: str, ranges: list[list[dict[str, str]]], listed: list[str]) -> None:
    assert of(ranges, listed).affects(asked(version)) == reference(version, ranges, listed)


@lenient
@given(versions, st.lists(events, max_size=3), st.lists(versions, max_size=3))
def test_a_fixed_version_is_the_smallest_that_is_named_above_and_not_affected(
    version: str, ranges: list[list[dict[str, str]]], listed: list[str]
) -> None:
    found = of(ranges, listed)
    named = {event["fixed"] for its in ranges for event in its if "fixed" in event}
    good = [text for text in named if Version(text) > Version(version) and not found.affects(asked(text))]
    told = fixed([found], version)
    assert (None if told is None else Version(told)) == min(map(Version, good), default=None)


@lenient
@given(st.permutations([{"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "1.0"}, {"fixed": "2.0"}]))
def test_at_one_version_fixed_comes_before_introduced(its: list[Event]) -> None:
    found = of([its])
    assert [found.affects(asked(version)) for version in ("0.9", "1.0", "1.5", "2.0")] == [True, True, True, False]


@lenient
@given(st.permutations([{"introduced": "1.0"}, {"last_affected": "1.0"}]))
def test_one_version_alone(its: list[Event]) -> None:
    assert [of([its]).affects(asked(version)) for version in ("0.9", "1.0.0", "1.0.post1", "1.1")] == [
        False,
        True,
        False,
        False,
    ]


@lenient
@given(st.permutations([{"introduced": "0"}, {"last_affected": "1.0"}, {"introduced": "1.0"}, {"fixed": "2.0"}]))
def test_what_ends_and_begins_at_one_version_goes_on(its: list[Event]) -> None:
    assert [of([its]).affects(asked(version)) for version in ("0.5", "1.0", "1.5", "2.0")] == [True, True, True, False]


@pytest.mark.parametrize(
    ("listed", "version", "is_affected"),
    [
        (["1.0"], "1.0.0", True),
        (["1.0-rc1"], "1.0rc1", True),
        (["1.0"], "1.0+local", False),
        (["2004d-final"], "2004d-final", True),
        (["2004d-final"], "2004d", False),
        (["0.0"], "0", True),
        (["01.0"], "1", True),
        (["9" * 300], "9" * 300, True),
    ],
)
def test_versions_are_compared_literally_and_by_their_meaning(
    listed: list[str], version: str, is_affected: bool
) -> None:
    assert of([], listed).affects(asked(version)) is is_affected


def test_a_text_that_is_no_version_is_in_no_range() -> None:
    assert not of([[{"introduced": "0"}]]).affects(asked("2004d-final"))


def test_the_beginning_is_before_every_version() -> None:
    assert of([[{"introduced": "0"}, {"fixed": "1"}]]).affects(asked("0.dev0"))


def test_a_range_that_cannot_be_ordered_is_left_to_what_is_listed() -> None:
    its = [{"introduced": "0"}, {"fixed": "2019-09-12"}]
    assert [of([its], ["1.0"]).affects(asked(version)) for version in ("1.0", "1.1")] == [True, False]
    assert of([its]).affects(asked("1.1"))  # nothing is listed: what is told counts without its end


def test_a_fix_that_another_part_affects_is_none() -> None:
    parts = [of([[{"introduced": "0"}, {"fixed": "1.5"}]]), of([[{"introduced": "1.2"}, {"fixed": "2.0"}]])]
    assert fixed(parts, "1.0") == "2.0"
    assert fixed(parts, "2.0") is None
    assert fixed([], "1.0") is None
    assert fixed(parts, "no version") is None
