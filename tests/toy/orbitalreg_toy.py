"""A whole format in a few lines: text files `name@1.2.toy`, whose first line may say `needs: NEED ...` or
`license: SPDX`.

A need is `net`, or `net<2` (`>=` and `==` too); `big?net` is one of who asks for the part `big`, as `ball[big]` does.

It goes through every feature of the host, and is the test that the host knows no other format by heart.
"""

import json
import operator
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urljoin

from orbitalreg.errors import InvalidName, Malformed, UploadRefused, UpstreamFailed
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import (
    Answer,
    DetailPage,
    FileReply,
    FormatAdapter,
    NamesPage,
    PackagePage,
    Proposal,
    Question,
    Route,
    TextReply,
    Upstreams,
)
from orbitalreg.model import (
    Component,
    Coordinates,
    Inspection,
    Kind,
    Listing,
    Locked,
    RemoteFile,
    RemotePage,
    Requirement,
    Right,
    Staged,
)

NAME = r"[A-Za-z][A-Za-z0-9-]{0,40}"
DIGEST = r"[0-9a-f]{64}"
ALLOWED = r"(<|>=|==)([0-9]{1,9}(?:\.[0-9]{1,9})*)"
NEED = rf"(?:({NAME})\?)?({NAME})(?:\[({NAME}(?:,{NAME})*)\])?({ALLOWED})?"


