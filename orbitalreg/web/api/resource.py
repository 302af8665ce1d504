"""What every resource of the API shares: it states its operations, reads what it is sent, and answers JSON."""

import gzip
import shutil
import tempfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, BinaryIO, TypeVar, get_args
from urllib.parse import urlencode

import falcon
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from orbitalreg.assembly import Registry
from orbitalreg.catalog import blobs
from orbitalreg.errors import InvalidName, Malformed, NotFound, StorageFailed, TooLarge
from orbitalreg.holding import opened
from orbitalreg.inventory import Inventory, inventory_of
from orbitalreg.model import Address, Identity, Repository, Right
from orbitalreg.serving.limits import ASK_ABOVE
from orbitalreg.sources.once import asking_once
from orbitalreg.summaries import Page
from orbitalreg.web.auth import Access, ProjectTarget, Target

M = TypeVar("M", bound=BaseModel)
H = TypeVar("H", bound=Callable[..., Any])

JSON = "application/json"
LINES = "application/jsonl"
LINES_FORMAT = "`jsonl` is one item a line, and the address of the next part in the header Link; else Accept decides."
FORMAT = "format"
"""The parameter that says as what an answer is told."""
SHOWN_FAULTS = 5
FAULT_LENGTH = 200


class Sent(BaseModel):
    """What a caller sends, in a query or a body: nothing that is not asked for is let pass."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoQuery(Sent):
    """No parameter."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes that an operation answers in place of its JSON: for a program or to be saved, never shown.

    `stream` is closed when they are sent.
    """

    stream: BinaryIO
    size: int
    media_type: str
    filename: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """A text that an operation answers in place of its JSON: for people, shown under the Content-Security-Policy."""

    body: str
    media_type: str
    policy: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one address: what the gate asks for, the document says, and the handler is called with.

    A handler is called as `handler(request, **fields)`: the template's fields but for project and repository, and
    `query` and `body` where their models are given. It returns what is of the type `answer`.
    """

    method: str
    right: Right | Access
    handler: Callable[..., Any]
    answer: Any
    adapter: TypeAdapter[Any]
    query: type[Sent]
    body: type[Sent] | None
    status: HTTPStatus
    action: str | None
    """What the audit log calls it: every change has one."""
    lines: bool
    media_types: tuple[str, ...]
    """Of the `Kept` or `Drawn` that it answers: in place of JSON, where `answer` is bytes, or as the caller chooses."""

    @property
    def summary(self) -> str:
        """The handler's docstring."""
        return (self.handler.__doc__ or "").strip()


def operation(
    method: str,
    right: Right | Access,
    answer: Any,
    *,
    query: type[Sent] = NoQuery,
    body: type[Sent] | None = None,
    status: HTTPStatus = HTTPStatus.OK,
    action: str | None = None,
    lines: bool = False,
    media_types: tuple[str, ...] = (),
) -> Callable[[H], H]:
    """Marks the method of a resource that serves `method`; its docstring is what the document says of it.

    With `lines` a list is also told as JSON lines, to those who ask for them. With `media_types` the answer is or,
    where it is not bytes, may be a `Kept` or `Drawn` of one of them.
    """

    def mark(handler: H) -> H:
        adapter: TypeAdapter[Any] = TypeAdapter(answer)
        stated = Operation(method, right, handler, answer, adapter, query, body, status, action, lines, media_types)
        handler.operation = stated  # type: ignore[attr-defined]
        return handler

    return mark


class ApiResource:
    """A `GuardedResource` made of its operations."""

    body_limit = ASK_ABOVE

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        marked = (getattr(member, "operation", None) for member in vars(type(self)).values())
        self.operations: Mapping[str, Operation] = {found.method: found for found in marked if found}
        self.rights: Mapping[str, Right | Access] = {method: found.right for method, found in self.operations.items()}
        self.actions = {method: found.action for method, found in self.operations.items() if found.action}
        for method in self.operations:
            setattr(self, f"on_{method.lower()}", self._respond)
        if "GET" in self.operations:
            setattr(self, "on_head", self._respond)

    def target(self, params: dict[str, Any]) -> Target | ProjectTarget:
        raise NotImplementedError(f"{type(self).__name__} is about nothing")

    def _respond(self, req: falcon.Request, resp: falcon.Response, **fields: Any) -> None:
        wanted = self.operations["GET" if req.method == "HEAD" else req.method]
        query = _query(req, wanted.query)
        if wanted.query is not NoQuery:
            fields["query"] = query
        if wanted.body is not None:
            fields["body"] = _body(req, wanted.body)
        with asking_once():
            told = wanted.handler(self, req, **fields)
        resp.status = wanted.status
        if isinstance(told, Kept):
            return _send_kept(req, resp, told)
        if isinstance(told, Drawn):
            return _send_drawn(resp, told)
        if wanted.lines and _wants_lines(req):
            return _send_lines(req, resp, wanted, told)
        send(resp, wanted.adapter.dump_json(told))


class ProjectResource(ApiResource):
    """A resource below a project."""

    def target(self, params: dict[str, Any]) -> Target | ProjectTarget:
        project = params.pop("project")
        return ProjectTarget(project, repositories_of(self._registry, project))


