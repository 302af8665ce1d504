"""The upload form without a wire: what of it reaches the publisher, and what is refused before."""

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import falcon
import pytest
from conformance_site import BOUNDARY, Part, content_part, encode, fields
from falcon.testing import create_environ
from hypothesis import given
from hypothesis import strategies as st
from orbitalreg_pypi import uploads

from orbitalreg.errors import Gone, UploadRefused
from orbitalreg.interfaces import Readable
from orbitalreg.model import Address, File, Kind, Publication, Repository

SAID = {
    ":action": "file_upload",
    "protocol_version": "1",
    "name": "demo",
    "version": "1.0",
    "sha256_digest": "0" * 64,
}
FILE = content_part("demo-1.0.tar.gz", b"bytes")


@dataclass
class Received:
    """`interfaces.Upload`, in memory."""

    filename: str
    content: bytes
    algorithms: list[str]
    path: Path = Path("nowhere")

    @property
    def size(self) -> int:
        return len(self.content)

    def digest(self, algorithm: str) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass
class Recorder:
    """`interfaces.Publisher` that notes what it is given."""

    created: bool = True
    open_uploads: int = 0
    uploads: list[Received] = field(default_factory=list)
    published: list[tuple[Received, dict[str, str], dict[str, str]]] = field(default_factory=list)

    @property
    def repository(self) -> Repository:
        return Repository("1", Address("acme", "internal"), "pypi", Kind.LOCAL)

    @contextmanager
    def receive(self, stream: Readable, filename: str, algorithms: Sequence[str]) -> Iterator[Received]:
        self.open_uploads += 1
        try:
            self.uploads.append(Received(filename, stream.read(-1), sorted(algorithms)))
            yield self.uploads[-1]
        finally:
            self.open_uploads -= 1

    def publish(self, upload: Received, claims: Mapping[str, str], digests: Mapping[str, str]) -> Publication:
        assert self.open_uploads == 1, "the upload must be staged while it is published"
        self.published.append((upload, dict(claims), dict(digests)))
        return Publication(File("1", "demo", "1.0", upload.filename, upload.size, "0" * 64, 0), self.created)


def request(body: bytes, content_type: str = f"multipart/form-data; boundary={BOUNDARY}") -> falcon.Request:
    environ = create_environ("/", method="POST", headers={"Content-Type": content_type}, body=b"")
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return falcon.Request(environ)


def send(parts: Sequence[Part], publisher: Recorder | None = None) -> Recorder:
    recorder = publisher or Recorder()
    uploads.upload(request(encode(parts)), recorder)
    assert recorder.open_uploads == 0
    return recorder


def refused(parts: Sequence[Part]) -> str:
    """The reason; nothing was published and nothing stays staged."""
    recorder = Recorder()
    with pytest.raises(UploadRefused) as raised:
        uploads.upload(request(encode(parts)), recorder)
    assert (recorder.open_uploads, recorder.published) == (0, [])
    reason = str(raised.value)
    assert reason.isascii()
    assert "\n" not in reason
    return reason


def test_name_version_type_digests_and_file_reach_the_publisher_and_nothing_else() -> None:
    said = SAID | {"filetype": "sdist", "metadata_version": "2.3", "md5_digest": "1", "summary": "A demo", "x": "y"}
    ((upload, claims, digests),) = send([*fields(said), FILE]).published
    assert (upload.filename, upload.content) == ("demo-1.0.tar.gz", b"bytes")
    assert claims == {"name": "demo", "version": "1.0", "filetype": "sdist", "metadata_version": "2.3"}
    assert digests == {"sha256": "0" * 64, "md5": "1"}


def test_attestations_reach_the_publisher_from_before_or_after_the_file() -> None:
    attestations = Part("attestations", '[{"version": 1}]')
    for parts in ([*fields(SAID), attestations, FILE], [*fields(SAID), FILE, attestations]):
        ((_, claims, _),) = send(parts).published
        assert claims["attestations"] == '[{"version": 1}]'


def test_digests_that_were_named_before_the_file_are_made_while_it_is_received() -> None:
    early, late = Part("md5_digest", "1"), Part("blake2_256_digest", "2")
    recorder = send([*fields(SAID), early, FILE, late])
    assert recorder.uploads[0].algorithms == ["md5", "sha256"]
    assert recorder.published[0][2] == {"sha256": "0" * 64, "md5": "1", "blake2b-256": "2"}


@given(st.permutations([*fields(SAID | {"md5_digest": "1", "unknown": "x"}), FILE]))
def test_the_order_of_the_fields_does_not_matter(parts: list[Part]) -> None:
    ((upload, claims, digests),) = send(parts).published
    assert upload.content == b"bytes"
    assert claims == {"name": "demo", "version": "1.0"}
    assert digests == {"sha256": "0" * 64, "md5": "1"}


@pytest.mark.parametrize("absent", ["", "UNKNOWN", "  ", "\r\n"])
@pytest.mark.parametrize("name", ["filetype", "metadata_version", "attestations", "md5_digest", "sha256_digest"])
def test_empty_and_unknown_fields_are_absent(name: str, absent: str) -> None:
    ((_, claims, digests),) = send([*fields(SAID | {name: absent}), FILE]).published
    assert name not in claims
    assert len(digests) == (0 if name == "sha256_digest" else 1)


