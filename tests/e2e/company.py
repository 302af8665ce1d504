"""A company's registry: its own packages and a public index behind virtual repositories.

The public index is scripted, so that everything that it is asked for is known.
"""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from archives_corpus import make_sdist, make_wheel
from harness import Answer, Registry, call
from scripted_upstream import ScriptedUpstream, file, reply

JSON = "application/vnd.pypi.simple.v1+json"
CONFIG = """\
[server]
listen = "127.0.0.1:0"

[data]
path = "data"

[projects.acme]
private_names = ["corp-*"]

[projects.acme.repositories.internal]
format = "pypi"
kind = "local"

[projects.acme.repositories.public]
format = "pypi"
kind = "remote"
upstream = "{upstream}/simple/"
listing_ttl = "0s"
negative_ttl = "0s"
{public}

[projects.acme.repositories.all-libs]
format = "pypi"
kind = "virtual"
members = ["internal", "public"]
upload_to = "internal"

[projects.acme.repositories.plain]
format = "pypi"
kind = "virtual"
members = ["internal", "public"]
guard = false

[projects.acme.repositories.merged]
format = "pypi"
kind = "virtual"
members = ["internal", "public"]
merge_upstream = ["lib", "corp-*"]

[projects.acme.repositories.cool]
format = "pypi"
kind = "virtual"
members = ["internal", "public"]
min_age = "7d"
"""


class Company:
    """A registry, and the public index of which it shows the packages. `registry.token` may maintain everything."""

    def __init__(self, folder: Path, public: str = "") -> None:
        self.index = ScriptedUpstream()
        folder.mkdir(exist_ok=True)
        self._config = folder / "orbitalreg.toml"
        self._public: dict[str, list[dict[str, object]]] = {}
        self.configure(public)
        self.registry = Registry(folder)

    def configure(self, public: str) -> None:
        """`public` are further lines of the remote repository's table."""
        self._config.write_text(CONFIG.format(upstream=self.index.origin, public=public))

    def __enter__(self) -> "Company":
        self.index.__enter__()
        self.registry.start()
        self.registry.token = self.registry.new_token("admin", "acme:maintain")
        return self

    def __exit__(self, *_: object) -> None:
        self.registry.close()
        self.index.close()

    def puts_outside(self, name: str, version: str, *, days: int | None = 100, requires: str = "") -> tuple[str, str]:
        """Somebody publishes a wheel and an sdist on the public index, so many days ago; the filenames.

        With None the index does not tell when.
        """
        more = f"Requires-Dist: {requires}" if requires else ""
        built = make_wheel(name, version, metadata_extra=more), make_sdist(name, version)
        at = (datetime.now(UTC) - timedelta(days=days or 0)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        when = {} if days is None else {"upload-time": at}
        for filename, body in built:
            told = {"filename": filename, "url": f"/files/{filename}", "size": len(body), **when}
            digest = {"sha256": hashlib.sha256(body).hexdigest()}
            self._public.setdefault(name, []).append({**told, "hashes": digest})
            self.index.table[f"/files/{filename}"] = file(body)
        page = {"meta": {"api-version": "1.1"}, "name": name, "files": self._public[name]}
        self.index.table[f"/simple/{name}/"] = reply(json.dumps(page).encode(), headers={"Content-Type": JSON})
        projects = {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in self._public]}
        self.index.table["/simple/"] = reply(json.dumps(projects).encode(), headers={"Content-Type": JSON})
        return built[0][0], built[1][0]

    def puts_inside(self, name: str, version: str, *, requires: str = "") -> None:
        more = f"Requires-Dist: {requires}" if requires else ""
        for built in (make_wheel(name, version, metadata_extra=more), make_sdist(name, version)):
            answer = self.registry.upload(*built)
            assert answer.status == 200, answer.reason

    def asked(self, part: str) -> list[str]:
        """The addresses of the public index that were asked for and have `part` in them, however it is spelled."""
        return [path for path in self.index.paths() if part in re.sub(r"[-_.]+", "-", path.lower())]

    def get(self, path: str, repository: str = "all-libs", accept: str = "*/*") -> Answer:
        url = f"{self.registry.url}/pypi/acme/{repository}/{path}"
        return call("GET", url, token=self.registry.token, headers={"Accept": accept})

    def versions(self, name: str, repository: str = "all-libs") -> set[str]:
        """As JSON has them, HTML and the files of both; nothing where there is no page."""
        answer = self.get(f"simple/{name}/", repository, JSON)
        if answer.status == 404:
            return set()
        assert answer.status == 200, answer
        told = answer.json()
        filenames = {one["filename"] for one in told["files"]}
        html = self.get(f"simple/{name}/", repository, "text/html").body.decode()
        assert set(re.findall(r">([^<]+)</a>", html)) == filenames
        assert {re.split("-", one.removesuffix(".tar.gz"))[1] for one in filenames} == set(told["versions"])
        return set(told["versions"])

    def index_url(self, repository: str = "all-libs") -> str:
        return f"http://__token__:{self.registry.token}@{self.registry.authority}/pypi/acme/{repository}/simple/"
