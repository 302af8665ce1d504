"""What becomes of a page when its upstream tells another: the rules one by one, and what holds whatever is told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitalreg.catalog.remotes import Entry, Fact, decoded, encoded
from orbitalreg.model import RemoteFile
from orbitalreg.sources.remote.merging import REMOVED, REPLACED, Merged, merge

ONE, TWO = "1" * 64, "2" * 64

digests = st.sampled_from([None, ONE, TWO])
remote_files = st.builds(
    RemoteFile,
    filename=st.sampled_from(["a@1.toy", "b@1.toy", "c@1.toy"]),
    version=st.just("1"),
    url=st.sampled_from(["https://one.example/x", "https://two.example/x", "https://one.example/x?signed=1#f"]),
    size=st.sampled_from([None, 1, 2]),
    sha256=digests,
    uploaded_at=st.sampled_from([None, 5, 6]),
    documents=st.sampled_from([{}, {"head": ""}, {"head": ONE}, {"head": TWO}]),
    yanked=st.sampled_from([None, "", "bad"]),
    attributes=st.sampled_from([{}, {"note": "x"}]),
)
pages = st.lists(remote_files, max_size=5)
steps = st.lists(
    st.tuples(pages, st.booleans(), st.dictionaries(st.integers(0, 4), st.sampled_from([ONE, TWO]))), max_size=6
)


def file(name: str = "a@1.toy", url: str = "https://one.example/x", **facts: object) -> RemoteFile:
    return replace(RemoteFile(name, "1", url), **facts)  # type: ignore[arg-type]


def once(
    before: Sequence[Entry],
    told: Sequence[RemoteFile],
    facts: Mapping[str, Fact] | None = None,
    documents: Mapping[str, Mapping[str, str]] | None = None,
    staying: Sequence[str] = (),
) -> Merged:
    return merge(before, told, facts or {}, documents or {}, staying, 9)


OLD = Entry("old", 3, file(sha256=ONE, size=1, uploaded_at=5))


@pytest.mark.parametrize(
    ("before", "held", "after", "same"),
    [
        (file(sha256=ONE), None, file(sha256=ONE, url="https://two.example/x"), True),
        (file(sha256=ONE), None, file(sha256=TWO), False),
        (file(sha256=ONE), None, file(), True),
        (file(sha256=ONE), None, file(url="https://two.example/x"), False),
        (file(), None, file(), True),
        (file(), None, file(url="https://one.example/x?signed=2"), True),
        (file(), None, file(url="https://two.example/x"), False),
        (file(), ONE, file(sha256=ONE, url="https://two.example/x"), True),
        (file(), ONE, file(sha256=TWO), False),
        (file(), ONE, file(), True),
        (file(), None, file(sha256=TWO), True),
    ],
)
def test_a_file_is_the_same_by_its_digest_or_else_by_its_address(
    before: RemoteFile, held: str | None, after: RemoteFile, same: bool
) -> None:
    merged = once([Entry("old", 3, before)], [after], {"old": Fact(held, 1)} if held else {})
    [entry] = merged.entries
    assert (entry.id == "old", entry.first_seen == 3) == (same, same)
    assert merged.dropped == (() if same else ((Entry("old", 3, before), REPLACED),))


def test_what_is_not_told_any_more_of_the_same_file_stays() -> None:
    [entry] = once([OLD], [file(yanked="bad")]).entries
    assert (entry.told.sha256, entry.told.size, entry.told.uploaded_at, entry.told.yanked) == (ONE, 1, 5, "bad")


def test_a_file_that_stays_is_marked_as_gone_and_comes_back_as_it_was() -> None:
    [gone] = once([OLD], [], staying=["old"]).entries
    assert gone == replace(OLD, is_gone=True)
    assert once([gone], [OLD.told]).entries == (OLD,)
    assert once([gone], []).dropped == ((gone, REMOVED),)


def test_of_two_files_of_one_name_the_first_counts() -> None:
    [entry] = once([], [file(sha256=ONE), file(sha256=TWO)]).entries
    assert entry.told.sha256 == ONE


def test_a_document_of_another_digest_is_outdated() -> None:
    learnt = {"old": {"head": ONE, "tail": ONE}}
    assert once([OLD], [replace(OLD.told, documents={"head": TWO, "tail": ""})], {}, learnt).outdated == (
        ("old", "head"),
    )
    assert once([OLD], [replace(OLD.told, documents={"head": ONE})], {}, learnt).outdated == ()


@given(steps)
def test_whatever_is_told_ids_stay_with_their_bytes_and_nothing_is_lost(
    steps: list[tuple[list[RemoteFile], bool, dict[int, str]]],
) -> None:
    before: tuple[Entry, ...] = ()
    facts: dict[str, Fact] = {}
    known: dict[str, str] = {}
    seen: dict[str, int] = {}
    for at, (told, preserves, fetched) in enumerate(steps, 1):
        staying = set(facts) if preserves else set()
        merged = merge(before, told, facts, {}, staying, at)
        entries = {entry.told.filename: entry for entry in merged.entries}
        kept = {entry.id for entry in merged.entries}
        first = {file.filename: file for file in reversed(told)}

        assert len(entries) == len(merged.entries) == len(kept), "one of each name, one of each id"
        assert {name for name, entry in entries.items() if not entry.is_gone} == set(first), "all that is told"
        assert kept | {entry.id for entry, _ in merged.dropped} >= {entry.id for entry in before}
        assert not kept & {entry.id for entry, _ in merged.dropped}
        untold = {entry.id for entry in before if entry.told.filename not in first}
        assert {entry.id for entry in merged.entries if entry.is_gone} == untold & staying
        for entry in merged.entries:
            assert entry.first_seen == seen.setdefault(entry.id, at), "the first sight is not moved"
            digest = entry.told.sha256 or (facts[entry.id].sha256 if entry.id in facts else None)
            if digest is not None:
                assert known.setdefault(entry.id, digest) == digest, "one id, one digest, for ever"
            if not entry.is_gone:
                stated = first[entry.told.filename].sha256
                assert stated in (None, digest), "what is stated now is what counts"
        assert decoded(encoded(merged.entries)) == list(merged.entries)

        before = merged.entries
        facts = {file_id: fact for file_id, fact in facts.items() if file_id in kept}
        for number, digest in fetched.items():  # some of the files are fetched now; a wrong digest is never a fact
            if number < len(before) and not before[number].is_gone:
                entry = before[number]
                right = entry.told.sha256 or (facts[entry.id].sha256 if entry.id in facts else digest)
                facts[entry.id] = Fact(right, 1)
                known.setdefault(entry.id, right)
        again = merge(before, list(first.values()), facts, {}, staying & kept, at)
        assert sorted(map(repr, again.entries)) == sorted(map(repr, before)), "told once more, nothing changes"
