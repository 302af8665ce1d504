"""Format adapters with one fault each; `FAULTS` says which tests of the contract must find it."""

import itertools
import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from orbitalreg_toy import ToyFormat, ToyUpstreams

from orbitalreg.errors import UploadRefused
from orbitalreg.interfaces import Answer, DetailPage, NamesPage, PackagePage, Proposal, Question, Route
from orbitalreg.model import (
    Component,
    Coordinates,
    File,
    Inspection,
    Kind,
    Listing,
    RemoteFile,
    RemotePage,
    Right,
    Staged,
)

ANY_PAGE = "test_whatever_comes_is_a_page_or_a_failure"
ANY_NAMES = "test_whatever_comes_is_a_list_of_names_or_a_failure"
IN_CHILD = "test_an_inspection_survives_the_hosts_child_process"
LAID_OUT = "test_what_is_staged_can_be_laid_out"
STAGED_IN_CHILD = "test_what_is_staged_survives_the_hosts_child_process"
BUNDLED = "test_what_is_bundled_is_staged_when_everything_is_asked_for"
count = itertools.count()
Document = Callable[[File, str], bytes]


class Sound(ToyFormat):
    """No fault: that it passes is shown beside this folder."""


class Licenseless(Sound):
    """Reads no license."""

    def license(self, file, document):
        return None


class AnyLicense(Sound):
    """Takes for granted that what it reads is text."""

    def license(self, file, document):
        return super().license(file, lambda kind: document(kind).decode().encode())


class Unlocked(Sound):
    """Forgets the digests of a lock."""

    def read_lock(self, filename, body):
        return [replace(pin, sha256=frozenset()) for pin in super().read_lock(filename, body)]


class LeakyLock(Sound):
    """Raises what its decoder raised."""

    def read_lock(self, filename, body):
        return super().read_lock(filename, body.decode().encode())


class LeakyName(Sound):
    """Raises what its pattern raised."""

    def normalize(self, package: str) -> str:
        match = re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", package)
        return match[0].lower()  # type: ignore[index]


class RestlessName(Sound):
    """Its normal form has another normal form."""

    def normalize(self, package: str) -> str:
        return super().normalize(package)[:40] + "x"


class AnyName(Sound):
    """Takes every name."""

    def normalize(self, package: str) -> str:
        return package.lower()


class LeakyVersion(Sound):
    """Raises ValueError for what is no number."""

    def normalize_version(self, version: str) -> str:
        return ".".join(str(int(part)) for part in version.split("."))


class PaddedVersion(Sound):
    """Spells a version otherwise than the format does."""

    def normalize_version(self, version: str) -> str:
        return super().normalize_version(version).removesuffix(".0") + ".0"


class TextOrder(Sound):
    """Orders versions as text."""

    def version_key(self, version: str) -> Any:
        return version


class MixedOrder(Sound):
    """Some keys compare with some others only."""

    def version_key(self, version: str) -> Any:
        return int(version) if version.isdigit() else version


class EqualVersions(Sound):
    """Takes all versions for one."""

    def version_key(self, version: str) -> Any:
        return 0


