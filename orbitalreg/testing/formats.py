"""The contract of a format adapter.

The author gives files that are good and what they are, files that are bad, and names and versions with their normal
forms: what is right in this format is said by somebody else than the adapter.
"""

import copy
import io
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orbitalreg.errors import InvalidName, Malformed, NotFound, OrbitalError, UploadRefused, UpstreamFailed
from orbitalreg.inspection import Inspector
from orbitalreg.interfaces import (
    Answer,
    FileReply,
    FormatAdapter,
    Question,
    Reply,
    Upstreams,
)
from orbitalreg.model import (
    Coordinates,
    File,
    Inspection,
    Listing,
    Locked,
    RemoteFile,
    RemotePage,
    Right,
    Staged,
    Status,
    StatusName,
    valid_name,
)
from orbitalreg.testing import checks, pages, upstreams
from orbitalreg.testing.evidence import AdapterUnderTest, BadFile, GoodFile, GoodLock
from orbitalreg.testing.requirements import RequirementsContract

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
THREADS = 4
PATIENCE = 30.0

# How many examples is said by the profile in use, the author's; a fixture for all of them is right: nothing has state.
bounded = settings(
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
        HealthCheck.too_slow,
    ],
)


def _document(good: GoodFile, kind: str, body: bytes) -> tuple[Answer, RemoteFile, str]:
    """What an upstream answers, of a document whose digest it does not state."""
    url = f"{checks.BASE}/{good.filename}"
    return (
        Answer(f"{url}.{kind}", "application/octet-stream", body),
        RemoteFile(good.filename, "", url, documents={kind: ""}),
        kind,
    )


def _damaged(answer: Answer) -> st.SearchStrategy[Answer]:
    """The answer with something else in it, which may say that it is of another type."""
    types = st.sampled_from([answer.content_type, answer.content_type, "text/html", "application/octet-stream", ""])
    bodies = checks.damaged(answer.body) | st.binary(max_size=400)
    return st.builds(Answer, st.just(answer.url), types, bodies)


def _read_lock(adapter: FormatAdapter, filename: str, body: bytes) -> Sequence[Locked] | Malformed:
    try:
        return adapter.read_lock(filename, body)
    except Malformed as refused:
        return refused


