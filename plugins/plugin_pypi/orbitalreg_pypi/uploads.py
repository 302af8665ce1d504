"""The upload form that twine, uv, poetry, pdm, hatch and flit send (the "legacy" upload API).

Of the form only the name, the version, the file's type, the digests and the filename are believed, and they must agree
with the file. No order of the fields and no Content-Type of a part is relied on; unknown fields are passed over.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import cast

import falcon
from falcon.media.multipart import BodyPart, MultipartForm, MultipartParseOptions

from orbitalreg.errors import Gone, UploadRefused
from orbitalreg.interfaces import Publisher, TextReply, Upload

PARTS = 10_000
CONTENT = "content"
FIELDS = {
    ":action": 64,
    "protocol_version": 64,
    "name": 1024,
    "version": 1024,
    "filetype": 64,
    "metadata_version": 64,
    "sha256_digest": 256,
    "blake2_256_digest": 256,
    "md5_digest": 256,
    "attestations": 4 << 20,
}
"""The fields that are read, with the most bytes that each may have."""

DIGESTS = {"sha256_digest": "sha256", "blake2_256_digest": "blake2b-256", "md5_digest": "md5"}
CLAIMS = ("name", "version", "filetype", "metadata_version", "attestations")
RETIRED_ACTIONS = ("submit", "submit_pkg_info", "doc_upload")
ABSENT = ("", "UNKNOWN")


def upload(request: falcon.Request, publisher: Publisher) -> TextReply:
    """Publish the file that the form carries. Raises `UploadRefused`, `Gone`, and what `publish` raises."""
    fields: dict[str, str] = {}
    with ExitStack() as stack:
        received: Upload | None = None
        try:
            for part in _form(request):
                name = _name(part)
                if name == CONTENT:
                    if received is not None:
                        raise UploadRefused("the form has more than one file; send each in a request of its own")
                    received = _receive(part, fields, publisher, stack)
                elif name in FIELDS:
                    _keep(fields, name, part)
        except falcon.MediaMalformedError as error:
            raise UploadRefused("the body is no complete multipart form") from error
        return _publish(fields, received, publisher)


def _publish(fields: Mapping[str, str], received: Upload | None, publisher: Publisher) -> TextReply:
    _check_protocol(fields)
    if received is None:
        raise UploadRefused("the form has no file: the field 'content' is missing")
    digests = {DIGESTS[name]: fields[name] for name in DIGESTS if name in fields}
    claims = {name: fields[name] for name in CLAIMS if name in fields}
    for name in ("name", "version"):
        if name not in claims:
            raise UploadRefused(f"{received.filename}: the form has no {name}")
    publication = publisher.publish(received, claims, digests)
    done = "published" if publication.created else "is here already, unchanged"
    return TextReply(f"{received.filename} {done}")


def _form(request: falcon.Request) -> Iterator[BodyPart]:
    media_type, parameters = falcon.parse_header(request.content_type or "")
    if media_type.lower() != "multipart/form-data" or not parameters.get("boundary"):
        raise UploadRefused("the body must be a multipart/form-data form with a boundary")
    options = MultipartParseOptions()
    options.max_body_part_count = PARTS
    options.max_body_part_headers_size = 16384
    options.max_body_part_buffer_size = max(FIELDS.values())
    boundary = parameters["boundary"].encode("latin-1", "replace")
    # Falcon types the form's length as known; a chunked body on another server than waitress has none, and needs none.
    form = MultipartForm(request.bounded_stream, boundary, cast(int, request.content_length), options)
    return iter(form)


def _name(part: BodyPart) -> str:
    """The field's name; empty for a part without one, which is passed over as unknown."""
    try:
        return part.name or ""
    except UnicodeDecodeError:
        raise UploadRefused("a part of the form has a Content-Disposition that is not UTF-8") from None


def _receive(part: BodyPart, fields: Mapping[str, str], publisher: Publisher, stack: ExitStack) -> Upload:
    """Stage the file, hashing in one pass by those digests that the form has named so far."""
    try:
        filename = part.filename
    except falcon.MediaMalformedError:  # a `filename*` in a charset that is none
        filename = None
    if not filename:
        raise UploadRefused("the form's file has no name that could be read")
    algorithms = [algorithm for name, algorithm in DIGESTS.items() if name in fields]
    return stack.enter_context(publisher.receive(part.stream, filename, algorithms))


def _keep(fields: dict[str, str], name: str, part: BodyPart) -> None:
    limit = FIELDS[name]
    raw = part.stream.read(limit + 1)
    if len(raw) > limit:
        raise UploadRefused(f"the form's field {name!r} is longer than {limit} bytes")
    try:
        value = raw.decode().strip()
    except UnicodeDecodeError:
        raise UploadRefused(f"the form's field {name!r} is not UTF-8") from None
    if value in ABSENT:
        return
    if fields.setdefault(name, value) != value:
        raise UploadRefused(f"the form's field {name!r} is given twice, with different values")


def _check_protocol(fields: Mapping[str, str]) -> None:
    action = fields.get(":action")
    if action in RETIRED_ACTIONS:
        raise Gone(f"the action {action!r} is not offered any more; upload files with 'file_upload'")
    if action != "file_upload":
        raise UploadRefused("the form's field ':action' must be 'file_upload'")
    if fields.get("protocol_version") != "1":
        raise UploadRefused("the form's field 'protocol_version' must be '1'")
