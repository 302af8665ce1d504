"""Visitors who publish, read, yank and revoke at once, and hold the server to its word at every step."""

import hashlib
import http.client
import json
import math
import random
import re
import threading
import time
from array import array
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import count, islice
from statistics import quantiles
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

from archives_corpus import make_wheel
from harness import FORM_HEADERS, MIB, REPOSITORY, SIMPLE_JSON, Answer, Shell, fields_of, form
from soaked import Server

ORDINARY_SECONDS = 15.0
"""For which pip waits for a byte, unless it is told otherwise."""

HTML = "text/html"
API = f"/api/v1/projects/{REPOSITORY.replace('/', '/repositories/')}"
VERSIONS = 20
"""Of one package; then a visitor begins another, so that no page grows without end."""

STOCK = "soak-stock"
STOCK_VERSIONS = 150
VISITORS = 6

BALLAST = "soak-ballast"
CATALOG = 3 * MIB
"""More than each thread's connection keeps of it in memory, 2,000 KiB."""

WALKS = 400
"""Through the whole of the ballast in each process, so that each of its threads has had its turn several times."""

CACHE = 24 * MIB
"""Of rendered pages in each process; see `orbitalreg.web.pages`."""


class Wrong(Exception):
    """The server broke its word."""


def expect(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise Wrong(f"{what}: {str(found)[:200]!r}, not {str(wanted)[:200]!r}")


class Tally:
    """What all visitors did. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._seconds = array("f")

    def answered(self, seconds: float) -> None:
        with self._lock:
            self.requests += 1
            self._seconds.append(seconds)

    def count(self, what: str) -> None:
        with self._lock:
            self.done[what] += 1

    def failed(self, what: str) -> None:
        with self._lock:
            self.wrong.append(what)

    def times(self) -> str:
        """Of the requests, for a person."""
        cuts = quantiles(self._seconds, n=100)
        return f"median {cuts[49] * 1000:.1f} ms, 99 % {cuts[98] * 1000:.0f} ms, slowest {self.slowest * 1000:.0f} ms"

    @property
    def slowest(self) -> float:
        return max(self._seconds, default=0.0)


class Client:
    """Makes requests as installers do: many on one connection, then on another, which another process may serve."""

    def __init__(self, server: Server, tally: Tally, chance: random.Random) -> None:
        self._address = urlsplit(server.url).netloc
        self._token = server.token
        self._tally = tally
        self._chance = chance
        self._connection: http.client.HTTPConnection | None = None

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`token` other than the client's own; empty for none. Raises `OSError` and `http.client.HTTPException`."""
        sent = dict(headers or {})
        secret = self._token if token is None else token
        if secret:
            sent["Authorization"] = "Basic " + b64encode(f"__token__:{secret}".encode()).decode()
        if self._connection is None or self._chance.random() < 0.1:
            self.close()
            self._connection = http.client.HTTPConnection(self._address, timeout=ORDINARY_SECONDS)
        began = time.monotonic()
        try:
            self._connection.request(method, path, body, sent)
            response = self._connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            answer = Answer(response.status, response.reason, told, response.read())
        except BaseException:
            self.close()
            raise
        self._tally.answered(time.monotonic() - began)
        return answer

    def send_json(self, method: str, path: str, body: Any = None) -> Answer:
        if body is None:
            return self.request(method, path)
        return self.request(method, path, body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass(frozen=True)
class Published:
    """A file that the server said it had taken."""

    package: str
    version: str
    filename: str
    sha256: str
    size: int
    yanked: bool | str = False


BASE = f"/pypi/{REPOSITORY}"


class Visitor:
    """One user with packages that nobody else changes: what they must show is known at any time."""

    def __init__(self, server: Server, tally: Tally, name: str, stock: Sequence[Published] = ()) -> None:
        self._chance = random.Random(name)
        self._tally = tally
        self._client = Client(server, tally, self._chance)
        self._monitor = server.monitor
        self._name = name
        self._stock = stock
        self._number = 0
        self._next_version = 0
        self.packages: dict[str, dict[str, Published]] = {self._package: {}}
        """What is there, by package and version."""
        self._steps: dict[Callable[[], object], int] = {
            self.read: 10,
            self.download: 5,
            self.read_document: 3,
            self.publish: 4,
            self.yank: 3,
            self.use_a_token: 1,
            self.be_refused: 1,
            self.delete: 1,
            self.look_around: 2,
        }

    @property
    def _package(self) -> str:
        return f"soak-{self._name}-{self._number}"

    @property
    def _files(self) -> dict[str, Published]:
        return self.packages[self._package]

    def work(self, end: threading.Event) -> None:
        """Do one thing after another until `end`, or until something was wrong."""
        steps, weights = list(self._steps), list(self._steps.values())
        try:
            while not end.is_set() and not self._tally.wrong:
                self.do(self._chance.choices(steps, weights)[0])
        finally:
            self.close()

    def close(self) -> None:
        self._client.close()

    def do(self, step: Callable[[], object]) -> None:
        what = step.__name__
        try:
            step()
        except (Wrong, OSError, http.client.HTTPException, KeyError, ValueError) as error:
            self._tally.failed(f"{self._name}, {what}: {type(error).__name__}: {error}")
        self._tally.count(what)

    # What is done.

    def publish(self, package: str = "") -> Published:
        """A new version; the very next read shows it, and its bytes are those that were sent."""
        if not package and self._next_version >= VERSIONS:
            self._number += 1
            self._next_version = 0
            self.packages[self._package] = {}
        package = package or self._package
        version = f"0.{self._next_version}"
        self._next_version += 1
        # Small as most wheels are, now and then over what is taken without asking, and over what is kept in memory.
        size = self._chance.choices([500, 90_000, 700_000], [20, 3, 1])[0]
        filename, data = make_wheel(package, version, files={"data.bin": self._chance.randbytes(size)})
        expect(self._upload(filename, data).status, 200, f"the upload of {filename}")
        sha256 = hashlib.sha256(data).hexdigest()
        file = Published(package, version, filename, sha256, len(data))
        self.packages.setdefault(package, {})[version] = file
        self._fetch(file, self._listed(package)[filename])
        return file

    def read(self) -> None:
        """The page in both forms, and again with its ETag."""
        package = self._package
        if not self._files:
            return expect(self._page(package, SIMPLE_JSON).status, 404, f"the page of {package}")
        self._compare(package)
        for form_, again in ((SIMPLE_JSON, HTML), (HTML, SIMPLE_JSON)):
            page = self._page(package, form_)
            same = self._page(package, form_, etag=page.headers["etag"])
            expect((same.status, same.body), (304, b""), f"the page of {package} with its ETag")
            expect(self._page(package, again, etag=page.headers["etag"]).status, 200, "the other form with that ETag")

    def download(self) -> None:
        """A file, or a part of it."""
        file = self._any_file()
        if file is None:
            return
        listed = self._listed(file.package)[file.filename]
        if file.size > 1000 and self._chance.random() < 0.3:
            part = self._get(file.package, listed["url"], Range="bytes=10-109")
            expect((part.status, len(part.body)), (206, 100), f"a part of {file.filename}")
        else:
            self._fetch(file, listed)

    def read_document(self) -> None:
        file = self._any_file()
        if file is None:
            return
        listed = self._listed(file.package)[file.filename]
        document = self._get(file.package, f"{listed['url']}.metadata")
        found = hashlib.sha256(document.body).hexdigest()
        expect((document.status, found), (200, listed["core-metadata"]["sha256"]), f"{file.filename}.metadata")

    def yank(self) -> None:
        """Yank a version, or take it back; the very next read shows it, in both forms."""
        if not self._files:
            return
        file = self._chance.choice(list(self._files.values()))
        if file.yanked:
            self.set_yanked(file, False)
        else:
            self.set_yanked(file, f"reason {self._chance.randrange(1000)}")

    def set_yanked(self, file: Published, yanked: bool | str) -> Published:
        path = f"{API}/packages/{file.package}/versions/{file.version}/yank"
        body = {"reason": yanked} if yanked else None
        before = self._page(file.package, SIMPLE_JSON)
        expect(self._client.send_json("POST" if yanked else "DELETE", path, body).status, 200, path)
        after = self._page(file.package, SIMPLE_JSON, etag=before.headers["etag"])
        expect(after.status, 200, "the page's former ETag after a yank")
        changed = Published(file.package, file.version, file.filename, file.sha256, file.size, yanked)
        self.packages[file.package][file.version] = changed
        self._compare(file.package)
        html = self._page(file.package, HTML).body.decode()
        (anchor,) = re.findall(rf"<a [^>]*>{re.escape(file.filename)}</a>", html)
        expect("data-yanked" in anchor, bool(yanked), f"{file.filename} yanked in HTML")
        return changed

    def use_a_token(self) -> None:
        """A token that is made works at once; when it is revoked, the very next request is refused."""
        wish = {"name": "brief", "grants": [f"{REPOSITORY}:publish"]}
        made = self._client.send_json("POST", "/api/v1/tokens", wish)
        expect(made.status, 201, "a new token")
        token = made.json()
        page = f"{BASE}/simple/{STOCK}/"
        wanted = 200 if self._stock else 404
        expect(self._client.request("GET", page, token=token["token"]).status, wanted, "a read with a new token")
        expect(self._client.request("DELETE", f"/api/v1/tokens/{token['id']}").status, 200, "the revocation")
        read = self._client.request("GET", page, token=token["token"])
        upload = self._upload(*make_wheel(f"soak-refused-{self._name}"), token=token["token"])
        for answer in (read, upload):
            refusal = (answer.status, answer.reason)
            expect(refusal, (401, "the token 'brief' is revoked; make a new one"), "a revoked token")

    def be_refused(self) -> None:
        """Small and large uploads that are no good, or nobody's, leave nothing."""
        filename, data = make_wheel(f"soak-refused-{self._name}", files={"data.bin": self._chance.randbytes(100_000)})
        expect(self._upload(filename, data, token="").status, 401, "an upload without a token")
        expect(self._upload(filename, data[:-50]).status, 400, "half a wheel")
        expect(self._upload(filename, data, sha256="0" * 64).status, 400, "an upload with a wrong digest")
        expect(self._page(f"soak-refused-{self._name}", SIMPLE_JSON).status, 404, "the page of what was refused")

    def delete(self) -> None:
        """A version is gone at the very next read, and so are its bytes."""
        if len(self._files) < VERSIONS // 2:
            return
        version = self._chance.choice(list(self._files))
        file = self._files[version]
        url = self._listed(file.package)[file.filename]["url"]
        path = f"{API}/packages/{file.package}/versions/{version}"
        expect(self._client.request("DELETE", path).status, 200, path)
        del self._files[version]
        self._compare(file.package)
        expect(self._get(file.package, url).status, 404, f"{file.filename} after it was deleted")

    def look_around(self) -> None:
        """Lists, and what a monitor asks."""
        names = self._client.request("GET", f"{BASE}/simple/", headers={"Accept": SIMPLE_JSON})
        known = {project["name"] for project in names.json()["projects"]}
        expect({name for name, files in self.packages.items() if files} <= known, True, "the list of packages")
        for path in ("/healthz", "/readyz", f"{API}/packages", f"{BASE}/pypi/{self._package}/json"):
            status = 404 if path.endswith("/json") and not self._files else 200
            expect(self._client.request("GET", path).status, status, path)
        expect(self._client.request("GET", "/metrics", token=self._monitor).status, 200, "/metrics")

    # How it is looked at.

    def cost_of_page(self, package: str) -> int:
        """Bytes by which one change of a package fills the server's cache, once it was read in both forms."""
        return sum(len(self._page(package, accept).body) for accept in (SIMPLE_JSON, HTML)) * 3 // 2

    def check(self) -> int:
        """All that was acknowledged, and nothing else, is listed and there, byte for byte. How many files."""
        for package, files in self.packages.items():
            if files:
                listed = self._compare(package)
                for file in files.values():
                    self._fetch(file, listed[file.filename])
            else:
                expect(self._page(package, SIMPLE_JSON).status, 404, f"the page of {package}")
        self.close()
        return sum(map(len, self.packages.values()))

    def _compare(self, package: str) -> dict[str, dict[str, Any]]:
        """What the page lists; it must be what is there."""
        files = self.packages[package].values()
        if not files:
            expect(self._page(package, SIMPLE_JSON).status, 404, f"the page of {package}")
            return {}
        listed = self._listed(package)
        found = {name: (file["hashes"]["sha256"], file["size"], file["yanked"]) for name, file in listed.items()}
        wanted = {file.filename: (file.sha256, file.size, file.yanked) for file in files}
        if found != wanted:
            different = dict(sorted(set(found.items()) ^ set(wanted.items())))
            raise Wrong(f"the page of {package}: {len(found)} files, not {len(wanted)}; {str(different)[:500]}")
        return listed

    def _listed(self, package: str) -> dict[str, dict[str, Any]]:
        page = self._page(package, SIMPLE_JSON)
        expect(page.status, 200, f"the page of {package}")
        return {file["filename"]: file for file in page.json()["files"]}

    def _page(self, package: str, accept: str, etag: str = "") -> Answer:
        headers = {"Accept": accept, **({"If-None-Match": etag} if etag else {})}
        return self._client.request("GET", f"{BASE}/simple/{package}/", headers=headers)

    def _get(self, package: str, url: str, **headers: str) -> Answer:
        return self._client.request("GET", urljoin(f"{BASE}/simple/{package}/", url), headers=headers)

    def _fetch(self, file: Published, listed: Mapping[str, Any]) -> None:
        answer = self._get(file.package, listed["url"])
        found = (answer.status, len(answer.body), hashlib.sha256(answer.body).hexdigest())
        expect(found, (200, file.size, file.sha256), f"the bytes of {file.filename}")

    def _any_file(self) -> Published | None:
        files = [*self._files.values(), *self._chance.sample(self._stock, min(3, len(self._stock)))]
        return self._chance.choice(files) if files else None

    def _upload(self, filename: str, data: bytes, *, token: str | None = None, sha256: str = "") -> Answer:
        before, after = form(filename, fields_of(filename, sha256 or hashlib.sha256(data).hexdigest()))
        body = b"".join((before, data, after))
        return self._client.request("POST", f"{BASE}/legacy/", token=token, body=body, headers=FORM_HEADERS)


class Operator:
    """Who runs pip, uv and the command line now and then, each a process of its own."""

    def __init__(self, server: Server, tally: Tally, shell: Shell, pause: float) -> None:
        self._server = server
        self._tally = tally
        self._shell = shell
        self._environment = shell.new_environment()
        self._pause = pause
        self._version = 0

    def work(self, end: threading.Event) -> None:
        steps = (self.install_with_uv, self.yank_by_command, self.install_with_pip, self.revoke_by_command)
        while True:
            for step in steps:
                if end.wait(self._pause) or self._tally.wrong:
                    return
                try:
                    step()
                except Exception as error:  # of a thread nobody else would hear
                    self._tally.failed(f"{step.__name__}: {type(error).__name__}: {error}")
                self._tally.count(step.__name__)

    def install_with_uv(self) -> None:
        self._install("uv pip install")

    def install_with_pip(self) -> None:
        self._install("python -m pip install")

    def _install(self, installer: str) -> None:
        self._version = (self._version + 7) % STOCK_VERSIONS
        index = f"http://__token__:{self._server.token}@{self._server.authority}/pypi/{REPOSITORY}/simple/"
        done = self._shell.run(f"{installer} --index-url {index} {STOCK}==0.{self._version}")
        expect(done.code, 0, f"{installer}: {done.output[-500:]}")
        installed = f"{STOCK.replace('-', '_')}-0.{self._version}"
        expect(installed in self._environment.installed, True, f"{installer}: {installed}")

    def yank_by_command(self) -> None:
        """On a package of its own."""
        package = "soak-command"
        filename, data = make_wheel(package)
        expect(self._server.upload(filename, data).status, 200, f"the upload of {filename}")
        for command, options, wanted in (("yank", ("--reason", "by command"), "by command"), ("unyank", (), False)):
            self._server.cli(command, f"{REPOSITORY}/{package}==1.0", *options)
            expect(self._server.files(package)[filename]["yanked"], wanted, command)

    def revoke_by_command(self) -> None:
        name = f"briefly-{self._tally.done['revoke_by_command']}"
        token = self._server.new_token(name)
        filename, data = make_wheel("soak-command")
        expect(self._server.upload(filename, data, token=token).status, 200, "an upload with a new token")
        self._server.cli("token", "revoke", name)
        expect(self._server.upload(filename, data, token=token).status, 401, "an upload with a revoked token")


class Worker(Protocol):
    def work(self, end: threading.Event) -> None: ...


def run(workers: Iterable[Worker], tally: Tally, seconds: float) -> None:
    """Have all of them work at once for so long, or until something was wrong."""
    end = threading.Event()
    threads = [threading.Thread(target=worker.work, args=(end,)) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not tally.wrong and any(thread.is_alive() for thread in threads):
            time.sleep(0.1)
    finally:
        end.set()
        for thread in threads:
            thread.join()


def fill(server: Server, tally: Tally) -> Visitor:
    """Publish the stock, and bring the server to the size that it has by design: its cache of pages is full then."""
    with closing(Visitor(server, tally, "keeper")) as keeper:
        for _ in range(STOCK_VERSIONS):
            keeper.publish(STOCK)
        changes = math.ceil(server.processes * 1.3 * CACHE / keeper.cost_of_page(STOCK))
        for number in range(changes):
            keeper.set_yanked(keeper.packages[STOCK][f"0.{number % 10}"], f"change {number}")
    return keeper


def load(server: Server, tally: Tally) -> None:
    """Have a catalog that is larger than what a thread keeps of it, and have each thread keep as much as it may."""
    numbers = count()

    def publish(number: int) -> int:
        return server.upload(*make_wheel(BALLAST, f"0.{number}")).status

    def walk(number: int) -> None:
        path = f"{API}/packages/{BALLAST}/files?limit=1000"
        with closing(Client(server, tally, random.Random(number))) as client:
            cursor = ""
            while cursor is not None:
                part = client.request("GET", path + cursor)
                expect(part.status, 200, path)
                following = part.json()["next"]
                cursor = following and f"&cursor={following}"

    with ThreadPoolExecutor(4) as pool:
        while (server.data / "catalog.sqlite3").stat().st_size < CATALOG:
            expect(set(pool.map(publish, islice(numbers, 100))), {200}, "the uploads of the ballast")
        list(pool.map(walk, range(WALKS * server.processes)))
