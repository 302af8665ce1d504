"""A remote repository over a scripted upstream of a small format of its own, which tells all that one can tell."""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from orbitalreg_toy import ToyFormat, ToyUpstreams
from scripted_upstream import Behaviour, Net, ScriptedUpstream, file

from orbitalreg import upstream
from orbitalreg.blobs import FilesystemBlobStore
from orbitalreg.catalog import Catalog, remotes, repositories
from orbitalreg.config import RepositorySettings
from orbitalreg.errors import UploadRefused, UpstreamFailed
from orbitalreg.interfaces import Answer
from orbitalreg.model import Address, File, Kind, RemoteFile, RemotePage, Repository, Status, StatusName
from orbitalreg.scanning.queue import ScanQueue
from orbitalreg.sources.fetching import Fetches
from orbitalreg.sources.kept import Kept
from orbitalreg.sources.patterns import Patterns
from orbitalreg.sources.remote import Asker, RemoteSource, Turns

ADDRESS = Address("acme", "mirror")


class Telling(ToyUpstreams):
    """A page is `{"status": [name, reason], "files": [facts of RemoteFile, ...]}`; URLs are relative."""

    draws = True

    def read_page(self, answer: Answer, package: str) -> RemotePage:
        try:
            page = json.loads(answer.body)
            status = Status(StatusName(page["status"][0]), page["status"][1])
            return RemotePage(
                tuple(
                    RemoteFile(**{**facts, "url": str(upstream.Url.parse(answer.url).join(facts["url"]))})
                    for facts in page["files"]
                ),
                status,
            )
        except (ValueError, KeyError) as error:
            raise UpstreamFailed("what came is no page") from error

    def may_draw(self, filename: str) -> str | None:
        return "head" if self.draws and filename.endswith(".toy") else None

    def draw(self, stream: BinaryIO, filename: str, kind: str) -> bytes:
        """The last line but one of a file that ends with `end`, and its first: reads at both ends."""
        stream.seek(-4, 2)
        if stream.read(4) != b"\nend":
            raise UploadRefused("it has no end")
        stream.seek(0)
        return stream.readline().rstrip(b"\n")


class Counts:
    """`RemoteWatch` that counts."""

    def __init__(self) -> None:
        self.of: Counter[str] = Counter()

    def asked(self, repository: Address, outcome: str) -> None:
        assert repository == ADDRESS
        self.of[outcome] += 1

    def shown_stale(self, repository: Address) -> None:
        self.of["stale"] += 1

    def recalled(self, repository: Address) -> None:
        self.of["recalled"] += 1

    def mismatched(self, repository: Address) -> None:
        self.of["mismatched"] += 1


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def told(name: str, body: bytes | None = None, **facts: Any) -> dict[str, Any]:
    """What a page tells of the file `name` (`ball@1.toy`), with its digest where its bytes are given."""
    known = {"sha256": sha256(body), "size": len(body)} if body is not None else {}
    version = name.partition("@")[2].removesuffix(".toy")
    return {"filename": name, "version": version, "url": f"../../get/{name}", **known, **facts}


def page(*files: Mapping[str, Any], status: Sequence[str | None] = ("active", None)) -> bytes:
    return json.dumps({"status": status, "files": files}).encode()


@dataclass
class Bench:
    """One remote repository. Its upstream is `server`; `new()` makes further sources over the same catalog."""

    folder: Path
    server: ScriptedUpstream
    settings: dict[str, Any] = field(default_factory=dict)
    private: Sequence[str] = ()
    scanners: Sequence[str] = ()
    upstreams: Telling = field(default_factory=Telling)
    turns: Turns = field(default_factory=lambda: Turns(threading.Semaphore(64)))

    def __post_init__(self) -> None:
        self.catalog = Catalog(self.folder)
        self.store = FilesystemBlobStore(self.folder, {})
        self.counts = Counts()
        self.fetches: list[Fetches] = []
        self.clients: list[upstream.Client] = []
        known = {row.address: row.id for row in repositories.all_repositories(self.catalog.read())}
        with self.catalog.write() as db:
            repository_id = known.get(ADDRESS) or repositories.insert_repository(db, ADDRESS, "toy", Kind.REMOTE)
        self.repository = Repository(repository_id, ADDRESS, "toy", Kind.REMOTE)
        self.source = self.new()

    def new(self, **settings: Any) -> RemoteSource:
        """Another source of the same repository, as another process has it, or one with other settings."""
        chosen = {"format": "toy", "kind": "remote", "upstream": self.server.url("/toys"), "listing_ttl": "0s"}
        wanted = RepositorySettings.model_validate({**chosen, **self.settings, **settings})
        server = upstream.Upstream(wanted.upstream or "", connect_seconds=1, total_seconds=wanted.page_timeout)
        client = upstream.Client([server.origin], resolver=Net().resolver, failures=1000)
        self.clients.append(client)
        limits = (wanted.max_page, wanted.max_name_list, wanted.page_timeout)
        asker = Asker(ADDRESS, client, server, *limits, self.counts, self.turns)
        self.fetches.append(Fetches(self.store.staging, 8))
        return RemoteSource(
            self.repository,
            wanted,
            Patterns(self.private, ToyFormat().normalize),
            self.upstreams,
            asker,
            self.catalog,
            self.store,
            self.fetches[-1],
            self.counts,
            Kept(1000),
            ScanQueue(self.scanners),
        )

    def close(self) -> None:
        for fetches in self.fetches:
            fetches.close()
        for thread in threading.enumerate():
            if thread.name.startswith("fetch-"):
                thread.join(10)
        for client in self.clients:
            client.close()

    def tell(self, *files: Mapping[str, Any], package: str = "ball", **options: Any) -> None:
        """From now on the upstream's page has these files."""
        body = page(*files, **{key: options.pop(key) for key in ["status"] if key in options})
        self.server.table[f"/toys/of/{package}/"] = file(body, **{"etag": f'"{sha256(body)}"', **options})

    def answer(self, behaviour: Behaviour, package: str = "ball") -> None:
        self.server.table[f"/toys/of/{package}/"] = behaviour

    def put(self, name: str, body: bytes, behaviour: Behaviour | None = None) -> dict[str, Any]:
        """From now on the upstream has this file; what a page tells of it."""
        self.server.table[f"/toys/get/{name}"] = behaviour or file(body, etag=f'"{sha256(body)[:8]}"')
        return told(name, body)

    def asked(self, part: str = "/of/") -> int:
        """How often the upstream was asked for what has `part` in its path."""
        return sum(part in path for path in self.server.paths())

    def file(self, name: str = "ball@1.toy", source: RemoteSource | None = None) -> File:
        source = source or self.source
        return next(one for one in source.listing(name.partition("@")[0]).files if one.filename == name)

    def read(self, name: str = "ball@1.toy", source: RemoteSource | None = None) -> bytes:
        source = source or self.source
        with source.open(source.sized(self.file(name, source))) as stream:
            return b"".join(iter(lambda: stream.read(65536), b""))

    def cache(self, name: str = "ball@1.toy", source: RemoteSource | None = None) -> File:
        """Have the file fetched and kept, which ends a moment after it is read."""
        file = self.file(name, source)
        self.read(name, source)
        end = time.monotonic() + 10
        while remotes.cached_digest(self.catalog.read(), file.id) is None:
            assert time.monotonic() < end, f"{name} was not kept"
            time.sleep(0.005)
        return file

    def count(self, table: str) -> int:
        return int(self.catalog.read().execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def names(self) -> list[str]:
        return [one.filename for one in self.source.listing("ball").files]
