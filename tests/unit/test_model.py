"""The nouns: names, addresses, grants, and what an identity may do."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitalreg.errors import InvalidName
from orbitalreg.model import ANONYMOUS, Address, Grant, Identity, Right, Status, StatusName, best, valid_name

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?", fullmatch=True)
PATTERNS = st.from_regex(r"[A-Za-z0-9._*?-]{1,128}", fullmatch=True)
RIGHTS = st.sampled_from(Right)
GRANTS = st.one_of(
    st.builds(Grant, NAMES, st.none(), st.none(), RIGHTS),
    st.builds(Grant, NAMES, NAMES, st.none(), RIGHTS),
    st.builds(Grant, NAMES, NAMES, PATTERNS, RIGHTS),
)
TOYS = Address("acme", "toys")


def grants(*texts: str) -> tuple[Grant, ...]:
    return tuple(map(Grant.parse, texts))


def identity(owner: str, token: str) -> Identity:
    return Identity("service:robot", "t1", grants(*owner.split()), grants(*token.split()))


@given(GRANTS)
def test_a_grant_reads_back_as_it_is_written(grant: Grant) -> None:
    assert Grant.parse(str(grant)) == grant


@given(st.text())
def test_any_other_text_is_no_grant(text: str) -> None:
    try:
        grant = Grant.parse(text)
    except InvalidName:
        return
    assert str(grant) == text.rpartition(":")[0] + ":" + text.rpartition(":")[2].lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acme",
        "acme:",
        ":read",
        "acme:write",
        "acme/:read",
        "acme/toys/:read",
        "acme//ball:read",
        "acme/toys/ball/x:read",
        "Acme:read",
        "acme/toys/[ab]:read",
        "acme/toys/ball:read:read",
    ],
)
def test_a_malformed_grant_is_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        Grant.parse(text)


def test_a_pattern_needs_a_repository() -> None:
    with pytest.raises(InvalidName, match="pattern"):
        Grant("acme", None, "ball", Right.READ)


@pytest.mark.parametrize(
    ("grant", "package", "covers"),
    [
        ("acme:read", "ball", True),
        ("acme:read", None, True),
        ("acme/toys:read", "ball", True),
        ("acme/toys:read", None, True),
        ("acme/other:read", "ball", False),
        ("other:read", "ball", False),
        ("acme/toys/ball:read", "ball", True),
        ("acme/toys/ball:read", "balloon", False),
        ("acme/toys/ball*:read", "balloon", True),
        ("acme/toys/ball?:read", "ball", False),
        ("acme/toys/*:read", "ball", True),
        ("acme/toys/*:read", None, False),
    ],
)
def test_a_grant_covers_what_it_names(grant: str, package: str | None, covers: bool) -> None:
    assert Grant.parse(grant).covers(TOYS, package) is covers


@pytest.mark.parametrize(
    ("grant", "touches"),
    [("acme:read", True), ("acme/toys/ball:read", True), ("acme/other:read", False), ("other:read", False)],
)
def test_a_grant_touches_a_repository_of_which_it_names_a_part(grant: str, touches: bool) -> None:
    assert Grant.parse(grant).touches(TOYS) is touches


def test_the_best_of_several_grants_counts() -> None:
    several = grants("acme:read", "acme/toys/ball:maintain", "acme/toys:publish")
    assert best(several, TOYS, "ball") == Right.MAINTAIN
    assert best(several, TOYS, "kite") == Right.PUBLISH
    assert best(several, Address("acme", "open"), "ball") == Right.READ
    assert best(several, Address("other", "toys"), "ball") == 0


@given(RIGHTS, RIGHTS)
def test_each_right_holds_those_before_it(held: Right, wanted: Right) -> None:
    order = ["read", "publish", "maintain", "admin"]
    may = identity(f"acme:{held}", f"acme:{held}").may(wanted, TOYS, "ball")
    assert may is (order.index(str(held)) >= order.index(str(wanted)))


@given(RIGHTS, RIGHTS, RIGHTS)
def test_the_lesser_of_owner_and_token_counts(owner: Right, token: Right, wanted: Right) -> None:
    assert identity(f"acme:{owner}", f"acme:{token}").may(wanted, TOYS) is (min(owner, token) >= wanted)


def test_a_token_is_good_only_where_its_owner_is_too() -> None:
    caller = identity("acme/toys/ball:publish", "acme:publish")
    assert caller.may(Right.PUBLISH, TOYS, "ball")
    assert not caller.may(Right.PUBLISH, TOYS, "kite")
    assert not caller.may(Right.READ, TOYS)


def test_a_right_somewhere_is_not_a_right_everywhere() -> None:
    caller = identity("acme:publish", "acme/toys/ball:publish")
    assert caller.may_somewhere(Right.PUBLISH, TOYS)
    assert not caller.may_somewhere(Right.MAINTAIN, TOYS)
    assert not caller.may_somewhere(Right.READ, Address("other", "toys"))
    assert not caller.may(Right.READ, TOYS)


def test_the_anonymous_may_nothing() -> None:
    assert ANONYMOUS.is_anonymous
    assert not ANONYMOUS.may(Right.READ, TOYS, "ball")
    assert not ANONYMOUS.may_somewhere(Right.READ, TOYS)


def test_the_operator_may_everything() -> None:
    operator = Identity("local:me", is_operator=True)
    assert not operator.is_anonymous
    assert operator.may(Right.ADMIN, TOYS, "ball")
    assert operator.may_somewhere(Right.ADMIN, TOYS)


@given(NAMES, NAMES)
def test_an_address_reads_back_as_it_is_written(project: str, repository: str) -> None:
    assert Address.parse(f"{project}/{repository}") == Address(project, repository)
    assert str(Address(project, repository)) == f"{project}/{repository}"


@pytest.mark.parametrize("text", ["", "acme", "acme/", "/toys", "acme/toys/ball", "acme/..", "../etc", "acme/Toys"])
def test_a_malformed_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        Address.parse(text)


@given(NAMES)
def test_a_valid_name_stays_as_it_is(name: str) -> None:
    assert valid_name(name, "name") == name


@pytest.mark.parametrize("name", ["", ".", "-a", "a-", "a_", "A", "a b", "a/b", "ä", "a\n", "x" * 65, "../a", "a\x00"])
def test_an_invalid_name_is_refused_by_what_it_was_to_be(name: str) -> None:
    with pytest.raises(InvalidName, match="is no project name"):
        valid_name(name, "project name")


@pytest.mark.parametrize(("text", "right"), [("read", Right.READ), ("ADMIN", Right.ADMIN)])
def test_a_right_is_read_from_its_name(text: str, right: Right) -> None:
    assert Right.parse(text) is right


@pytest.mark.parametrize("text", ["", "write", "1", "read "])
def test_any_other_word_is_no_right(text: str) -> None:
    with pytest.raises(InvalidName, match="use read, publish, maintain or admin"):
        Right.parse(text)


@pytest.mark.parametrize(
    ("name", "takes", "offers"),
    [("active", True, True), ("deprecated", True, True), ("archived", False, True), ("quarantined", False, False)],
)
def test_a_status_says_what_is_taken_and_offered(name: Any, takes: bool, offers: bool) -> None:
    status = Status(StatusName(name))
    assert (status.takes_uploads, status.offers_files) == (takes, offers)
