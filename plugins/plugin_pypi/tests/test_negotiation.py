"""Which representation a client gets: pypi-conformance, section 1, "Negotiation", without a wire."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from orbitalreg_pypi.negotiation import HTML, JSON, LEGACY_HTML, choose

OFFERED = (JSON, HTML, LEGACY_HTML)
LATEST_JSON, LATEST_HTML = "application/vnd.pypi.simple.latest+json", "application/vnd.pypi.simple.latest+html"

TABLE = [
    (f"{JSON}, {HTML}; q=0.1, text/html; q=0.01", JSON),
    (f"{JSON}, {HTML};q=0.2, text/html;q=0.01", JSON),
    (f"{JSON}, */*;q=0.1", JSON),
    ("*/*", LEGACY_HTML),
    ("text/html", LEGACY_HTML),
    (None, LEGACY_HTML),
    ("", LEGACY_HTML),
    ("application/json", LEGACY_HTML),
    ("application/*", LEGACY_HTML),
    ("application/xml", LEGACY_HTML),
    (LATEST_JSON, JSON),
    (LATEST_HTML, HTML),
    (f"text/html,{LATEST_JSON};q=0.9", LEGACY_HTML),
    (f"text/html;q=0.9,{LATEST_JSON}", JSON),
    (f"{HTML}, {JSON}", JSON),
    (f"text/html, {HTML}", HTML),
    (f"{JSON};q=0", LEGACY_HTML),
    (f"{JSON};q=0, {HTML};q=0.001", HTML),
    (f"{JSON};q=0.1, {JSON};q=0.9, {HTML};q=0.5", JSON),
    (f"{JSON} ; Q=1", JSON),
    (f"{JSON};level=1;q=0.5, {HTML};q=0.6", HTML),
    (f"{JSON};q=high", LEGACY_HTML),
    (f"{JSON};q=-1", LEGACY_HTML),
    (f"{JSON};q=7, {HTML}", JSON),
]

QUALITIES = st.integers(0, 1000).map(lambda thousandths: f"{thousandths / 1000:.3f}")
TYPES = st.sampled_from([*OFFERED, LATEST_JSON, LATEST_HTML, "*/*", "application/*", "text/*", "application/json"])


@pytest.mark.parametrize(("accept", "expected"), TABLE)
def test_the_table(accept: str | None, expected: str) -> None:
    assert choose(accept, None) == expected


@pytest.mark.parametrize("accept", [accept for accept, _ in TABLE])
@pytest.mark.parametrize(
    ("override", "expected"),
    [*((one, one) for one in OFFERED), (LATEST_JSON, JSON), (LATEST_HTML, HTML), (JSON.replace("+", " "), JSON)],
)
def test_the_query_overrides_accept(accept: str | None, override: str, expected: str) -> None:
    assert choose(accept, override) == expected


@pytest.mark.parametrize("override", ["", "json", "application/json", "text/plain", f"{JSON}, {HTML}", "*/*"])
def test_a_query_for_what_is_not_offered_is_passed_over(override: str) -> None:
    assert choose(JSON, override) == JSON
    assert choose("text/html", override) == LEGACY_HTML


@given(st.none() | st.text(max_size=60), st.none() | st.text(max_size=60))
@example(f"{JSON};q=nan", None)
@example(f"{JSON};q=inf, {HTML};q=1e400", None)
@example(f"{JSON};q={'9' * 5000}", None)
def test_anything_is_answered_with_something_that_is_offered(accept: str | None, override: str | None) -> None:
    assert choose(accept, override) in OFFERED


@given(st.lists(st.tuples(TYPES, QUALITIES), max_size=6))
def test_the_type_that_is_named_with_the_highest_quality_wins(items: list[tuple[str, str]]) -> None:
    chosen = choose(", ".join(f"{media_type};q={quality}" for media_type, quality in items), None)
    same = {LATEST_JSON: JSON, LATEST_HTML: HTML}
    named = [(float(quality), same.get(media_type, media_type)) for media_type, quality in items]
    named = [(quality, media_type) for quality, media_type in named if quality > 0 and media_type in OFFERED]
    if not named:
        assert chosen == LEGACY_HTML
    else:
        assert (max(quality for quality, _ in named), chosen) in named


@given(st.lists(st.tuples(TYPES, QUALITIES), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_order_and_spaces_do_not_matter(items: list[tuple[str, str]], random: object) -> None:
    written = [f"{media_type};q={quality}" for media_type, quality in items]
    expected = choose(",".join(written), None)
    random.shuffle(written)  # type: ignore[attr-defined]
    assert choose(" ,\t".join(one.replace(";", " ; ") for one in written).upper(), None) == expected