class RepositoryResource(ApiResource):
    """A resource below a repository. A name that does not parse is left as it is written, and then found nowhere."""

    def target(self, params: dict[str, Any]) -> Target | ProjectTarget:
        project, name = params.pop("project"), params.pop("repository")
        try:
            address = Address(project, name)
        except InvalidName:
            return Target(None, None, discreet=True)
        repository = self._registry.repositories.get(address)
        if repository is not None:
            adapter = self._registry.formats[repository.format]
            _normalize(params, "package", adapter.normalize)
            _normalize(params, "version", adapter.normalize_version)
        return Target(address, repository, params.get("package"), discreet=True)

    def _repository(self, req: falcon.Request) -> Repository:
        repository: Repository = req.context.target.repository
        return repository

    def _inventory(self, req: falcon.Request) -> Inventory:
        repository = self._repository(req)
        adapter = self._registry.formats[repository.format]
        source = self._registry.sources.governed[repository.address]
        return inventory_of(self._registry.catalog, source, adapter, self._registry.graph.views)

    def _normal_version(self, req: falcon.Request, version: str | None) -> str | None:
        """One that a query names. Raises `NotFound` for what is none."""
        try:
            adapter = self._registry.formats[self._repository(req).format]
            return None if version is None else adapter.normalize_version(version)
        except InvalidName as error:
            raise NotFound(str(error)) from error

    def _unpacked(self, sha256: str, media_type: str, filename: str) -> Kept:
        """What a blob that the catalog names is when it is unpacked, which gzip packed. Raises `StorageFailed`."""
        with ExitStack() as stack:
            spooled = stack.enter_context(tempfile.TemporaryFile(dir=self._registry.store.staging))
            packed = stack.enter_context(self._kept(sha256, media_type, filename).stream)
            try:
                with gzip.GzipFile(fileobj=packed, mode="rb") as stream:
                    shutil.copyfileobj(stream, spooled)
            except (OSError, EOFError, zlib.error) as error:
                raise StorageFailed(f"{filename} cannot be unpacked: {error}") from error
            packed.close()
            stack.pop_all()
        size = spooled.tell()
        spooled.seek(0)
        return Kept(spooled, size, media_type, filename)

    def _kept(self, sha256: str, media_type: str, filename: str) -> Kept:
        """A blob that the catalog names. Raises `StorageFailed`."""
        blob = blobs.get(self._registry.catalog.read(), sha256)
        stream = opened(self._registry.store, blob, filename)
        assert blob is not None, "no store holds what has no key"
        return Kept(stream, blob.size, media_type, filename)


def repositories_of(registry: Registry, project: str) -> tuple[Repository, ...]:
    """The configured repositories of a project, by name."""
    found = (repository for address, repository in registry.repositories.items() if address.project == project)
    return tuple(sorted(found, key=lambda repository: repository.address.repository))


def caller(req: falcon.Request) -> Identity:
    """Who is calling."""
    identity: Identity = req.context.identity
    return identity


def send(resp: falcon.Response, body: bytes) -> None:
    """JSON that is for this caller alone, and never taken for anything else."""
    resp.content_type = JSON
    resp.set_header("Cache-Control", "private, no-store")
    resp.set_header("X-Content-Type-Options", "nosniff")
    resp.data = body


def _send_kept(req: falcon.Request, resp: falcon.Response, told: Kept) -> None:
    send(resp, b"")
    resp.content_type = told.media_type
    resp.downloadable_as = told.filename
    resp.content_length = told.size
    if req.method == "HEAD":
        return told.stream.close()
    resp.data = None
    resp.stream = told.stream


def _send_drawn(resp: falcon.Response, told: Drawn) -> None:
    send(resp, told.body.encode())
    resp.content_type = told.media_type
    resp.set_header("Content-Security-Policy", told.policy)


def _wants_lines(req: falcon.Request) -> bool:
    """Whether the query says so, or, where it says nothing, Accept does."""
    named = req.params.get("format")
    return named == "jsonl" if named else req.client_prefers([JSON, LINES]) == LINES


def _send_lines(req: falcon.Request, resp: falcon.Response, wanted: Operation, told: Page[Any]) -> None:
    """A part of a list with each item in a line; the header Link has the address of the next part (RFC 8288)."""
    adapter = TypeAdapter(get_args(wanted.answer)[0])
    send(resp, b"".join(adapter.dump_json(item) + b"\n" for item in told.items))
    resp.content_type = LINES
    if told.next is not None:
        resp.append_link("?" + urlencode({**req.params, "cursor": told.next}), "next")


def _normalize(params: dict[str, Any], field: str, normalize: Callable[[str], str]) -> None:
    if field in params:
        try:
            params[field] = normalize(params[field])
        except InvalidName:
            return


def _query(req: falcon.Request, model: type[M]) -> M:
    """Raises `Malformed`, and `InvalidName` for a `format` that there is not."""
    try:
        return model.model_validate(req.params)
    except ValidationError as error:
        for fault in error.errors():
            if (fault["loc"], fault["type"]) == ((FORMAT,), "literal_error"):
                raise InvalidName(f"the query: {FORMAT}: there is no such one here, but {_expected(fault)}") from None
        raise Malformed(f"the query: {_faults(error)}") from None


def _expected(fault: Any) -> str:
    return str(fault["ctx"]["expected"])


def _body(req: falcon.Request, model: type[M]) -> M:
    """Bodies must say that they are JSON: a form of another site, sent by a browser that is signed in, cannot.

    Raises `Malformed`, `TooLarge`, 415.
    """
    if (req.content_type or "").partition(";")[0].strip().lower() != JSON:
        raise falcon.HTTPUnsupportedMediaType(description=f"send the body as Content-Type: {JSON}")
    raw = req.bounded_stream.read(ASK_ABOVE + 1)
    if len(raw) > ASK_ABOVE:
        raise TooLarge(f"more than {ASK_ABOVE} bytes are not taken here")
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise Malformed(f"the body: {_faults(error)}") from None


def _faults(error: ValidationError) -> str:
    """What is wrong and where, in bounded length. It may hold the names of fields, and never their values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}".removeprefix(": ") for fault in found]
    return "; ".join(line[:FAULT_LENGTH] for line in lines[:SHOWN_FAULTS])