class Disagreeing(Sound):
    """Its inspection says another version than the filename."""

    def inspect(self, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        return replace(super().inspect(path, filename, claims), version="0")


class AnyFilename(Sound):
    """Takes a path for a filename."""

    def parse_filename(self, filename: str) -> Coordinates:
        return super().parse_filename(filename.rpartition("/")[2])


class KeyErrors(Sound):
    """Looks up what hostile bytes do not have."""

    def inspect(self, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        if path.read_bytes()[:1] not in (b"n", b"f", b""):
            {}["kind"]
        return super().inspect(path, filename, claims)


class Lenient(Sound):
    """Refuses nothing."""

    def inspect(self, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        try:
            return super().inspect(path, filename, claims)
        except UploadRefused:
            return Inspection("ball", "1")


class Silent(Sound):
    """Refuses without a word."""

    def inspect(self, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        try:
            return super().inspect(path, filename, claims)
        except UploadRefused as error:
            raise UploadRefused("") from error


class Undecided(Sound):
    """Finds something else each time."""

    def inspect(self, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        found = super().inspect(path, filename, claims)
        return replace(found, attributes={**found.attributes, "number": next(count)})


class ByStagedName(Sound):
    """Takes the staged file's name for the file's."""

    def inspect(self, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        return super().inspect(path, path.name, claims)


class Tuples(Sound):
    """Has attributes that JSON changes."""

    def inspect(self, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        return replace(super().inspect(path, filename, claims), attributes={"note": ("a", "b")})


class Objects(Sound):
    """Has attributes that JSON cannot have."""

    def inspect(self, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        return replace(super().inspect(path, filename, claims), attributes={"path": path})


class TextDocument(Sound):
    """Has a document that is text."""

    def inspect(self, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        return replace(super().inspect(path, filename, claims), documents={"head": "text"})  # type: ignore[dict-item]


class Writing(Sound):
    """Unpacks to a file while it inspects, which the host's child may not."""

    def inspect(self, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        place = path.with_suffix(".unpacked")
        place.write_bytes(path.read_bytes() or b"nothing")
        return super().inspect(path, filename, claims)


class Hoarding(Sound):
    """Takes more memory than the host's child may."""

    def inspect(self, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        if Path(sys.argv[0]).name == "inspection.py":
            bytearray(1 << 30)
        return super().inspect(path, filename, claims)


class Rightless(Sound):
    """A route states no right."""

    def routes(self) -> Sequence[Route]:
        return [*super().routes(), Route("POST", "/open", None, self.put)]  # type: ignore[arg-type]


class WritingGet(Sound):
    """GET changes something."""

    def routes(self) -> Sequence[Route]:
        return [*super().routes(), Route("GET", "/put", Right.PUBLISH, self.names)]

    def names(self, request: Any) -> NamesPage:
        return NamesPage("names", "text/plain", lambda names: "".join(names).encode())


class ReadingPost(Sound):
    """POST reads."""

    def routes(self) -> Sequence[Route]:
        return [*super().routes(), Route("POST", "/search", Right.READ, self.put)]


class Slashless(Sound):
    """A route begins without a slash."""

    def routes(self) -> Sequence[Route]:
        return [*super().routes(), Route("DELETE", "all", Right.ADMIN, self.put)]


class TwiceTheSame(Sound):
    """A route stands there twice."""

    def routes(self) -> Sequence[Route]:
        return [*super().routes(), *super().routes()[-1:]]


class Replyless(Sound):
    """A handler returns bytes."""

    def routes(self) -> Sequence[Route]:
        return [*super().routes(), Route("GET", "/raw", Right.READ, lambda request: b"raw")]  # type: ignore[arg-type,return-value]


class WithPage(Sound):
    """A toy whose page of a package is another."""

    content_type = "text/html; charset=utf-8"

    def routes(self) -> Sequence[Route]:
        return [Route("GET", "/page/{package}/", Right.READ, self.page), *super().routes()]

    def page(self, request: Any) -> PackagePage:
        return PackagePage("other page", self.content_type, self.render)

    def render(self, listing: Listing) -> bytes:
        raise NotImplementedError


class Unescaped(WithPage):
    """Puts a reason into HTML as it is."""

    def render(self, listing: Listing) -> bytes:
        return "".join(f"<p title='{file.filename}'>{file.yanked}</p>" for file in listing.files).encode()


class HandMadeJson(WithPage):
    """Writes JSON by hand."""

    content_type = "application/json"

    def render(self, listing: Listing) -> bytes:
        files = ",".join(f'"{file.filename}": "{file.yanked}"' for file in listing.files)
        return f"{{{files}}}".encode()


class AsciiOnly(WithPage):
    """Cannot say every reason."""

    content_type = "text/plain"

    def render(self, listing: Listing) -> bytes:
        return "".join(f"{file.filename} {file.yanked}\n" for file in listing.files).encode("ascii")


class FirstOnly(WithPage):
    """Shows one file."""

    content_type = "application/json"

    def render(self, listing: Listing) -> bytes:
        return json.dumps([file.filename for file in listing.files[:1]]).encode()


class Numbered(WithPage):
    """Renders something else each time."""

    content_type = "application/json"

    def render(self, listing: Listing) -> bytes:
        return json.dumps([next(count), *(file.filename for file in listing.files)]).encode()


class NoEmptyPage(WithPage):
    """Cannot show a package without files."""

    content_type = "application/json"

    def render(self, listing: Listing) -> bytes:
        return json.dumps([listing.files[0].version, *(file.filename for file in listing.files)]).encode()


class OneRepresentation(WithPage):
    """Two pages under one name."""

    content_type = "application/json"

    def page(self, request: Any) -> PackagePage:
        return PackagePage("page", self.content_type, self.render)

    def render(self, listing: Listing) -> bytes:
        return json.dumps([file.filename for file in listing.files]).encode()


class WithDetail(Sound):
    """A toy with a page of details."""

    def routes(self) -> Sequence[Route]:
        reply = DetailPage("details", "application/json", self.render)
        return [Route("GET", "/details/{package}", Right.READ, lambda request: reply), *super().routes()]

    def render(self, listing: Listing, base: str, document: Document) -> bytes:
        raise NotImplementedError


class NumberedDetail(WithDetail):
    """Renders something else each time."""

    def render(self, listing: Listing, base: str, document: Document) -> bytes:
        return json.dumps([next(count), base]).encode()


class NoEmptyDetail(WithDetail):
    """Cannot show the details of a package without files."""

    def render(self, listing: Listing, base: str, document: Document) -> bytes:
        return json.dumps([document(listing.files[-1], "head").decode(), base]).encode()


class HandMadeDetail(WithDetail):
    """Writes JSON by hand."""

    def render(self, listing: Listing, base: str, document: Document) -> bytes:
        return f'{{"reason": "{listing.status.reason}"}}'.encode()


class NamesForgotten(Sound):
    """Shows one name."""

    def routes(self) -> Sequence[Route]:
        names = NamesPage("some names", "text/plain", lambda names: "".join(names[:1]).encode())
        return [Route("GET", "/some/", Right.READ, lambda request: names), *super().routes()]


class Counting(Sound):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def normalize(self, package: str) -> str:
        self.asked += 1
        return super().normalize(package)


class SharedPlace(Sound):
    """Reads by way of something that all threads share."""

    def inspect(self, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        self.filename = filename
        os.sched_yield()
        path.read_bytes()
        return super().inspect(path, self.filename, claims)


class OneAtATime(Sound):
    """Does not expect to be called while it works."""

    def __init__(self) -> None:
        self.at_work = False

    def inspect(self, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        if self.at_work:
            raise RuntimeError("one at a time")
        self.at_work = True
        time.sleep(0.01)
        self.at_work = False
        return super().inspect(path, filename, claims)


class Individual(Sound):
    """Each one made is different."""

    def __init__(self) -> None:
        self.number = next(count)

    def usage(self, base: str, takes_uploads: bool) -> Sequence[tuple[str, str]]:
        return [("Put a toy", f"curl {base}/put/{self.number}")]


class Placeless(Sound):
    """Its usage names no address."""

    def usage(self, base: str, takes_uploads: bool) -> Sequence[tuple[str, str]]:
        return [("Put a toy", "ask somebody")]


class BadProposal(Sound):
    """Proposes what the configuration refuses."""

    def proposals(self) -> Sequence[Proposal]:
        return [Proposal("My Toys", Kind.LOCAL, "toys")]


class WithUpstreams(Sound):
    """A toy that reads other servers in another way."""

    reader: type[ToyUpstreams]

    def upstreams(self) -> ToyUpstreams:
        return self.reader()


class SlashedBase(WithUpstreams):
    """Has two spellings for one upstream."""

    class reader(ToyUpstreams):  # noqa: N801
        def base(self, configured: str) -> str:
            return super().base(configured) + "/" * configured.endswith("/")


class AnyUpstream(WithUpstreams):
    """Takes everything for an address."""

    class reader(ToyUpstreams):  # noqa: N801
        def base(self, configured: str) -> str:
            return configured.rstrip("/")


class Forgetful(WithUpstreams):
    """Does not keep why a file was yanked."""

    class reader(ToyUpstreams):  # noqa: N801
        def read_page(self, answer: Answer, package: str) -> RemotePage:
            files = super().read_page(answer, package).files
            return RemotePage(tuple(replace(file, yanked=file.yanked and "") for file in files))


class OthersFiles(WithUpstreams):
    """Takes what it finds for what it asked for."""

    class reader(ToyUpstreams):  # noqa: N801
        def read_page(self, answer: Answer, package: str) -> RemotePage:
            told = json.loads(answer.body) if answer.body.startswith(b"{") else {}
            names = {ToyFormat().parse_filename(name).package for name in told if isinstance(told, dict)}
            return super().read_page(answer, min(names, default=package))


class WrongPlace(WithUpstreams):
    """Looks for files beside the page."""

    class reader(ToyUpstreams):  # noqa: N801
        def read_page(self, answer: Answer, package: str) -> RemotePage:
            return super().read_page(replace(answer, url=answer.url + "files/"), package)


class WrongDocument(WithUpstreams):
    """Takes a file for the document beside it."""

    class reader(ToyUpstreams):  # noqa: N801
        def ask_document(self, file: RemoteFile, kind: str) -> Question:
            return Question(file.url)


class Believing(WithUpstreams):
    """Expects pages to be whole."""

    class reader(ToyUpstreams):  # noqa: N801
        def read_page(self, answer: Answer, package: str) -> RemotePage:
            json.loads(answer.body)
            return super().read_page(answer, package)


class BackwardNames(WithUpstreams):
    """Gives names in another order."""

    class reader(ToyUpstreams):  # noqa: N801
        def read_names(self, answer: Answer) -> Sequence[str]:
            return super().read_names(answer)[::-1]


class AnyNames(WithUpstreams):
    """Takes each line for a name."""

    class reader(ToyUpstreams):  # noqa: N801
        def read_names(self, answer: Answer) -> Sequence[str]:
            return sorted(set(answer.body.decode("ascii", "replace").splitlines()))


class Stripping(WithUpstreams):
    """Keeps another document than the one that came."""

    class reader(ToyUpstreams):  # noqa: N801
        def read_document(self, answer: Answer, file: RemoteFile, kind: str) -> bytes:
            return answer.body.strip() + b"."


class TextDocuments(WithUpstreams):
    """Takes for granted that a document is text."""

    class reader(ToyUpstreams):  # noqa: N801
        def read_document(self, answer: Answer, file: RemoteFile, kind: str) -> bytes:
            return answer.body.decode("ascii").encode()


class DrawsAll(WithUpstreams):
    """Takes the whole file for its head."""

    class reader(ToyUpstreams):  # noqa: N801
        def draw(self, stream: BinaryIO, filename: str, kind: str) -> bytes:
            return stream.read()


class DrawsText(WithUpstreams):
    """Draws from sound files alone."""

    class reader(ToyUpstreams):  # noqa: N801
        def draw(self, stream: BinaryIO, filename: str, kind: str) -> bytes:
            return stream.read(4096).split(b"\n")[0].decode("ascii").encode()


class OddName(Sound):
    """Cannot stand in an address."""

    name = "a toy"


class OneUrl(Sound):
    """Has one package URL for all versions."""

    def component(self, package: str, version: str) -> Component:
        return replace(super().component(package, version), purl=f"pkg:toy/{package}@1")


class OddUrl(Sound):
    """Does not encode what a package URL cannot hold."""

    def component(self, package: str, version: str) -> Component:
        return replace(super().component(package, version), purl=f"pkg:toy/{package} {version}")


class _Staging(Sound):
    """Stages something else than what is right."""

    def staged(self, staged: Staged, deep: bool) -> Staged:
        raise NotImplementedError

    def stage(self, path: Path, filename: str, deep: bool) -> Staged:
        return self.staged(super().stage(path, filename, deep), deep)


class StagesAnother(_Staging):
    """Stages the first version of everything."""

    def staged(self, staged: Staged, deep: bool) -> Staged:
        return replace(staged, components=(self.component(staged.components[0].name, "1"),))


class StagesOutside(_Staging):
    """Stages outside of the folder."""

    def staged(self, staged: Staged, deep: bool) -> Staged:
        return replace(staged, documents={"parts/../../head": b""})


class StagesTheBom(_Staging):
    """Stages what the host writes."""

    def staged(self, staged: Staged, deep: bool) -> Staged:
        return replace(staged, documents={"BOM.json": b"{}"})


class StagesNowhere(_Staging):
    """Has bundled packages that come from nowhere."""

    def staged(self, staged: Staged, deep: bool) -> Staged:
        pump = replace(self.component("pump", "1"), is_bundled=True, location="pump/head")
        return replace(staged, components=(*staged.components, pump)) if deep else staged


class AlwaysDeep(_Staging):
    """Stages what is bundled unasked."""

    def staged(self, staged: Staged, deep: bool) -> Staged:
        pump = replace(self.component("pump", "1"), is_bundled=True, location="head")
        return replace(staged, components=(*staged.components, pump))


class OnlyDeep(_Staging):
    """Stages what is bundled in the place of what is its own."""

    def staged(self, staged: Staged, deep: bool) -> Staged:
        return replace(staged, documents={"parts/head": b""}) if deep else staged


class NumberedStaging(_Staging):
    """Stages under another path each time."""

    def staged(self, staged: Staged, deep: bool) -> Staged:
        return replace(staged, documents={**staged.documents, f"{next(count)}": b""})


class StagesText(Sound):
    """Stages sound files alone."""

    heads: ClassVar[dict[bytes, bytes]] = {
        b"needs: net pump\nround": b"needs: net pump",
        b"": b"",
        b"four cups": b"four cups",
    }

    def stage(self, path: Path, filename: str, deep: bool) -> Staged:
        staged = super().stage(path, filename, deep)
        return replace(staged, documents={"head": self.heads[path.read_bytes()]})


class StagesByFiles(Sound):
    """Extracts what it stages."""

    def stage(self, path: Path, filename: str, deep: bool) -> Staged:
        path.with_suffix(".extracted").write_bytes(path.read_bytes() + b"!")
        return super().stage(path, filename, deep)


class StagesForItself(_Staging):
    """Stages otherwise in the process that wrote it."""

    def staged(self, staged: Staged, deep: bool) -> Staged:
        return replace(staged, documents={f"{os.getpid()}": b""})


CONTROL = "test_no_two_routes_are_the_same"
"""A test that finds nothing in what was made for another."""

FAULTS: dict[type[ToyFormat], list[str]] = {
    LeakyName: ["test_bad_names_are_refused", "test_any_text_as_a_name_has_a_normal_form_or_is_invalid"],
    RestlessName: [
        "test_names_have_their_normal_form",
        "test_normal_forms_are_their_own",
        "test_any_text_as_a_name_has_a_normal_form_or_is_invalid",
    ],
    AnyName: ["test_bad_names_are_refused"],
    LeakyVersion: ["test_bad_versions_are_refused", "test_any_text_as_a_version_has_a_normal_form_or_is_invalid"],
    PaddedVersion: ["test_versions_have_their_normal_form", "test_a_filename_says_whose_file_it_is"],
    TextOrder: ["test_later_versions_compare_greater"],
    MixedOrder: ["test_later_versions_compare_greater", "test_every_two_versions_compare"],
    EqualVersions: ["test_later_versions_compare_greater"],
    Disagreeing: ["test_inspection_agrees_with_the_filename"],
    AnyFilename: ["test_any_text_as_a_filename_is_whole_or_refused"],
    KeyErrors: ["test_damaged_files_are_inspected_or_refused"],
    Lenient: [
        "test_every_bad_file_is_refused_in_one_plain_line",
        "test_every_bad_file_is_refused_alike_in_the_hosts_child_process",
    ],
    Silent: [
        "test_every_bad_file_is_refused_in_one_plain_line",
        "test_every_bad_file_is_refused_alike_in_the_hosts_child_process",
    ],
    Undecided: ["test_inspection_finds_the_same_again"],
    ByStagedName: ["test_inspection_agrees_with_the_filename", IN_CHILD],
    Tuples: ["test_an_inspection_is_made_of_plain_values", IN_CHILD],
    Objects: ["test_an_inspection_is_made_of_plain_values", IN_CHILD],
    TextDocument: ["test_an_inspection_is_made_of_plain_values", IN_CHILD],
    Writing: [IN_CHILD],
    **({Hoarding: [IN_CHILD]} if Path("/proc/self/statm").exists() else {}),  # elsewhere memory has no limit
    Licenseless: ["test_a_file_states_its_license"],
    AnyLicense: ["test_damaged_documents_state_a_license_or_none"],
    Unlocked: ["test_lock_files_are_read"],
    LeakyLock: ["test_whatever_a_lock_file_says_is_read_or_refused_in_one_plain_line"],
    Rightless: ["test_every_route_states_a_right_and_is_whole"],
    WritingGet: ["test_get_reads_and_nothing_else_does"],
    ReadingPost: ["test_get_reads_and_nothing_else_does"],
    Slashless: ["test_every_route_states_a_right_and_is_whole"],
    TwiceTheSame: ["test_no_two_routes_are_the_same"],
    Replyless: ["test_every_get_handler_replies"],
    Unescaped: ["test_hostile_reasons_break_no_page"],
    HandMadeJson: ["test_hostile_reasons_break_no_page"],
    AsciiOnly: ["test_hostile_reasons_break_no_page"],
    FirstOnly: ["test_package_pages_name_every_file"],
    Numbered: ["test_pages_are_rendered_alike_each_time"],
    NoEmptyPage: ["test_a_page_of_no_files_is_rendered"],
    OneRepresentation: ["test_one_representation_is_one_page"],
    NumberedDetail: ["test_detail_pages_are_rendered_alike_each_time"],
    NoEmptyDetail: ["test_a_detail_page_of_no_files_is_rendered_or_not_found"],
    HandMadeDetail: ["test_hostile_reasons_break_no_page"],
    NamesForgotten: ["test_names_pages_have_every_name"],
    Counting: ["test_it_has_no_state"],
    SharedPlace: ["test_it_has_no_state"],
    OneAtATime: ["test_several_threads_may_use_it"],
    Individual: ["test_it_is_made_without_arguments_and_every_one_is_alike"],
    Placeless: ["test_its_usage_shows_the_repository"],
    BadProposal: ["test_its_proposals_can_be_configured"],
    SlashedBase: ["test_an_upstream_has_one_address_without_a_slash_at_its_end"],
    AnyUpstream: ["test_what_is_no_upstream_is_refused_without_being_shown"],
    Forgetful: ["test_a_page_that_is_read_is_rendered_alike"],
    OthersFiles: ["test_files_of_another_package_are_left_out", ANY_PAGE],
    WrongPlace: ["test_what_a_page_offers_can_be_asked_for"],
    WrongDocument: ["test_what_a_page_offers_can_be_asked_for"],
    Believing: [ANY_PAGE],
    BackwardNames: ["test_names_that_are_rendered_are_read_back", ANY_NAMES],
    AnyNames: [ANY_NAMES],
    Stripping: ["test_its_own_documents_are_taken_as_they_are"],
    TextDocuments: ["test_whatever_comes_is_a_document_or_a_failure"],
    DrawsAll: ["test_what_is_drawn_from_a_file_is_the_document_kept_beside_it"],
    DrawsText: ["test_damaged_files_are_drawn_from_or_refused"],
    OneUrl: ["test_a_component_is_the_package_under_its_url"],
    OddUrl: ["test_a_component_is_the_package_under_its_url", LAID_OUT],
    StagesAnother: ["test_a_file_is_staged_as_a_file_of_its_package"],
    StagesOutside: [LAID_OUT, "test_damaged_files_are_staged_or_refused"],
    StagesTheBom: [LAID_OUT],
    StagesNowhere: [LAID_OUT],
    AlwaysDeep: [BUNDLED],
    OnlyDeep: [BUNDLED],
    NumberedStaging: ["test_the_same_is_staged_again"],
    StagesText: ["test_damaged_files_are_staged_or_refused"],
    StagesByFiles: [STAGED_IN_CHILD],
    StagesForItself: [STAGED_IN_CHILD],
    OddName: ["test_its_name_can_stand_in_addresses_and_in_the_configuration"],
}
