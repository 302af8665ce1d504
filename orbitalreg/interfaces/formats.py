"""What a format implements, and what the host hands to it.

An adapter answers a request with a *reply*: a value that says what to show. The host shows it, with caching,
conditional requests, ranges, compression and rights, so that every format behaves alike on the wire.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol

from orbitalreg.errors import InvalidName, Malformed
from orbitalreg.model import (
    Component,
    Coordinates,
    File,
    Inspection,
    Kind,
    Listing,
    Locked,
    Publication,
    RemoteFile,
    RemotePage,
    Repository,
    Requirement,
    Right,
    Staged,
)


class Readable(Protocol):
    """Anything with bytes to read, such as a part of a form."""

    def read(self, size: int, /) -> bytes: ...


class Upload(Protocol):
    """A received file that is not published: staged bytes with their digests."""

    @property
    def path(self) -> Path: ...

    @property
    def filename(self) -> str: ...

    @property
    def size(self) -> int: ...

    def digest(self, algorithm: str) -> str:
        """The hexadecimal digest by one of `DIGESTS`."""


DIGESTS = ("sha256", "blake2b-256", "md5")


class Source(Protocol):
    """What a repository offers for reading, whatever its kind. Thread-safe."""

    @property
    def repository(self) -> Repository: ...

    def names(self) -> Sequence[str]:
        """The packages that have a page, in byte order."""

    def names_revision(self) -> str:
        """Changes whenever `names` does."""

    def revision(self, package: str) -> str:
        """What `listing(package).revision` would be, cheaper. Raises `NotFound`."""

    def listing(self, package: str) -> Listing:
        """Raises `NotFound` where the package has no page."""

    def file(self, package: str, filename: str) -> File:
        """The file, with its size. Raises `NotFound` also for a file that the listing does not show, `Withheld`."""

    def open(self, file: File, start: int = 0, length: int | None = None) -> BinaryIO:
        """The file's bytes from `start` on, `length` of them or all.

        Seekable where the bytes are held here. Where they are still coming from an upstream it is not: then `read`
        waits for what is asked, and raises `UpstreamFailed` where it does not come or turns out to be wrong. Raises
        `Busy` where too many are coming already.
        """

    def document(self, file: File, kind: str) -> bytes:
        """A document offered beside the file. Raises `NotFound`, and `UpstreamFailed`."""


class Publisher(Protocol):
    """The way into one local repository for one caller."""

    @property
    def repository(self) -> Repository: ...

    def receive(self, stream: Readable, filename: str, algorithms: Sequence[str]) -> AbstractContextManager[Upload]:
        """Stage what `stream` holds, hashing by SHA-256 and `algorithms` in the same pass.

        The staged file is gone when the context ends. Raises `TooLarge`, `NoSpace`, `StorageFailed`.
        """

    def publish(self, upload: Upload, claims: Mapping[str, str], digests: Mapping[str, str]) -> Publication:
        """Verify `digests` (at least one), inspect the file, and publish it in one transaction, durably.

        `claims` is what the sender says of the file; it is handed to the adapter's `inspect`. The same bytes under
        the same name change nothing. Raises `UploadRefused`, `FileExists`, `Forbidden`, `StorageFailed`, `NoSpace`.
        """


@dataclass(frozen=True, slots=True)
class PackagePage:
    """The page of one package. `render` runs once per revision and `representation`; its bytes are kept."""

    representation: str
    content_type: str
    render: Callable[[Listing], bytes]


@dataclass(frozen=True, slots=True)
class DetailPage:
    """A page of one package that needs more than its listing.

    `render(listing, base, document)` may raise `NotFound`. `base` is the repository's absolute URL, without a slash at
    its end; `document(file, kind)` reads what is kept beside a file, and raises `NotFound`. It is made for each
    request, since `base` is the caller's; `representation` is what the page is called.
    """

    representation: str
    content_type: str
    render: Callable[[Listing, str, Callable[[File, str], bytes]], bytes]


@dataclass(frozen=True, slots=True)
class NamesPage:
    """The list of the repository's packages, as far as its reader may see them."""

    representation: str
    content_type: str
    render: Callable[[Sequence[str]], bytes]