class BaseFormatAdapterContract(RequirementsContract):
    """Subclass it as `Test...` and override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> AdapterUnderTest:
        raise NotImplementedError("override the fixture `subject`: return an AdapterUnderTest")

    @pytest.fixture
    def adapter(self, subject: AdapterUnderTest) -> FormatAdapter:
        return subject.adapter

    @pytest.fixture
    def inspect(self, adapter: FormatAdapter, tmp_path: Path) -> Callable[..., Inspection]:
        """`adapter.inspect` on these bytes; the staged file's own name says nothing, as in the host."""

        def inspect(filename: str, body: bytes, claims: Mapping[str, str]) -> Inspection:
            return adapter.inspect(checks.staged(tmp_path, body), filename, dict(claims))

        return inspect

    @pytest.fixture
    def stage(self, adapter: FormatAdapter, tmp_path: Path) -> Callable[..., Staged]:
        """`adapter.stage` on these bytes, in a file whose own name says nothing."""

        def stage(filename: str, body: bytes, deep: bool) -> Staged:
            return adapter.stage(checks.staged(tmp_path, body), filename, deep)

        return stage

    @pytest.fixture
    def files(self, subject: AdapterUnderTest, inspect: Callable[..., Inspection]) -> list[File]:
        """The good files as the catalog would have them."""
        return [
            pages.file_of(number, good.filename, good.body, inspect(good.filename, good.body, good.claims))
            for number, good in enumerate(subject.good_files)
        ]

    @pytest.fixture
    def document(self, subject: AdapterUnderTest, inspect: Callable[..., Inspection]) -> pages.Document:
        """Reads what is kept beside a good file, as the host does."""
        kept = {good.filename: inspect(good.filename, good.body, good.claims).documents for good in subject.good_files}
        return pages.reader(kept)

    @pytest.fixture
    def reader(self, adapter: FormatAdapter) -> Upstreams:
        found = adapter.upstreams()
        if found is None:
            pytest.skip("this format has no remote repositories")
        return found

    @pytest.fixture
    def server(self, subject: AdapterUnderTest, reader: Upstreams) -> upstreams.Server:
        """Another server of this format."""
        return upstreams.Server(subject, reader)

    # Names and versions

    def test_its_name_can_stand_in_addresses_and_in_the_configuration(self, adapter: FormatAdapter) -> None:
        assert valid_name(adapter.name, "format") == adapter.name

    def test_names_have_their_normal_form(self, subject: AdapterUnderTest) -> None:
        assert {name: subject.adapter.normalize(name) for name in subject.names} == dict(subject.names)

    def test_versions_have_their_normal_form(self, subject: AdapterUnderTest) -> None:
        found = {version: subject.adapter.normalize_version(version) for version in subject.versions}
        assert found == dict(subject.versions)

    def test_bad_names_are_refused(self, subject: AdapterUnderTest) -> None:
        for name in subject.bad_names:
            with pytest.raises(InvalidName) as caught:
                pytest.fail(f"{name!r} became {subject.adapter.normalize(name)!r}")
            assert checks.is_plain(str(caught.value))

    def test_bad_versions_are_refused(self, subject: AdapterUnderTest) -> None:
        for version in subject.bad_versions:
            with pytest.raises(InvalidName) as caught:
                pytest.fail(f"{version!r} became {subject.adapter.normalize_version(version)!r}")
            assert checks.is_plain(str(caught.value))

    @bounded
    @given(data=st.data())
    def test_any_text_as_a_name_has_a_normal_form_or_is_invalid(
        self, subject: AdapterUnderTest, data: st.DataObject
    ) -> None:
        text = data.draw(checks.near([*subject.names, *subject.bad_names]))
        checks.check_normal(subject.adapter.normalize, text)

    @bounded
    @given(data=st.data())
    def test_any_text_as_a_version_has_a_normal_form_or_is_invalid(
        self, subject: AdapterUnderTest, data: st.DataObject
    ) -> None:
        text = data.draw(checks.near([*subject.versions, *subject.bad_versions, *subject.ordered_versions]))
        checks.check_normal(subject.adapter.normalize_version, text)

    def test_normal_forms_are_their_own(self, subject: AdapterUnderTest) -> None:
        adapter = subject.adapter
        for name in [*subject.names.values(), *(good.package for good in subject.good_files)]:
            assert adapter.normalize(name) == name
        for version in [*subject.versions.values(), *subject.ordered_versions]:
            assert adapter.normalize_version(version) == version

    def test_later_versions_compare_greater(self, subject: AdapterUnderTest) -> None:
        key = subject.adapter.version_key
        for earlier, later in itertools.combinations(subject.ordered_versions, 2):
            checks.check_less(key, earlier, later)

    def test_every_two_versions_compare(self, subject: AdapterUnderTest) -> None:
        """Exactly one of less, equal and greater holds, also for the versions of the files."""
        key = subject.adapter.version_key
        known = {*subject.ordered_versions, *subject.versions.values(), *(good.version for good in subject.good_files)}
        for one, other in itertools.product(sorted(known), repeat=2):
            a, b = key(one), key(other)
            assert [a < b, a == b, a > b].count(True) == 1, f"{one} and {other}"

    # Files

    def test_a_filename_says_whose_file_it_is(self, subject: AdapterUnderTest) -> None:
        for good in subject.good_files:
            assert subject.adapter.parse_filename(good.filename) == Coordinates(good.package, good.version)

    @bounded
    @given(data=st.data())
    def test_any_text_as_a_filename_is_whole_or_refused(self, subject: AdapterUnderTest, data: st.DataObject) -> None:
        """One that is accepted is in normal form and can be a segment of an address."""
        filename = data.draw(checks.near([good.filename for good in subject.good_files]))
        try:
            found = subject.adapter.parse_filename(filename)
        except UploadRefused:
            return
        assert subject.adapter.normalize(found.package) == found.package
        assert subject.adapter.normalize_version(found.version) == found.version
        assert filename.isprintable() and not set("/\\") & set(filename) and filename not in (".", "..")

    def test_inspection_agrees_with_the_filename(
        self, subject: AdapterUnderTest, inspect: Callable[..., Inspection]
    ) -> None:
        for good in subject.good_files:
            found = inspect(good.filename, good.body, good.claims)
            assert Coordinates(found.package, found.version) == subject.adapter.parse_filename(good.filename)

    def test_inspection_finds_the_same_again(
        self, subject: AdapterUnderTest, inspect: Callable[..., Inspection]
    ) -> None:
        for good in subject.good_files:
            first, second = (inspect(good.filename, good.body, good.claims) for _ in range(2))
            assert first == second

    def test_an_inspection_is_made_of_plain_values(
        self, subject: AdapterUnderTest, inspect: Callable[..., Inspection]
    ) -> None:
        for good in subject.good_files:
            found = inspect(good.filename, good.body, good.claims)
            assert checks.is_json(found.attributes)
            assert isinstance(found.requirements, tuple) and all(type(one) is str for one in found.requirements)
            assert all(type(kind) is str and type(body) is bytes for kind, body in found.documents.items())

    def test_an_inspection_survives_the_hosts_child_process(
        self,
        subject: AdapterUnderTest,
        inspect: Callable[..., Inspection],
        host_inspector: Inspector,
        tmp_path: Path,
    ) -> None:
        """Within its limits: little memory beyond the start, a few seconds, and no file written."""
        for good in subject.good_files:
            path = checks.staged(tmp_path, good.body)
            found = host_inspector.inspect(subject.adapter, path, good.filename, good.claims)
            assert found == inspect(good.filename, good.body, good.claims)

    def test_every_bad_file_is_refused_in_one_plain_line(
        self, subject: AdapterUnderTest, inspect: Callable[..., Inspection]
    ) -> None:
        for bad in subject.bad_files:
            with pytest.raises(UploadRefused) as caught:
                pytest.fail(f"{bad.filename} became {inspect(bad.filename, bad.body, bad.claims)}")
            assert checks.is_plain(str(caught.value))
            assert bad.says in str(caught.value)

    def test_every_bad_file_is_refused_alike_in_the_hosts_child_process(
        self, subject: AdapterUnderTest, host_inspector: Inspector, tmp_path: Path
    ) -> None:
        for bad in subject.bad_files:
            with pytest.raises(UploadRefused) as caught:
                host_inspector.inspect(subject.adapter, checks.staged(tmp_path, bad.body), bad.filename, bad.claims)
            assert bad.says in str(caught.value)

    @bounded
    @given(data=st.data())
    def test_damaged_files_are_inspected_or_refused(
        self, subject: AdapterUnderTest, inspect: Callable[..., Inspection], data: st.DataObject
    ) -> None:
        """Nothing else is raised, whatever the bytes are."""
        good = data.draw(st.sampled_from(subject.good_files))
        body = data.draw(checks.damaged(good.body) | st.binary(max_size=400))
        outcome = checks.outcome(inspect, good.filename, body, good.claims)
        if isinstance(outcome, UploadRefused):
            assert checks.is_plain(str(outcome))
        else:
            assert checks.is_json(outcome.attributes)

    # For scanners

    def test_a_component_is_the_package_under_its_url(self, subject: AdapterUnderTest) -> None:
        """Each version of each package under one of its own."""
        known = {(good.package, good.version) for good in subject.good_files}
        known |= {(subject.good_files[0].package, version) for version in subject.versions.values()}
        found = [subject.adapter.component(package, version) for package, version in sorted(known)]
        for component in found:
            checks.check_component(component)
            assert component.location == "" and not component.is_bundled
            assert component == subject.adapter.component(component.name, component.version)
        assert [(component.name, component.version) for component in found] == sorted(known)
        assert len({component.purl for component in found}) == len(known)

    def test_a_file_is_staged_as_a_file_of_its_package(
        self, subject: AdapterUnderTest, stage: Callable[..., Staged]
    ) -> None:
        for good in subject.good_files:
            for deep in (False, True):
                first = stage(good.filename, good.body, deep).components[0]
                assert replace(first, location="") == subject.adapter.component(good.package, good.version)

    def test_what_is_staged_can_be_laid_out(self, subject: AdapterUnderTest, stage: Callable[..., Staged]) -> None:
        for good in subject.good_files:
            for deep in (False, True):
                checks.check_staged(stage(good.filename, good.body, deep))

    def test_what_is_bundled_is_staged_when_everything_is_asked_for(
        self, subject: AdapterUnderTest, stage: Callable[..., Staged]
    ) -> None:
        """In addition to the file's own, which is all that there is otherwise."""
        for good in subject.good_files:
            own, everything = (stage(good.filename, good.body, deep) for deep in (False, True))
            assert own.components == everything.components[:1]
            assert own.documents.items() <= everything.documents.items()

    def test_what_is_staged_survives_the_hosts_child_process(
        self,
        subject: AdapterUnderTest,
        stage: Callable[..., Staged],
        host_inspector: Inspector,
        tmp_path: Path,
    ) -> None:
        """Within its limits, as an inspection does."""
        for good in subject.good_files:
            for deep in (False, True):
                path = checks.staged(tmp_path, good.body)
                found = host_inspector.stage(subject.adapter, path, good.filename, deep)
                assert found == stage(good.filename, good.body, deep)

    def test_the_same_is_staged_again(self, subject: AdapterUnderTest, stage: Callable[..., Staged]) -> None:
        for good in subject.good_files:
            for deep in (False, True):
                first, second = (stage(good.filename, good.body, deep) for _ in range(2))
                assert first == second

    @bounded
    @given(data=st.data())
    def test_damaged_files_are_staged_or_refused(
        self, subject: AdapterUnderTest, stage: Callable[..., Staged], data: st.DataObject
    ) -> None:
        """Nothing else is raised, whatever the bytes are, and what is staged can be laid out."""
        files: list[GoodFile | BadFile] = [*subject.good_files, *subject.bad_files]
        file = data.draw(st.sampled_from(files))
        body = data.draw(st.just(file.body) | checks.damaged(file.body) | st.binary(max_size=400))
        outcome = checks.outcome(stage, file.filename, body, data.draw(st.booleans()))
        if isinstance(outcome, UploadRefused):
            assert checks.is_plain(str(outcome))
        else:
            checks.check_staged(outcome)

    # Routes

    def test_every_route_states_a_right_and_is_whole(self, adapter: FormatAdapter) -> None:
        for route in adapter.routes():
            assert isinstance(route.right, Right), f"{route.template} states no right"
            assert route.method in METHODS
            assert route.template.startswith("/")
            assert callable(route.handler)

    def test_get_reads_and_nothing_else_does(self, adapter: FormatAdapter) -> None:
        for route in adapter.routes():
            assert (route.method == "GET") == (route.right == Right.READ), f"{route.method} {route.template}"

    def test_no_two_routes_are_the_same(self, adapter: FormatAdapter) -> None:
        known = [(route.method, route.template) for route in adapter.routes()]
        assert len(known) == len(set(known))

    def test_every_get_handler_replies(self, subject: AdapterUnderTest) -> None:
        assert subject.reads(), "a format that shows nothing"
        for route in subject.reads():
            unknown = set(pages.fields(route)) - set(subject.values())
            assert not unknown, f"{route.template}: give values for them in `fields`"
            for accept in subject.accepts:
                reply = pages.ask(route, subject.values(), accept)
                assert isinstance(reply, Reply)

    # Pages

    def test_package_pages_name_every_file(self, subject: AdapterUnderTest, files: list[File]) -> None:
        for page in checks.package_pages(subject):
            for listing in pages.listings(files):
                checks.check_page(page, listing)

    def test_a_page_of_no_files_is_rendered(self, subject: AdapterUnderTest) -> None:
        for page in checks.package_pages(subject):
            checks.check_page(page, Listing(subject.good_files[0].package, (), "revision"))

    def test_pages_are_rendered_alike_each_time(self, subject: AdapterUnderTest, files: list[File]) -> None:
        first, second = (
            [page.render(listing) for page in checks.package_pages(subject) for listing in pages.listings(files)]
            for _ in range(2)
        )
        assert first == second

    def test_one_representation_is_one_page(self, subject: AdapterUnderTest, files: list[File]) -> None:
        """The host keeps rendered pages under `representation`: what differs must be called differently."""
        rendered: dict[str, tuple[str, list[bytes]]] = {}
        for page in checks.package_pages(subject):
            bodies = [page.render(listing) for listing in pages.listings(files)]
            assert rendered.setdefault(page.representation, (page.content_type, bodies)) == (page.content_type, bodies)

    def test_detail_pages_are_rendered_alike_each_time(
        self, subject: AdapterUnderTest, files: list[File], document: pages.Document
    ) -> None:
        for page in checks.detail_pages(subject):
            for listing in pages.listings(files):
                first, second = (page.render(listing, checks.BASE, document) for _ in range(2))
                assert pages.text_of(page, first) == pages.text_of(page, second)

    def test_a_detail_page_of_no_files_is_rendered_or_not_found(
        self, subject: AdapterUnderTest, document: pages.Document
    ) -> None:
        for page in checks.detail_pages(subject):
            with suppress(NotFound):
                page.render(Listing(subject.good_files[0].package, (), "revision"), checks.BASE, document)

    @bounded
    @given(reason=st.sampled_from(pages.HOSTILE_REASONS) | st.text(max_size=60))
    def test_hostile_reasons_break_no_page(
        self, subject: AdapterUnderTest, files: list[File], document: pages.Document, reason: str
    ) -> None:
        status = Status(StatusName.DEPRECATED, reason)
        yanked = [replace(file, yanked=reason) for file in files]
        for page in checks.package_pages(subject):
            for listing in pages.listings(yanked, status):
                checks.check_page(page, listing)
        for detail in checks.detail_pages(subject):
            for listing in pages.listings(yanked, status):
                with suppress(NotFound):
                    pages.text_of(detail, detail.render(listing, checks.BASE, document))

    def test_names_pages_have_every_name(self, subject: AdapterUnderTest) -> None:
        names = sorted({*subject.names.values(), *(good.package for good in subject.good_files)})
        for page in checks.names_pages(subject):
            text = pages.text_of(page, page.render(names))
            assert [name for name in names if name not in text] == []
            assert page.render(names) == page.render(list(names))
            pages.text_of(page, page.render([]))

    # Other servers

    def test_an_upstream_has_one_address_without_a_slash_at_its_end(
        self, reader: Upstreams, server: upstreams.Server
    ) -> None:
        assert server.base.startswith("https://registry.example.com") and not server.base.endswith("/")
        assert reader.base(server.base) == reader.base(f"{server.address}/") == server.base

    def test_what_is_no_upstream_is_refused_without_being_shown(self, reader: Upstreams) -> None:
        for configured in upstreams.BAD:
            with pytest.raises(InvalidName) as caught:
                pytest.fail(f"{configured!r} became {reader.base(configured)!r}")
            assert checks.is_plain(str(caught.value)) and "secret" not in str(caught.value)

    def test_a_page_that_is_read_is_rendered_alike(
        self, reader: Upstreams, server: upstreams.Server, files: list[File]
    ) -> None:
        """What a page tells is all kept, so that nobody can tell a remote repository from what it is remote of."""
        yanked = [replace(file, yanked='it "leaks"') for file in files]
        for listing in (*pages.listings(files), *pages.listings(yanked, Status(StatusName.DEPRECATED, "old"))):
            answer = server.told(listing)
            found = reader.read_page(answer, listing.package)
            page, _ = server.page(listing.package)
            assert page.render(upstreams.relisted(listing, found)) == answer.body

    def test_files_of_another_package_are_left_out(
        self, reader: Upstreams, server: upstreams.Server, files: list[File]
    ) -> None:
        for listing in pages.listings(files):
            for package in {file.package for file in files} - {listing.package}:
                found = upstreams.outcome(reader.read_page, server.told(listing), package)
                assert isinstance(found, UpstreamFailed) or found == RemotePage(())

    def test_what_a_page_offers_can_be_asked_for(
        self, reader: Upstreams, server: upstreams.Server, files: list[File]
    ) -> None:
        for listing in pages.listings(files):
            for file in reader.read_page(server.told(listing), listing.package).files:
                whole = server.reply(Question(file.url))
                assert isinstance(whole, FileReply) and (whole.filename, whole.document) == (file.filename, None)
                for kind in file.documents:
                    beside = server.reply(reader.ask_document(file, kind))
                    assert isinstance(beside, FileReply) and (beside.filename, beside.document) == (file.filename, kind)

    def test_names_that_are_rendered_are_read_back(
        self, subject: AdapterUnderTest, reader: Upstreams, server: upstreams.Server
    ) -> None:
        names = sorted({*subject.names.values(), *(good.package for good in subject.good_files)})
        assert list(reader.read_names(server.names(names))) == names

    @bounded
    @given(data=st.data())
    def test_whatever_comes_is_a_page_or_a_failure(
        self,
        adapter: FormatAdapter,
        reader: Upstreams,
        server: upstreams.Server,
        files: list[File],
        data: st.DataObject,
    ) -> None:
        listing = data.draw(st.sampled_from(list(pages.listings(files))))
        answer = data.draw(_damaged(server.told(listing)))
        upstreams.check_page(adapter, upstreams.outcome(reader.read_page, answer, listing.package))

    @bounded
    @given(data=st.data())
    def test_whatever_comes_is_a_list_of_names_or_a_failure(
        self, subject: AdapterUnderTest, reader: Upstreams, server: upstreams.Server, data: st.DataObject
    ) -> None:
        answer = data.draw(_damaged(server.names(sorted(set(subject.names.values())))))
        upstreams.check_names(subject.adapter, upstreams.outcome(reader.read_names, answer))

    def test_its_own_documents_are_taken_as_they_are(
        self, subject: AdapterUnderTest, reader: Upstreams, inspect: Callable[..., Inspection]
    ) -> None:
        for good in subject.good_files:
            for kind, body in inspect(good.filename, good.body, good.claims).documents.items():
                assert reader.read_document(*_document(good, kind, body)) == body

    @bounded
    @given(data=st.data())
    def test_whatever_comes_is_a_document_or_a_failure(
        self, subject: AdapterUnderTest, reader: Upstreams, inspect: Callable[..., Inspection], data: st.DataObject
    ) -> None:
        good = data.draw(st.sampled_from(subject.good_files))
        for kind, body in inspect(good.filename, good.body, good.claims).documents.items():
            sent = data.draw(checks.damaged(body) | st.binary(max_size=400))
            found = upstreams.outcome(reader.read_document, *_document(good, kind, sent))
            if type(found) is not bytes:
                assert isinstance(found, OrbitalError)
                upstreams.check_failure(found)

    def test_what_is_drawn_from_a_file_is_the_document_kept_beside_it(
        self, subject: AdapterUnderTest, reader: Upstreams, inspect: Callable[..., Inspection]
    ) -> None:
        for good in subject.good_files:
            if kind := reader.may_draw(good.filename):
                kept = inspect(good.filename, good.body, good.claims).documents[kind]
                assert reader.draw(io.BytesIO(good.body), good.filename, kind) == kept

    @bounded
    @given(data=st.data())
    def test_damaged_files_are_drawn_from_or_refused(
        self, subject: AdapterUnderTest, reader: Upstreams, data: st.DataObject
    ) -> None:
        good = data.draw(st.sampled_from(subject.good_files))
        body = data.draw(checks.damaged(good.body) | st.binary(max_size=400))
        if kind := reader.may_draw(good.filename):
            found = upstreams.outcome(reader.draw, io.BytesIO(body), good.filename, kind)
            assert type(found) is bytes or (isinstance(found, UploadRefused) and checks.is_plain(str(found)))

    # Licenses and lock files

    def test_a_file_states_its_license(
        self, subject: AdapterUnderTest, files: list[File], document: pages.Document
    ) -> None:
        for good, file in zip(subject.good_files, files, strict=True):
            assert subject.adapter.license(file, partial(document, file)) == good.license

    @bounded
    @given(data=st.data())
    def test_damaged_documents_state_a_license_or_none(
        self, subject: AdapterUnderTest, files: list[File], document: pages.Document, data: st.DataObject
    ) -> None:
        """Nothing is raised but that a document is not there."""
        file = data.draw(st.sampled_from(files))

        def read(kind: str) -> bytes:
            return data.draw(checks.damaged(document(file, kind)) | st.binary(max_size=400))

        with suppress(NotFound):
            found = subject.adapter.license(file, read)
            assert found is None or (type(found) is str and found)

    def test_lock_files_are_read(self, subject: AdapterUnderTest) -> None:
        for lock in subject.locks:
            assert list(subject.adapter.read_lock(lock.filename, lock.body)) == list(lock.pins)

    @bounded
    @given(data=st.data())
    def test_whatever_a_lock_file_says_is_read_or_refused_in_one_plain_line(
        self, subject: AdapterUnderTest, data: st.DataObject
    ) -> None:
        some = subject.locks or [GoodLock("some.lock", b"", ())]
        lock = data.draw(st.sampled_from(some))
        found = _read_lock(subject.adapter, lock.filename, data.draw(checks.damaged(lock.body) | st.binary()))
        if isinstance(found, Malformed):
            assert checks.is_plain(str(found))
        else:
            for pin in found:
                assert subject.adapter.normalize(pin.package) == pin.package
                assert subject.adapter.normalize_version(pin.version) == pin.version

    # For people

    def test_its_usage_shows_the_repository(self, adapter: FormatAdapter) -> None:
        usage = adapter.usage(checks.BASE, True)
        assert usage
        for heading, lines in usage:
            assert heading.strip() and lines.strip()
        assert any("registry.example.com/format/acme/things" in lines for _, lines in usage)

    def test_its_proposals_can_be_configured(self, adapter: FormatAdapter) -> None:
        proposals = adapter.proposals()
        for proposal in proposals:
            checks.check_proposal(proposal)
        assert len({proposal.name for proposal in proposals}) == len(proposals)

    # State

    def test_it_is_made_without_arguments_and_every_one_is_alike(self, subject: AdapterUnderTest) -> None:
        """As the host makes it, once in each process."""
        other = replace(subject, adapter=type(subject.adapter)())
        assert checks.answers(other) == checks.answers(subject)

    def test_it_has_no_state(self, subject: AdapterUnderTest, files: list[File], tmp_path: Path) -> None:
        """Nothing in a new one is changed by its use."""
        fresh = replace(subject, adapter=type(subject.adapter)())
        before = copy.copy(getattr(fresh.adapter, "__dict__", {}))
        checks.work(fresh, tmp_path)
        for page in checks.package_pages(fresh):
            for listing in pages.listings(files):
                page.render(listing)
        assert getattr(fresh.adapter, "__dict__", {}) == before

    def test_several_threads_may_use_it(self, subject: AdapterUnderTest, tmp_path: Path) -> None:
        wanted = checks.work(subject, tmp_path)
        start = threading.Barrier(THREADS)

        def work(_: int) -> list[object]:
            start.wait(PATIENCE)
            return [checks.work(subject, tmp_path) for _ in range(5)]

        with ThreadPoolExecutor(THREADS) as pool:
            for found in pool.map(work, range(THREADS)):
                assert found == [wanted] * 5
