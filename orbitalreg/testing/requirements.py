"""The contract of a format adapter as far as versions ask for others: environments, requirements, choices."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orbitalreg.errors import InvalidName, NotFound
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import File, Listing, Requirement
from orbitalreg.testing import checks, pages
from orbitalreg.testing.evidence import AdapterUnderTest

bounded = settings(
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
        HealthCheck.too_slow,
    ],
)


def _stated(subject: AdapterUnderTest) -> list[str]:
    return [good.found.stated for good in subject.requirements]


def _any_texts(subject: AdapterUnderTest) -> st.SearchStrategy[list[str]]:
    return st.lists(checks.near(_stated(subject) or [""]), max_size=5)


def _any_extras(subject: AdapterUnderTest) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from([good.extra for good in subject.requirements] or [""]) | st.text(max_size=9))


def _any_requirement(subject: AdapterUnderTest) -> st.SearchStrategy[Requirement]:
    known = [good.found for good in subject.requirements] or [Requirement("a")]
    specifiers = st.sampled_from(known).map(lambda found: found.specifier) | checks.near(["", *_stated(subject)])
    return st.builds(replace, st.sampled_from(known), specifier=specifiers)


def _varied(files: Sequence[File]) -> Iterator[list[File]]:
    """The files of each package, as they are and as they may be too: yanked, without a version, there twice."""
    for listing in pages.listings(files):
        own = list(listing.files)
        yield own
        yield [replace(file, yanked="bad") for file in own]
        yield [*own, *(replace(file, id=f"{file.id}-twin", yanked="bad") for file in own)]
        yield [replace(file, version="") for file in own]


def _offers(adapter: FormatAdapter, files: Sequence[File], place: str) -> list[File]:
    return list(adapter.offers(Listing(files[0].package, tuple(files), "revision"), place))


def _is_subsequence(some: Sequence[object], of: Sequence[object]) -> bool:
    left = iter(of)
    return all(one in left for one in some)


class RequirementsContract:
    """A part of `BaseFormatAdapterContract`, whose fixtures it uses. A format whose versions ask for nothing passes."""

    def test_environments_have_their_normal_form(self, subject: AdapterUnderTest) -> None:
        adapter = subject.adapter
        assert {text: adapter.environment(text) for text in subject.environments} == dict(subject.environments)
        assert [adapter.environment(place) for place in subject.places()] == subject.places()

    def test_bad_environments_are_refused(self, subject: AdapterUnderTest) -> None:
        for text in ["", "/", *subject.bad_environments]:
            with pytest.raises(InvalidName) as caught:
                pytest.fail(f"{text!r} became {subject.adapter.environment(text)!r}")
            assert checks.is_plain(str(caught.value))

    @bounded
    @given(data=st.data())
    def test_any_text_as_an_environment_has_a_normal_form_or_is_invalid(
        self, subject: AdapterUnderTest, data: st.DataObject
    ) -> None:
        checks.check_normal(subject.adapter.environment, data.draw(checks.near(["", *subject.environments])))

    def test_requirements_count_where_they_are_said_to(self, subject: AdapterUnderTest) -> None:
        for good in subject.requirements:
            for place in subject.places():
                plain, asked = (
                    list(subject.adapter.requirements([good.found.stated], place, extras))
                    for extras in ((), [good.extra] if good.extra else ())
                )
                counts = good.only in ("", place)
                assert plain == [good.found] * (counts and not good.extra)
                assert asked == [good.found] * counts

    @bounded
    @given(data=st.data())
    def test_any_text_is_a_requirement_or_told_as_it_stands(
        self, subject: AdapterUnderTest, data: st.DataObject
    ) -> None:
        """In the order of what is stated, and nothing is raised."""
        texts, extras = data.draw(_any_texts(subject)), data.draw(_any_extras(subject))
        for place in subject.places():
            found = subject.adapter.requirements(texts, place, extras)
            assert _is_subsequence([one.stated for one in found], texts)
            for one in found:
                checks.check_requirement(subject.adapter, one)

    @bounded
    @given(data=st.data())
    def test_extras_only_add(self, subject: AdapterUnderTest, data: st.DataObject) -> None:
        texts, extras = data.draw(_any_texts(subject)) + _stated(subject), data.draw(_any_extras(subject))
        for place in subject.places():
            plain, asked = (subject.adapter.requirements(texts, place, more) for more in ((), extras))
            assert _is_subsequence(list(plain), list(asked))

    def test_what_is_kept_states_what_the_inspection_found(
        self, subject: AdapterUnderTest, files: list[File], document: pages.Document
    ) -> None:
        for file in files if subject.places() else ():
            upstreams = replace(file, requirements=())
            assert tuple(subject.adapter.stated_requirements(upstreams, partial(document, file))) == file.requirements

    @bounded
    @given(data=st.data())
    def test_damaged_documents_state_requirements_or_are_not_known(
        self, subject: AdapterUnderTest, files: list[File], document: pages.Document, data: st.DataObject
    ) -> None:
        file = data.draw(st.sampled_from(files))

        def read(kind: str) -> bytes:
            return data.draw(checks.damaged(document(file, kind)) | st.binary(max_size=400))

        with suppress(NotFound):
            found = subject.adapter.stated_requirements(replace(file, requirements=()), read)
            assert all(type(text) is str for text in found)

    def test_one_file_is_offered_of_each_version_the_greatest_first(
        self, subject: AdapterUnderTest, files: list[File]
    ) -> None:
        for place in subject.places():
            for some in _varied(files):
                found = _offers(subject.adapter, some, place)
                assert all(file in some and file.version for file in found)
                keys = [subject.adapter.version_key(file.version) for file in found]
                assert all(greater > lesser for greater, lesser in itertools.pairwise(keys))

    def test_what_is_not_yanked_is_offered_before_what_is(self, subject: AdapterUnderTest, files: list[File]) -> None:
        for place in subject.places():
            for some in _varied(files):
                fine = {file.version for file in _offers(subject.adapter, some, place) if file.yanked is None}
                alone = [file for file in some if file.yanked is None] or [replace(some[0], version="")]
                assert fine == {file.version for file in _offers(subject.adapter, alone, place)}

    def test_the_order_of_a_listing_changes_no_offer(self, subject: AdapterUnderTest, files: list[File]) -> None:
        for place in subject.places():
            for some in _varied(files):
                assert _offers(subject.adapter, some, place) == _offers(subject.adapter, some[::-1], place)

    def test_candidates_are_those_that_an_installer_may_take(
        self, subject: AdapterUnderTest, files: list[File]
    ) -> None:
        for good in subject.requirements:
            own = [file for file in files if file.package == good.found.package]
            for place in subject.places() if good.chosen is not None else ():
                offers = subject.adapter.offers(Listing(good.found.package, tuple(own), "revision"), place)
                found = subject.adapter.candidates(good.found, offers)
                assert [file.version for file in found] == list(good.chosen or ())

    @bounded
    @given(data=st.data())
    def test_candidates_of_any_specifier_are_offers_in_their_order(
        self, subject: AdapterUnderTest, files: list[File], data: st.DataObject
    ) -> None:
        """Nothing is raised, whatever the specifier says."""
        requirement = data.draw(_any_requirement(subject))
        for place in subject.places():
            for some in _varied(files):
                offers = _offers(subject.adapter, some, place)
                assert _is_subsequence(list(subject.adapter.candidates(requirement, offers)), offers)

    @bounded
    @given(data=st.data())
    def test_what_counts_together_allows_no_more_than_its_versions_and_alone_the_same(
        self, subject: AdapterUnderTest, files: list[File], data: st.DataObject
    ) -> None:
        """In whatever order requirements come, and however often one is there."""
        one, other = data.draw(_any_requirement(subject)), data.draw(_any_requirement(subject))
        other, adapter = replace(other, package=one.package), subject.adapter
        for place in subject.places():
            for some in _varied(files):
                offers = _offers(adapter, some, place)
                alone = list(adapter.candidates(one, offers))
                assert list(adapter.common_candidates([one], offers)) == alone
                assert list(adapter.common_candidates([one, one], offers)) == alone
                both = list(adapter.common_candidates([one, other], offers))
                assert both == list(adapter.common_candidates([other, one], offers))
                assert _is_subsequence(both, offers)

    def test_nothing_is_chosen_for_what_is_elsewhere_or_cannot_be_read(
        self, subject: AdapterUnderTest, files: list[File]
    ) -> None:
        for place in subject.places():
            for some in _varied(files):
                offers = _offers(subject.adapter, some, place)
                for none in (Requirement(""), Requirement(some[0].package, is_elsewhere=True)):
                    assert list(subject.adapter.candidates(none, offers)) == []