@dataclass(frozen=True, slots=True)
class FileReply:
    """A file's bytes, or a document kept beside it."""

    filename: str
    document: str | None = None
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class TextReply:
    """A short plain answer."""

    text: str


Reply = PackagePage | DetailPage | NamesPage | FileReply | TextReply


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one address below `/<format>/<project>/<repo>`.

    `template` is Falcon's; the field `{package}` is normalised (301 on a read where that changes it) and its right
    checked before `handler` runs. A template that ends in `/` redirects there from the form without it (GET and
    HEAD). GET serves HEAD too. A handler of a READ route is called as `handler(request, **fields)`, one of any
    other right as `handler(request, publisher, **fields)`. `request.context["base"]` is the repository's absolute URL,
    without a slash at its end, where the configuration states the server's; it is for what must not be relative.
    """

    method: str
    template: str
    right: Right
    handler: Callable[..., Reply]

    @property
    def reads(self) -> bool:
        return self.right is Right.READ


@dataclass(frozen=True, slots=True)
class Proposal:
    """A repository that a format proposes for a first start; `settings` are the other keys of its table."""

    name: str
    kind: Kind
    comment: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask an upstream: an absolute address, and the types that are understood (an Accept header)."""

    url: str
    accept: str = "*/*"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an upstream said: the body as it is after decoding, its media type, and the address it came from."""

    url: str
    content_type: str
    body: bytes


class Upstreams(ABC):
    """How a format reads other servers that speak it. Stateless; the host does the asking, with limits on all of it.

    Every method that reads an answer takes hostile input and raises `UpstreamFailed` for what is not of the format.
    """

    @abstractmethod
    def base(self, configured: str) -> str:
        """The absolute URL, without a slash at its end, that a repository's `upstream` means. Raises `InvalidName`."""

    @abstractmethod
    def ask_names(self, base: str) -> Question:
        """For the list of all packages."""

    @abstractmethod
    def read_names(self, answer: Answer) -> Sequence[str]:
        """The packages in their normal form, in byte order, each once; what is no name is left out."""

    @abstractmethod
    def ask_page(self, base: str, package: str) -> Question:
        """For one package."""

    @abstractmethod
    def read_page(self, answer: Answer, package: str) -> RemotePage:
        """The files that are of `package`; others are left out, as is what cannot be a filename."""

    @abstractmethod
    def ask_document(self, file: RemoteFile, kind: str) -> Question:
        """For a document that the upstream says it offers beside the file."""

    def read_document(self, answer: Answer, file: RemoteFile, kind: str) -> bytes:
        """The document as it is kept and served on. Takes whatever came, unless the format knows better."""
        return answer.body

    @abstractmethod
    def may_draw(self, filename: str) -> str | None:
        """The kind of the one document that can be drawn from inside such a file, if any: it is offered for each."""

    @abstractmethod
    def draw(self, stream: BinaryIO, filename: str, kind: str) -> bytes:
        """The document from inside the file. `stream` is seekable, and each read of it may be a request.

        Reads little, and within bounds. Raises `UploadRefused` for a file that has none or is broken.
        """