def test_a_field_given_twice_alike_is_one() -> None:
    ((_, claims, _),) = send([*fields(SAID), *fields(SAID), Part("name", ""), FILE]).published
    assert claims["name"] == "demo"


@pytest.mark.parametrize("name", list(SAID))
def test_a_field_given_twice_with_different_values_is_refused(name: str) -> None:
    assert name in refused([*fields(SAID), Part(name, "another"), FILE])


@pytest.mark.parametrize("name", [name for name in uploads.FIELDS if name not in (":action", "protocol_version")])
def test_a_field_may_be_as_long_as_its_limit_and_no_longer(name: str) -> None:
    limit = uploads.FIELDS[name]
    send([*fields(SAID | {name: "x" * limit}), FILE])
    assert str(limit) in refused([*fields(SAID | {name: "x" * (limit + 1)}), FILE])


def test_fields_that_nobody_reads_may_be_of_any_length_and_bytes() -> None:
    send([*fields(SAID), Part("description", b"\xff" * 6_000_000), FILE])


def test_as_many_parts_as_a_form_may_have_and_no_more() -> None:
    many = fields(("classifiers", str(number)) for number in range(uploads.PARTS - len(SAID) - 1))
    send([*many, *fields(SAID), FILE])
    refused([*many, Part("classifiers", "one more"), *fields(SAID), FILE])


@pytest.mark.parametrize("name", ["name", "version", ":action", "protocol_version"])
def test_what_is_needed_is_named_where_it_is_missing(name: str) -> None:
    assert name in refused([*(part for part in fields(SAID) if part.name != name), FILE])


def test_a_form_without_a_file_or_with_two_is_refused() -> None:
    assert "content" in refused(fields(SAID))
    assert "more than one file" in refused([*fields(SAID), FILE, FILE])


@pytest.mark.parametrize("action", uploads.RETIRED_ACTIONS)
def test_retired_actions_are_gone(action: str) -> None:
    with pytest.raises(Gone, match=action):
        uploads.upload(request(encode(fields({":action": action}))), Recorder())


@pytest.mark.parametrize("name", ["name", ":action", "attestations"])
def test_a_field_that_is_not_utf_8_is_refused(name: str) -> None:
    assert name in refused([Part(name, b"\xff"), FILE])


def test_a_part_whose_head_is_not_utf_8_is_refused() -> None:
    body = encode([*fields(SAID), FILE]).replace(b'name="version"', b'name="\xff"')
    with pytest.raises(UploadRefused):
        uploads.upload(request(body), Recorder())


@pytest.mark.parametrize("star", ["none''x", "utf-8''%ff", "\u00fc''x"])
def test_a_file_whose_name_cannot_be_read_is_refused(star: str) -> None:
    body = encode([*fields(SAID), FILE]).replace(b'filename="demo-1.0.tar.gz"', f"filename*={star}".encode())
    with pytest.raises(UploadRefused):
        uploads.upload(request(body), Recorder())


def test_a_filename_may_be_given_as_rfc_5987_has_it() -> None:
    body = (
        encode([*fields(SAID), FILE])
        .replace(b'filename="demo-1.0', b"filename*=utf-8''demo%2D1.0")
        .replace(b'.tar.gz"', b".tar.gz")
    )
    recorder = Recorder()
    uploads.upload(request(body), recorder)
    assert recorder.uploads[0].filename == "demo-1.0.tar.gz"


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x", "multipart/form-data"],
)
def test_a_body_that_is_no_form_is_refused(content_type: str) -> None:
    with pytest.raises(UploadRefused, match="multipart/form-data"):
        uploads.upload(request(encode([*fields(SAID), FILE]), content_type), Recorder())


@pytest.mark.parametrize("content_type", ["Multipart/Form-Data; Boundary={}", 'multipart/form-data;boundary="{}"'])
def test_the_content_type_is_read_as_http_has_it(content_type: str) -> None:
    recorder = Recorder()
    uploads.upload(request(encode([*fields(SAID), FILE]), content_type.format(BOUNDARY)), recorder)
    assert len(recorder.published) == 1


@given(st.integers(0, len(encode([*fields(SAID), FILE])) - 3))
def test_a_truncated_form_publishes_nothing(length: int) -> None:
    """The last two bytes are the line's end after the form, which may be missing."""
    recorder = Recorder()
    with pytest.raises(UploadRefused):
        uploads.upload(request(encode([*fields(SAID), FILE])[:length]), recorder)
    assert (recorder.open_uploads, recorder.published) == (0, [])


@given(st.binary(max_size=300))
def test_garbage_publishes_nothing(body: bytes) -> None:
    recorder = Recorder()
    with pytest.raises(UploadRefused):
        uploads.upload(request(body), recorder)
    assert recorder.published == []


@pytest.mark.parametrize(("created", "word"), [(True, "published"), (False, "unchanged")])
def test_the_answer_says_what_happened(created: bool, word: str) -> None:
    reply = uploads.upload(request(encode([*fields(SAID), FILE])), Recorder(created))
    assert "demo-1.0.tar.gz" in reply.text
    assert word in reply.text
