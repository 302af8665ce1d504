"""What the conformance suite speaks with: a running server, a site on it, raw requests, upload forms, pages read.

Commands run in this process, beside the server's: starting Python for each would take most of the suite's time. Nothing
here knows how the server works inside.
"""

import base64
import hashlib
import http.client
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import requests
from click.testing import CliRunner

from orbitalreg.cli import main

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
PROBLEM = "application/problem+json"
BOUNDARY = "9f1c2d7e5b3a4c6d"

GRANTS = {
    "read": "acme:read",
    "publish": "acme:publish",
    "maintain": "acme:maintain",
    "elsewhere": "another:admin",
    "nearby": "acme/none-such:admin",
}
"""The tokens: rights on the project, one on another project, and one on another repository of the same."""

_numbers = itertools.count(1)

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


# --- requests ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """A response as it came over the socket: nothing is decoded, followed or added."""

    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)

    def __getitem__(self, header: str) -> str | None:
        """The header's value; sent twice, it fails the test."""
        values = self.headers.get_all(header, [])
        assert len(values) <= 1, f"{header} was sent {len(values)} times"
        return values[0] if values else None


def exchange(method: str, url: str, headers: Headers = (), body: bytes | None = None) -> Answer:
    """One request on a connection of its own, with exactly these headers besides Host (and Content-Length)."""
    place = urlsplit(url)
    assert place.hostname is not None
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
    try:
        target = url.removeprefix(f"{place.scheme}://{place.netloc}")
        connection.putrequest(method, target, skip_accept_encoding=True)
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        if body is not None and not any(key.lower() == "content-length" for key, _ in pairs):
            pairs.append(("Content-Length", str(len(body))))
        for key, value in pairs:
            connection.putheader(key, value)
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, response.reason, response.headers, response.read())
    finally:
        connection.close()


