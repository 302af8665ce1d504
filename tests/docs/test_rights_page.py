"""docs/reference/rights.md against the application: every route as every caller on every kind of repository.

What is expected follows from the page's table and its rules as they are written out here, and from nothing of the code.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from archives_corpus import make_wheel
from conformance_site import BOUNDARY, encode, form
from falcon import testing
from outside import Outside
from reported import put, report

from orbitalreg import config
from orbitalreg.assembly import Registry, assemble
from orbitalreg.failures import FailureLimit
from orbitalreg.identity import Accounts
from orbitalreg.interfaces import Exchange
from orbitalreg.metrics import Metrics
from orbitalreg.model import Actor, Grant, now
from orbitalreg.tokens import token_id_of
from orbitalreg.web.app import create_app, routes

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rights.md"
ROW = re.compile(
    r"^\| (?P<method>[A-Z]+) \| `(?P<route>[^`]+)` \| (?P<right>[a-z-]+) \| (?P<of>\w*) ?\| (?P<answer>[^|]+) \|$", re.M
)
ORDER = ("read", "publish", "maintain", "admin")
ACTOR = Actor("local:test")
PACKAGE, VERSION = "my-pkg", "99.0"
FILENAME, WHEEL = make_wheel(PACKAGE, VERSION)
HELD = "my-held"  # a name without a file
KINDS = {
    "local": ("acme", "internal"),
    "remote": ("acme", "pypi-remote"),
    "virtual": ("acme", "all-libs"),
    "receiving": ("acme", "takes"),
    "open": ("common", "open"),
}
CONFIGURATION = """
[data]
path = "data"

[projects.acme.repositories.internal]
format = "pypi"
kind = "local"
reuse_deleted_filenames = true

[projects.acme.repositories.pypi-remote]
format = "pypi"
kind = "remote"
upstream = "{url}"
freeze = 2100-01-01

[projects.acme.repositories.all-libs]
format = "pypi"
kind = "virtual"
members = ["internal", "pypi-remote"]

[projects.acme.repositories.takes]
format = "pypi"
kind = "virtual"
members = ["internal", "pypi-remote"]
upload_to = "internal"

[projects.acme.repositories.side]
format = "pypi"
kind = "local"

[projects.common.repositories.open]
format = "pypi"
kind = "local"
anonymous_read = true
reuse_deleted_filenames = true