class ToyFormat(FormatAdapter):
    name = "toy"

    def normalize(self, package: str) -> str:
        if not re.fullmatch(NAME, package):
            raise InvalidName(f"{package!r} is no toy")
        return package.lower()

    def normalize_version(self, version: str) -> str:
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)*", version):
            raise InvalidName(f"{version!r} is no toy version")
        return version

    def version_key(self, version: str) -> tuple[int, ...]:
        return tuple(map(int, version.split(".")))

    def parse_filename(self, filename: str) -> Coordinates:
        name, _, version = filename.removesuffix(".toy").partition("@")
        try:
            return Coordinates(self.normalize(name), self.normalize_version(version))
        except InvalidName as error:
            raise UploadRefused(f"{filename}: {error}") from error

    def inspect(self, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        head = _head(path.read_bytes())
        if head == "hang":
            while True:
                pass
        if head == "hoard":
            bytearray(1 << 40)
        found = self.parse_filename(filename)
        note, documents = {"note": claims.get("note", "")}, {"head": head.encode()}
        return Inspection(found.package, found.version, note, _needs(head), documents)

    def component(self, package: str, version: str) -> Component:
        return Component(package, version, f"pkg:toy/{package}@{version}")

    def stage(self, path: Path, filename: str, deep: bool) -> Staged:
        found = self.parse_filename(filename)
        return Staged((self.component(found.package, found.version),), {"head": _head(path.read_bytes()).encode()})

    def license(self, file, document):
        head = document("head").decode("ascii", "replace").partition("\n")[0]
        return head.removeprefix("license: ") or None if head.startswith("license: ") else None

    def read_lock(self, filename, body):
        return [self._pin(number, line) for number, line in enumerate(body.decode("ascii", "replace").splitlines(), 1)]

    def _pin(self, number, line):
        pin, _, sha256 = line.partition(" ")
        try:
            found = self.parse_filename(f"{pin}.toy")
        except UploadRefused as error:
            raise Malformed(f"line {number}: {error}") from error
        return Locked(found.package, found.version, frozenset([sha256] if sha256 else []), f"line {number}")

    def environments(self):
        return ["toybox"]

    def environment(self, text):
        if text.lower() != "toybox":
            raise InvalidName(f"{text!a} is no toybox")
        return "toybox"

    def stated_requirements(self, file, document):
        return _needs(document("head").decode("ascii", "replace").partition("\n")[0])

    def requirements(self, stated, environment, extras=()):
        read = ((text, re.fullmatch(NEED, text)) for text in stated)
        return [_required(text, need) for text, need in read if not need or not need[1] or need[1].lower() in extras]

    def offers(self, listing, environment):
        files = sorted(listing.files, key=lambda file: (file.yanked is None, file.filename))
        last = {self.version_key(file.version): file for file in files if file.version}
        return [last[key] for key in sorted(last, reverse=True)]

    def candidates(self, requirement, offers):
        match = re.fullmatch(f"(?:{ALLOWED})?", requirement.specifier)
        if not requirement.package or requirement.is_elsewhere or not match:
            return []
        allows = {"<": operator.lt, ">=": operator.ge, "==": operator.eq, None: operator.ge}[match[1]]
        wanted = self.version_key(match[2] or "0")
        allowed = [file for file in offers if allows(self.version_key(file.version), wanted)]
        return [file for file in allowed if file.yanked is None or match[1] == "=="]

    def routes(self) -> Sequence[Route]:
        return [
            Route("GET", "/names/", Right.READ, lambda request: NamesPage("names", "text/plain", _names)),
            Route("GET", "/of/{package}/", Right.READ, lambda request: PackagePage("page", "application/json", _page)),
            Route("GET", "/get/{package}/{filename}", Right.READ, self.get),
            Route("GET", "/about/{package}", Right.READ, lambda request: DetailPage("about", "text/plain", _about)),
            Route("POST", "/put/{filename}", Right.PUBLISH, self.put),
        ]

    def get(self, request, filename):
        return FileReply(filename.removesuffix(".head"), "head" if filename.endswith(".head") else None)

    def put(self, request, publisher, filename):
        with publisher.receive(request.bounded_stream, filename, ["md5"]) as upload:
            digests = {"sha256": request.get_header("X-SHA256") or upload.digest("sha256")}
            done = publisher.publish(upload, {"note": request.get_header("X-Note") or ""}, digests)
        return TextReply("made" if done.created else "was here")

    def proposals(self) -> Sequence[Proposal]:
        return [Proposal("toys", Kind.LOCAL, "the team's toys")]

    def upstreams(self) -> Upstreams:
        return ToyUpstreams()

    def usage(self, base: str, takes_uploads: bool) -> Sequence[tuple[str, str]]:
        put = [("Put a toy", f"curl --data-binary @ball@1.toy {base}/put/ball@1.toy")]
        return [*(put if takes_uploads else []), ("Look at a toy", f"curl {base}/of/ball/")]


class ToyUpstreams(Upstreams):
    """An upstream is a repository of toys on another server, and every toy there has its head beside it."""

    def base(self, configured: str) -> str:
        if not re.fullmatch(r"https?://[!-~]+", configured) or set("@?#") & set(configured):
            raise InvalidName("write the address of a repository of toys: https://HOST/toy/PROJECT/REPO")
        return configured.rstrip("/")

    def ask_names(self, base: str) -> Question:
        return Question(f"{base}/names/")

    def read_names(self, answer: Answer) -> Sequence[str]:
        names = answer.body.decode("ascii", "replace").splitlines()
        if answer.content_type != "text/plain":
            raise UpstreamFailed("what came is no list of toys")
        return sorted({name.lower() for name in names if re.fullmatch(NAME, name)})

    def ask_page(self, base: str, package: str) -> Question:
        return Question(f"{base}/of/{package}/")

    def read_page(self, answer: Answer, package: str) -> RemotePage:
        try:
            told = dict(json.loads(answer.body)).items()
            files = [_remote_file(filename, facts, answer.url) for filename, facts in told]
        except (ValueError, TypeError, RecursionError, UploadRefused) as error:
            raise UpstreamFailed("what came is no page of toys") from error
        return RemotePage(tuple(file for file in files if _package_of(file.filename) == package))

    def ask_document(self, file: RemoteFile, kind: str) -> Question:
        return Question(f"{file.url}.{kind}")

    def may_draw(self, filename: str) -> str | None:
        return "head"

    def draw(self, stream, filename, kind):
        return _head(stream.read(4096)).encode()


def _remote_file(filename: str, facts: object, url: str) -> RemoteFile:
    found = ToyFormat().parse_filename(filename)
    place = urljoin(url, f"../../get/{found.package}/{quote(filename)}")
    match facts:
        case [str() | None as sha256, str() | None as yanked, {**told}] if re.fullmatch(DIGEST, sha256 or "0" * 64):
            return RemoteFile(filename, found.version, place, None, sha256, None, told, {"head": ""}, yanked)
    raise ValueError(f"{filename}: {facts}")


def _package_of(filename: str) -> str:
    return ToyFormat().parse_filename(filename).package


def _needs(head: str) -> tuple[str, ...]:
    return tuple(head.removeprefix("needs: ").split()) if head.startswith("needs: ") else ()


def _required(text, need):
    if not need:
        return Requirement("", stated=text)
    extras = sorted({part for part in (need[3] or "").lower().split(",") if part})
    return Requirement(need[2].lower(), need[4] or "", tuple(extras), text)


def _head(body: bytes) -> str:
    return body[:4096].split(b"\n")[0].decode("ascii", "replace")


def _names(names: Sequence[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


def _page(listing: Listing) -> bytes:
    return json.dumps({file.filename: [file.sha256, file.yanked, file.attributes] for file in listing.files}).encode()


def _about(listing, base, document):
    return "".join(
        f"{base}/get/{file.package}/{file.filename} {document(file, 'head')}\n" for file in listing.files
    ).encode()


@hookimpl
def format_adapters() -> Sequence[type[FormatAdapter]]:
    return [ToyFormat]