class FormatAdapter(ABC):
    """One ecosystem: its names, versions, files, routes and pages. Stateless, so that any thread may call it."""

    name: ClassVar[str]

    @abstractmethod
    def normalize(self, package: str) -> str:
        """The package name's normal form. Raises `InvalidName`."""

    @abstractmethod
    def normalize_version(self, version: str) -> str:
        """The version's normal form. Raises `InvalidName`."""

    @abstractmethod
    def version_key(self, version: str) -> Any:
        """A sort key for versions in normal form: later versions compare greater, equal ones have one hash."""

    @abstractmethod
    def parse_filename(self, filename: str) -> Coordinates:
        """Whose file this is, by its name alone. Raises `UploadRefused` for a name that may not be published."""

    @abstractmethod
    def inspect(self, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        """Check the staged file and read what is to be kept. Raises `UploadRefused`.

        Runs in a child process with limits on memory and time; the input is hostile.
        """

    @abstractmethod
    def component(self, package: str, version: str) -> Component:
        """The package as scanners know it: with its package URL, and other spellings that they may have it under."""

    @abstractmethod
    def stage(self, path: Path, filename: str, deep: bool) -> Staged:
        """What scanners are handed of the file: its own metadata, or with `deep` also that of all it bundles.

        Runs as `inspect` does, since the input is as hostile. The documents lie where the tools of this format look
        for the metadata of what is installed. Raises `UploadRefused` for a file that cannot be read.
        """

    def license(self, file: File, document: Callable[[str], bytes]) -> str | None:
        """The licenses of the file as an SPDX expression, by what it states of itself; None where that tells none.

        `document(kind)` reads what is kept beside it, and raises `NotFound` where it is not to be had now: that is let
        through, since it may be later. The bytes are hostile, and are read quickly; what cannot be read tells none.
        """
        return None

    def read_lock(self, filename: str, body: bytes) -> Sequence[Locked]:
        """The versions that a lock file pins, for every environment that it is for; what comes from elsewhere than a
        registry is left out.

        Raises `Malformed` for what is no lock file of this format, or pins not everything; it says at which line.
        """
        raise Malformed(f"{filename}: the format {self.name} reads no lock files")

    def environments(self) -> Sequence[str]:
        """Where things are installed if nobody says otherwise, in the normal form of `environment`; none for a format
        whose versions ask for nothing.
        """
        return ()

    def environment(self, text: str) -> str:
        """The normal form of the name of an environment that things are installed in. Raises `InvalidName`."""
        raise InvalidName(f"{text[:40]!a}: the format {self.name} knows no environments")

    def stated_requirements(self, file: File, document: Callable[[str], bytes]) -> Sequence[str]:
        """What the file asks for in its own words, read from what is kept beside it: for a file of an upstream.

        `document(kind)` is as for `license`, and its `NotFound` is let through. The bytes are hostile; `NotFound` is
        raised too for what cannot be read, since it is not known then what the file asks for.
        """
        return file.requirements

    def requirements(
        self, stated: Sequence[str], environment: str, extras: Collection[str] = ()
    ) -> Sequence[Requirement]:
        """Those of `stated` that count in the environment, in their order: always, or because one of `extras` is asked
        for. `environment` is in normal form.

        What cannot be read is among them, with an empty `package`. Raises nothing for any text, takes time that grows
        with the length alone, and is called for each version of a repository: what was read once is read quickly.
        """
        return ()

    def offers(self, listing: Listing, environment: str) -> Sequence[File]:
        """The files that an installer could take in the environment, the one that it prefers of each version, the
        greatest version first; versions of equal keys are one. The order of the listing's files says nothing.

        Pre-releases and yanked files are among them; of one version, those that are not yanked are preferred. Files
        without a version are not. `environment` is in normal form.
        """
        return ()

    def candidates(self, requirement: Requirement, offers: Sequence[File]) -> Sequence[File]:
        """Those of `offers` that an installer may choose for the requirement, in their order: the first is its choice.

        `offers` are what the method of that name gave, or some of them in the same order. Pre-releases and yanked files
        are treated as this format's installers do. None for a requirement that is elsewhere, or could not be read, and
        for a specifier that is none of this adapter's; raises nothing.
        """
        return ()

    def common_candidates(self, requirements: Sequence[Requirement], offers: Sequence[File]) -> Sequence[File]:
        """Those of `offers` that an installer may choose where all of these requirements on one package count, in their
        order. For one requirement it is what `candidates` says.

        Here what each of them allows; a format whose installers join them before they ask, so that pre-releases count
        for all or for none, knows better.
        """
        allowed = [{file.id for file in self.candidates(one, offers)} for one in requirements]
        return [file for file in offers if all(file.id in some for some in allowed)]

    @abstractmethod
    def routes(self) -> Sequence[Route]:
        """Every route below a repository, each with the right it needs."""

    @abstractmethod
    def proposals(self) -> Sequence[Proposal]:
        """The repositories for a first start."""

    def upstreams(self) -> Upstreams | None:
        """How this format reads other servers; None for a format that has no remote repositories."""
        return None

    @abstractmethod
    def usage(self, base: str, takes_uploads: bool) -> Sequence[tuple[str, str]]:
        """What a person pastes to use the repository at `base` (an absolute URL, without a slash at its end).

        Pairs of a heading and the lines under it, none about publishing unless it `takes_uploads`;
        `$ORBITALREG_TOKEN` stands for the token.
        """