[projects.other.repositories.internal]
format = "pypi"
kind = "local"
"""


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    method: str
    route: str
    right: str
    of: str
    answer: str

    def done(self, kind: str) -> int:
        """What those get who may."""
        usual, _, apart = self.answer.partition(";")
        kinds, _, status = apart.partition(":")
        return int(status) if kind in re.findall(r"\w+", kinds) else int(usual)

    @property
    def id(self) -> str:
        return f"{self.method} {self.route}"


ROWS = [Row(**match.groupdict()) for match in ROW.finditer(PAGE.read_text("utf-8"))]


@dataclass(frozen=True)
class Caller:
    """Who asks. `has` is what counts: PROJECT[/REPO[/PATTERN]]:RIGHT, with P and R for what the test is about.

    `token` and `owner` are what the token was made with and what its account has, where they are not just that.
    """

    has: tuple[str, ...] = ()
    token: tuple[str, ...] | None = None
    owner: tuple[str, ...] | None = None
    kind: str = "service"
    refused: str = ""

    def may(self, right: str, project: str, repository: str, package: str | None) -> bool:
        """Rules of the rights: on the package, or (None) on anything there."""
        return any(_speaks(text, right, project, repository, package) for text in self.has)

    def throughout(self, right: str, project: str) -> bool:
        return any(_speaks(text, right, project, "", "") for text in self.has if "/" not in text)


def _speaks(text: str, right: str, project: str, repository: str, package: str | None) -> bool:
    target, _, given = text.partition(":")
    parts = target.split("/")
    if ORDER.index(given) < ORDER.index(right) or parts[0] != project:
        return False
    if len(parts) > 1 and parts[1] != repository:
        return False
    return len(parts) < 3 or package is None or fnmatchcase(package, parts[2])


CALLERS = {
    "anonymous": Caller(kind=""),
    "read": Caller(("P/R:read",)),
    "publish": Caller(("P/R:publish",)),
    "maintain": Caller(("P/R:maintain",)),
    "admin": Caller(("P/R:admin",)),
    "project admin": Caller(("P:admin",)),
    "pattern": Caller(("P/R/my-*:maintain",)),
    "pattern, read": Caller(("P/R/my-?*:read",)),
    "other pattern": Caller(("P/R/your-*:admin",)),
    "other repository": Caller(("P/side:admin",)),
    "other project": Caller(("other:admin",)),
    "personal, narrow": Caller(("P/R:read",), owner=("P:admin",), kind="user"),
    "personal, of little": Caller(("P/R:read",), token=("P:admin",), owner=("P/R:read",), kind="user"),
    "personal, of nothing": Caller((), token=("P:admin",), owner=(), kind="user"),
    "exchanged": Caller(("P/R:publish",), kind="fake"),
    "expired": Caller(("P:admin",), refused="expired"),
    "revoked": Caller(("P:admin",), refused="revoked"),
    "disabled owner": Caller(("P:admin",), kind="user", refused="disabled"),
    "mistyped": Caller(("P:admin",), refused="mistyped"),
}


def expected(row: Row, caller: Caller, kind: str) -> int:
    """By the page."""
    project, repository = KINDS[kind]
    done, anonymous = row.done(kind), not caller.kind
    if row.right == "nothing":
        return done
    if caller.refused:
        return 401  # rule 1
    if row.right == "public":
        return done
    if row.right == "signed-in":
        return 401 if anonymous else _own(row, caller, done)
    if row.right == "monitoring":
        admin = any(caller.throughout("admin", name) for name in ("acme", "common", "other"))
        return done if admin else 401 if anonymous else 403
    public = kind == "open"
    if row.of == "project":
        seen = public or any(caller.may("read", project, name, None) for name in _repositories(project))
        allowed = seen if row.right == "read" else caller.throughout(row.right, project)
        return done if allowed else 401 if anonymous else 403 if seen else 404  # rules 2, 3, 4, 6
    package = PACKAGE if row.of == "package" else None
    seen = public or caller.may("read", project, repository, package)
    if row.right == "read":
        return done if seen else 401 if anonymous else 404
    judged = "internal" if kind == "receiving" and row.route.startswith("/pypi/") else repository  # rule 8
    if caller.may(row.right, project, judged, package):
        return done
    return 401 if anonymous else 403 if seen or row.route.startswith("/pypi/") else 404


def _own(row: Row, caller: Caller, done: int) -> int:
    if row.method != "GET" and caller.kind == "fake":
        return 403  # rule 9
    if row.id == "POST /api/v1/tokens" and caller.owner is not None and caller.token is not None:
        return 403  # it asks for what its account does not have
    return done


def _repositories(project: str) -> list[str]:
    return re.findall(rf"\[projects\.{project}\.repositories\.([\w-]+)\]", CONFIGURATION)


class Exchanger:
    """Takes any token, and gives what the short-lived one was made with."""

    audience = "orbitalreg"

    def exchange(self, token: str) -> Exchange:
        grants = (Grant.parse("acme/internal/my-lib:publish"),)
        return Exchange("acme/my-lib", grants, token, now() + 60_000_000, "one job")

    def grants(self, origin: Mapping[str, str]) -> tuple[Grant, ...]:
        return tuple(Grant.parse(text) for text in json.loads(origin["grants"]))


@dataclass
class Site:
    """The application without a socket, and a token for each caller."""

    registry: Registry
    client: Any
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**6)))
    tokens: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def ask(self, row: Row, who: str, kind: str, method: str | None = None) -> int:
        project, repository = KINDS[kind]
        caller = CALLERS[who]
        changes_tokens = "{token}" in row.route and row.method != "GET"
        text = self.token(caller, kind) if changes_tokens else self.usual_token(who, kind)
        path = row.route.format(
            project=project,
            repository=repository,
            package=HELD if row.route.endswith("/reservation") else PACKAGE,
            version=VERSION,
            filename=FILENAME,
            scanner="grype",
            token=self.spare(row, caller, kind, text),
        )
        headers = {} if text is None else {"Authorization": f"Bearer {text}"}
        body = self.body(row, caller, kind)
        if body is not None:
            headers["Content-Type"] = (
                f"multipart/form-data; boundary={BOUNDARY}" if isinstance(body, bytes) else "application/json"
            )
        answer = self.client.simulate_request(
            method or row.method,
            path,
            headers=headers,
            params=self.query(row, kind),
            body=body if isinstance(body, bytes) or body is None else json.dumps(body),
            remote_addr="127.0.0.1",
        )
        return int(answer.status_code)

    def usual_token(self, who: str, kind: str) -> str | None:
        """That which the caller always uses."""
        if (who, kind) not in self.tokens:
            self.tokens[who, kind] = self.token(CALLERS[who], kind)
        return self.tokens[who, kind]

    def token(self, caller: Caller, kind: str) -> str | None:
        """A fresh one."""
        if not caller.kind:
            return None
        grants = self.parsed(caller.token or caller.has, kind)
        text = self._made(caller, grants, self.parsed(caller.has if caller.owner is None else caller.owner, kind))
        if caller.refused == "revoked":
            self.registry.accounts.revoke(token_id_of(text), ACTOR)
        if caller.refused == "mistyped":
            text = text[:20] + ("a" if text[20] != "a" else "b") + text[21:]
        return text

    def _made(self, caller: Caller, grants: list[Grant], owned: list[Grant]) -> str:
        known, name = self.registry.accounts, f"caller-{next(self.numbers)}"
        if caller.kind == "fake":
            with self.registry.catalog.write() as db:
                origin = {"grants": json.dumps(list(map(str, grants)))}
                return known.mint_exchanged(db, f"fake:{name}", grants, now() + 900_000_000, origin).text
        ends = now() - 1 if caller.refused == "expired" else None
        if caller.kind == "service":
            return known.create_token(name, None, grants, ends, ACTOR).text
        known.add_user(name, ACTOR)
        known.grant(f"user:{name}", owned, ACTOR)
        text = known.create_token("token", name, grants, ends, ACTOR).text
        if caller.refused == "disabled":
            known.set_disabled(f"user:{name}", True, ACTOR)
        return text

    def parsed(self, texts: Sequence[str], kind: str) -> list[Grant]:
        project, repository = KINDS[kind]
        return [Grant.parse(_named(text, project, repository)) for text in texts]

    def spare(self, row: Row, caller: Caller, kind: str, text: str | None) -> str:
        """The id of the token that the request is about."""
        if "{token}" not in row.route:
            return ""
        if row.of == "project":
            grants = self.parsed(["P/R:read"], kind)
            return self.registry.accounts.create_token(f"spare-{next(self.numbers)}", None, grants, None, ACTOR).id
        if text is None or caller.refused == "mistyped":
            return "XXXXXXXX"
        return token_id_of(text)

    def body(self, row: Row, caller: Caller, kind: str) -> Any:
        project, repository = KINDS[kind]
        target = row.route.rpartition("}/")[2] if "}" in row.route else row.route
        if row.method == "POST" and "/legacy" in row.route:
            return encode(form(FILENAME, WHEEL))
        bodies = {
            "POST grants": {"principal": "service:somebody", "grants": [f"{project}/{repository}:read"]},
            "PUT status": {"status": "active"},
            "POST exceptions": {"version": VERSION, "expires_in": 60, "reason": "a test"},
            "POST yank": {},
            "POST /api/v1/tokens": {
                "name": "made",
                "grants": list(map(str, self.parsed(caller.token or caller.has or ["P:read"], kind))),
            },
            "POST rotate": {},
            "POST /_/oidc/mint-token": {"token": "another's"},
            "POST /_/oidc/burn-token": {"token": "another's"},
        }
        return bodies.get(f"{row.method} {target}")

    def query(self, row: Row, kind: str) -> dict[str, str]:
        if row.route.partition("/{repository}")[2].startswith("/affected"):
            return {"vulnerability": "CVE-2019-10906"}
        if row.route.startswith("/.well-known/"):
            return {"discover": "/pypi/acme/internal/legacy/"}
        if row.id != "DELETE /api/v1/projects/{project}/grants":
            return {}
        project, _ = KINDS[kind]
        self.registry.accounts.grant("service:somebody", [Grant.parse(f"{project}/x:read")], ACTOR)
        return {"principal": "service:somebody", "grant": f"{project}/x:read"}

    def restock(self, kind: str, delete: str = "") -> None:
        """The package is there in the local repositories, or is not: `delete` is a package to hold without a file."""
        repository = self.registry.repository(_address("internal" if kind != "open" else "open"))
        package = delete or PACKAGE
        self.publish(str(repository.address), package)
        if not delete:
            self.report(str(repository.address))
        if delete:
            self.registry.curator.delete(repository, package, VERSION, None, ACTOR)

    def report(self, address: str) -> None:
        """A scanner has looked at the file."""
        put(self.registry, address, FILENAME, report("grype"), raw=b"{}", documents={"cyclonedx": b"{}"})

    def follow(self) -> None:
        """What the file asks for is known in every repository, of the remote one since it is held there too."""
        headers = {"Authorization": f"Bearer {self.publisher}"}
        path = f"/pypi/acme/pypi-remote/files/{PACKAGE}/{FILENAME}"
        assert self.client.simulate_get(path, headers=headers, remote_addr="127.0.0.1").status_code == 200
        self.registry.graph.updater.reconcile()
        assert self.registry.graph.updater.update()

    def publish(self, address: str, package: str) -> None:
        filename, wheel = (FILENAME, WHEEL) if package == PACKAGE else make_wheel(package, VERSION)
        answer = self.client.simulate_post(
            f"/pypi/{address}/legacy/",
            headers={
                "Authorization": f"Bearer {self.publisher}",
                "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
            },
            body=encode(form(filename, wheel)),
            remote_addr="127.0.0.1",
        )
        assert answer.status_code == 200, answer.text

    publisher = ""


def _named(text: str, project: str, repository: str) -> str:
    target, _, right = text.partition(":")
    parts = [{"P": project, "R": repository}.get(part, part) for part in target.split("/")]
    return f"{'/'.join(parts)}:{right}"


def _address(repository: str) -> Any:
    from orbitalreg.model import Address

    return Address("common" if repository == "open" else "acme", repository)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("rights")
    with Outside() as outside:
        (folder / "orbitalreg.toml").write_text(CONFIGURATION.format(url=outside.url))
        registry = assemble(config.load(folder / "orbitalreg.toml"))
        exchangers = {"fake": Exchanger()}
        rights = replace(registry.accounts.rights, exchangers=exchangers)
        registry = replace(registry, accounts=Accounts(registry.catalog, rights), exchangers=exchangers)
        made = Site(registry, testing.TestClient(create_app(registry)))
        wanted = [Grant.parse("acme:maintain"), Grant.parse("common:maintain")]
        made.publisher = registry.accounts.create_token("publisher", None, wanted, None, ACTOR).text
        registry.accounts.create_token("somebody", None, [Grant.parse("acme/side:read")], None, ACTOR)
        for kind in KINDS:
            made.restock(kind)
        made.report("acme/pypi-remote")
        made.follow()
        yield made
        registry.close()
        registry.catalog.close()


def test_the_table_has_every_route_and_no_other(site: Site) -> None:
    served = {
        (method, template)
        for template, resource in routes(site.registry, Metrics(), FailureLimit())
        for method in resource.rights
    }
    assert len(served) > 45
    told = [(row.method, row.route) for row in ROWS]
    assert len(told) == len(set(told))
    assert set(told) - served == set(), "rows without a route"
    assert served - set(told) == set(), "routes without a row"


CONSUMING: Mapping[str, Callable[[Site, str], None]] = {
    "DELETE {version}": lambda site, kind: site.restock(kind),
    "DELETE {filename}": lambda site, kind: site.restock(kind),
    "DELETE reservation": lambda site, kind: site.restock(kind, HELD),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_everybody_gets_what_the_page_says(row: Row, kind: str, site: Site) -> None:
    restock = CONSUMING.get(f"{row.method} {row.route.rpartition('/')[2]}")
    seen, wanted = {}, {}
    for who, caller in CALLERS.items():
        caller = replace(caller, has=tuple(_named(text, *KINDS[kind]) for text in caller.has))
        if restock is not None and expected(row, caller, kind) == row.done(kind):
            restock(site, kind)
        for method in ("GET", "HEAD") if row.method == "GET" else (row.method,):
            wanted[method, who] = expected(row, caller, kind)
            seen[method, who] = site.ask(row, who, kind, method)
    assert seen == wanted
    if restock is not None:
        site.restock(kind)


def test_the_answers_tell_the_callers_apart() -> None:
    """A page that said the same of everybody would show nothing."""
    found = {
        tuple(
            expected(row, replace(caller, has=tuple(_named(text, "acme", "internal") for text in caller.has)), "local")
            for row in ROWS
        )
        for caller in CALLERS.values()
    }
    assert len(found) >= 12