def basic(user: str, secret: str) -> dict[str, str]:
    """The header of Basic credentials."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


# --- the server and its sites -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """A running server, the command line beside it, and a token for each of `GRANTS`."""

    url: str
    config: Path
    tokens: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str) -> str:
        """An `orbitalreg` command on the server's configuration; its standard output."""
        done = CliRunner().invoke(main, [*arguments, "--config", str(self.config)], catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    def new_tokens(self) -> dict[str, str]:
        return {
            right: self.run("token", "create", f"conformance-{right}", "--grant", grant).strip()
            for right, grant in GRANTS.items()
        }


@dataclass(frozen=True)
class Site:
    """A repository as clients see it: reads go to `address` on `server`, of any kind.

    Uploads go to `publish_address` on `behind`, and commands to `local` there, the local repository that holds them.
    """

    server: Server
    address: str
    behind: Server
    local: str
    publish_address: str
    is_open: bool

    @property
    def base(self) -> str:
        """The repository's URL, without a slash at its end."""
        return f"{self.server.url}/pypi/{self.address}"

    @property
    def publish_base(self) -> str:
        """The URL of the repository that takes the uploads."""
        return f"{self.behind.url}/pypi/{self.publish_address}"

    def token(self, right: str) -> str:
        """A token that holds `right`; one of `GRANTS`."""
        return self.server.tokens[right]

    def credentials(self, right: str) -> dict[str, str]:
        return basic("__token__", self.token(right))

    @property
    def reading(self) -> dict[str, str]:
        """The headers without which nothing can be read here."""
        return {} if self.is_open else self.credentials("read")

    def url(self, path: str) -> str:
        """`path` is relative to the base, or a whole URL."""
        return path if path.startswith("http") else f"{self.base}/{path}"

    def get(self, path: str, **options: Any) -> requests.Response:
        """As a client of today's makes it: compression, redirects and all. Credentials are sent where needed."""
        with requests.Session() as session:
            session.trust_env = False
            if not self.is_open:
                options.setdefault("auth", ("__token__", self.token("read")))
            return session.get(self.url(path), timeout=30, **options)

    def raw(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """A read with exactly these headers, and credentials where needed."""
        return exchange(method, self.url(path), {**self.reading, **(headers or {})})

    def upload(
        self,
        filename: str,
        content: bytes,
        *,
        parts: "Iterable[Part] | None" = None,
        right: str | None = "publish",
        path: str = "legacy/",
        headers: Mapping[str, str] | None = None,
        **changes: str | None,
    ) -> Answer:
        """Post the form of this file where uploads go; `changes` replace its fields, None leaves one out."""
        chosen = form(filename, content, **changes) if parts is None else parts
        return self.post(encode(chosen), right=right, path=path, headers=headers)

    def post(
        self,
        body: bytes,
        *,
        boundary: str = BOUNDARY,
        right: str | None = "publish",
        path: str = "legacy/",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        sent |= self.credentials(right) if right else {}
        return exchange("POST", f"{self.publish_base}/{path}", {**sent, **(headers or {})}, body)

    def publish(self, *built: tuple[str, bytes]) -> None:
        """Upload these files, which must succeed."""
        for filename, content in built:
            answer = self.upload(filename, content)
            assert answer.status == 200, answer.reason

    def run(self, command: str, package: str, *arguments: str) -> None:
        """An `orbitalreg` command about a package (or `NAME==VERSION`) of the local repository."""
        self.behind.run(command, f"{self.local}/{package}", *arguments)

    def page(self, name: str) -> Any:
        """The package's page, from JSON."""
        response = self.get(f"simple/{name}/", headers={"Accept": JSON})
        assert response.status_code == 200, response.reason
        return response.json()

    def html(self, name: str) -> "Html":
        """The package's page, from HTML."""
        response = self.get(f"simple/{name}/", headers={"Accept": "text/html"})
        assert response.status_code == 200, response.reason
        return Html.parse(response.text)

    def files(self, name: str) -> dict[str, Any]:
        """The files of the JSON page by name; none where the package is unknown."""
        response = self.get(f"simple/{name}/", headers={"Accept": JSON})
        assert response.status_code in (200, 404), response.reason
        return {file["filename"]: file for file in response.json()["files"]} if response.status_code == 200 else {}

    def file_url(self, name: str, filename: str) -> str:
        """Where the page says that the file lies, as a whole URL without fragment."""
        return urldefrag(urljoin(f"{self.base}/simple/{name}/", str(self.files(name)[filename]["url"]))).url


# --- upload forms -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A part of a form; `headers` besides Content-Disposition."""

    name: str
    value: bytes | str
    filename: str | None = None
    headers: tuple[str, ...] = ()

    def encoded(self) -> bytes:
        disposition = f'Content-Disposition: form-data; name="{self.name}"'
        if self.filename is not None:
            disposition += f'; filename="{self.filename}"'
        head = "\r\n".join([disposition, *self.headers])
        return f"{head}\r\n\r\n".encode() + (self.value if isinstance(self.value, bytes) else self.value.encode())


def encode(parts: Iterable[Part], boundary: str = BOUNDARY) -> bytes:
    """The body of a multipart/form-data request."""
    delimiter = f"--{boundary}\r\n".encode()
    return b"".join(delimiter + part.encoded() + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()


def fields(pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> list[Part]:
    """Plain fields, in this order."""
    return [Part(name, value) for name, value in (pairs.items() if isinstance(pairs, Mapping) else pairs)]


def described(filename: str, content: bytes) -> dict[str, str]:
    """What every client says of a file: the fields without which none is taken."""
    is_wheel = filename.endswith(".whl")
    bare = filename.removesuffix(".whl").removesuffix(".tar.gz").removesuffix(".zip")
    name, version = bare.split("-")[:2] if is_wheel else bare.rsplit("-", 1)
    return {
        ":action": "file_upload",
        "protocol_version": "1",
        "name": name,
        "version": version,
        "metadata_version": "2.4",
        "filetype": "bdist_wheel" if is_wheel else "sdist",
        "pyversion": "py3" if is_wheel else "source",
        "sha256_digest": hashlib.sha256(content).hexdigest(),
    }


def digests(content: bytes) -> dict[str, str]:
    """All three, as some clients send them."""
    return {
        "md5_digest": hashlib.md5(content).hexdigest(),
        "sha256_digest": hashlib.sha256(content).hexdigest(),
        "blake2_256_digest": hashlib.blake2b(content, digest_size=32).hexdigest(),
    }


def content_part(filename: str, content: bytes, typed: bool = True) -> Part:
    return Part("content", content, filename, ("Content-Type: application/octet-stream",) if typed else ())


def form(filename: str, content: bytes, **changes: str | None) -> list[Part]:
    """The least that is needed, with `changes` (`action` stands for `:action`); None leaves a field out."""
    said: dict[str, str | None] = {**described(filename, content)}
    said |= {":action" if name == "action" else name: value for name, value in changes.items()}
    sent = {name: value for name, value in said.items() if value is not None}
    return [*fields(sent), content_part(filename, content)]


# --- pages ------------------------------------------------------------------------------------------------------------


@dataclass
class Anchor:
    """A link: its attributes, and its text to the last space."""

    attributes: dict[str, str]
    text: str = ""

    @property
    def href(self) -> str:
        return self.attributes["href"]


@dataclass
class Html(HTMLParser):
    """A page of the simple API, as an HTML reader sees it."""

    anchors: list[Anchor] = field(default_factory=list)
    metas: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    declaration: str = ""
    _open: Anchor | None = None

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def parse(cls, text: str) -> "Html":
        page = cls()
        page.feed(text)
        page.close()
        return page

    def handle_decl(self, decl: str) -> None:
        self.declaration = decl

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        attributes = {name: value or "" for name, value in attrs}
        assert len(attributes) == len(attrs), "an attribute is given twice"
        if tag == "a":
            self._open = Anchor(attributes)
            self.anchors.append(self._open)
        elif tag == "meta" and "name" in attributes:
            self.metas[attributes["name"]] = attributes["content"]

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._open.text += data

    def anchor(self, text: str) -> Anchor:
        """The one link of this text."""
        (found,) = [anchor for anchor in self.anchors if anchor.text == text]
        return found


def assert_refused(answer: Answer, status: int, *words: str) -> None:
    """A refusal as every client can show it: one plain line, in the status line and in the body."""
    assert answer.status == status, (answer.status, answer.reason)
    assert answer.reason.isascii()
    assert answer.reason.isprintable()
    assert answer.reason not in ("", "None", http.client.responses[status])
    assert len(answer.reason) <= 300
    assert answer["Content-Type"] == "text/plain"
    body = answer.body.decode("ascii").rstrip("\n")
    assert answer.reason == body[:300].rstrip(), "a longer reason is cut short"
    for word in words:
        assert word in answer.reason, answer.reason


def names() -> Iterable[str]:
    """Package names that no test has used: for tests that need one for each example."""
    return (f"another-pkg-{number}" for number in _numbers)
