"""A whole format in a few lines: text files `name@1.2.toy`, whose first line may say `needs: name ...`.

It goes through every feature of the host, and is the test that the host knows no other format by heart.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from orbitalreg.errors import InvalidName, UploadRefused
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import (
    DetailPage,
    FileReply,
    FormatAdapter,
    NamesPage,
    PackagePage,
    Proposal,
    Route,
    TextReply,
)
from orbitalreg.model import Coordinates, Inspection, Kind, Listing, Right


class ToyFormat(FormatAdapter):
    name = "toy"

    def normalize(self, package: str) -> str:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,40}", package):
            raise InvalidName(f"{package!a} is no toy")
        return package.lower()

    def normalize_version(self, version: str) -> str:
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)*", version):
            raise InvalidName(f"{version!a} is no toy version")
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
        head = path.read_bytes()[:4096].split(b"\n")[0].decode("ascii", "replace")
        if head == "hang":
            while True:
                pass
        if head == "hoard":
            bytearray(1 << 40)
        found = self.parse_filename(filename)
        needs = tuple(head.removeprefix("needs: ").split()) if head.startswith("needs: ") else ()
        return Inspection(
            found.package, found.version, {"note": claims.get("note", "")}, needs, {"head": head.encode()}
        )

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

    def usage(self, base: str) -> Sequence[tuple[str, str]]:
        return [("Put a toy", f"curl --data-binary @ball@1.toy {base}/put/ball@1.toy")]


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
