"""The API and the command line over remote and virtual repositories: what they tell is what the pages show."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from orbitalreg import errors
from orbitalreg.client import Client
from orbitalreg.model import Address, Severity

from .. import scanner_plugin
from ..conftest import ServerProcess
from ..reported import HIGH, SAME, finding, put, put_listed, report
from .conftest import ROOT

PACKAGES = f"{ROOT}/projects/acme/repositories/{{}}/packages"
KINDS = ["public", "all"]

MORE = """
[projects.acme.repositories.public]
format = "toy"
kind = "remote"
upstream = "{url}/toy/acme/open"
listing_ttl = "0s"
negative_ttl = "0s"
{rules}

[projects.acme.repositories.all]
format = "toy"
kind = "virtual"
members = ["toys", "public"]

[projects.acme.repositories.frozen]
format = "toy"
kind = "virtual"
members = ["all"]
min_age = "1h"
"""


class Outside:
    """The other server, which takes uploads and is told what it has."""

    def __init__(self, site: Any, server: Any) -> None:
        self._site, self._server = site, server
        self.url = server.url

    def put(self, *filenames: str) -> None:
        for filename in filenames:
            assert self._site.put(filename, filename.encode(), to="/toy/acme/open").status_code == 200

    def take_back(self, package: str, version: str) -> None:
        self._site.registry.curator.delete(self._site.repository("acme/open"), package, version, None, self._site.actor)

    def stop(self) -> None:
        self._server.stop()


@pytest.fixture
def outside(make_site: Callable[..., Any], serve: Callable[..., Any], tmp_path: Path) -> Outside:
    folder = tmp_path / "outside"
    return Outside(make_site(folder=folder), serve("--config", str(folder / "orbitalreg.toml")))


@pytest.fixture
def inside(make_site: Callable[..., Any], outside: Outside, tmp_path: Path) -> Callable[..., Any]:
    def make(rules: str = "") -> Any:
        from .conftest import Api

        return Api(make_site(MORE.format(url=outside.url, rules=rules), folder=tmp_path / "inside"))

    return make


def flush(api: Any) -> None:
    api.site.registry.usage.flush()


@pytest.mark.parametrize("repository", KINDS)
def test_what_is_there_is_told_alike_for_every_kind(
    repository: str, inside: Callable[..., Any], outside: Outside
) -> None:
    api = inside()
    outside.put("ball@1.toy", "ball@10.toy", "ball@2.toy")
    ball = PACKAGES.format(repository) + "/ball"
    assert api.get(ball)["versions"] == ["1", "2", "10"]
    assert (api.get(ball)["newest"], api.get(ball)["file_count"]) == ("10", 3)
    for limit in (1, 2, 100):
        assert api.names(f"{ball}/versions", "version", limit=limit) == ["1", "10", "2"]
        assert api.names(f"{ball}/files", "filename", limit=limit) == ["ball@1.toy", "ball@10.toy", "ball@2.toy"]
    assert api.names(f"{ball}/versions/2/files", "filename") == ["ball@2.toy"]
    told = api.get(f"{ball}/versions/2/files/ball@2.toy")
    assert (told["repository"], told["withheld"], told["published_by"]) == ("acme/public", None, None)
    assert api("GET", f"{ball}/versions/2/files/ball@1.toy").status_code == 404
    assert api("GET", f"{ball}/versions/7").status_code == 404
    assert api("GET", f"{ball}/versions/no-version").status_code == 404
    assert api("GET", PACKAGES.format(repository) + "/absent").status_code == 404


@pytest.mark.parametrize("repository", KINDS)
def test_the_list_of_packages_is_of_those_asked_for_and_asks_nobody(
    repository: str, inside: Callable[..., Any], outside: Outside
) -> None:
    api = inside()
    outside.put("ball@1.toy", "kite@1.toy", "kite@2.toy", "unknown@1.toy")
    assert api.names(PACKAGES.format(repository)) == []
    for name in ("ball", "kite"):
        api.get(f"{PACKAGES.format(repository)}/{name}")
    outside.stop()
    for limit in (1, 2, 100):
        assert api.names(PACKAGES.format(repository), limit=limit) == ["ball", "kite"]
    [_, kite] = api.get(PACKAGES.format(repository))["items"]
    assert (kite["newest"], kite["version_count"], kite["file_count"]) == ("2", 2, 2)


def test_a_virtual_list_has_the_packages_of_local_members_too(inside: Callable[..., Any], outside: Outside) -> None:
    api = inside()
    outside.put("ball@99.toy", "drum@1.toy")
    api.get(PACKAGES.format("public") + "/ball")
    api.get(PACKAGES.format("public") + "/drum")
    api.site.put("ball@1.toy")
    found = {package["name"]: package["newest"] for package in api.get(PACKAGES.format("all"))["items"]}
    assert found == {"ball": "1", "drum": "1"}  # the name guard holds here as it does on the pages
    [file] = api.get(PACKAGES.format("all") + "/ball/files")["items"]
    assert (file["repository"], file["published_by"]) == ("acme/toys", "service:publisher")


def test_lists_hold_what_the_caller_may_read_on_the_virtual(inside: Callable[..., Any], outside: Outside) -> None:
    api = inside()
    outside.put("ball@1.toy", "kite@1.toy")
    reader = api.site.token("acme/all/b*:read", name="reader")
    for name in ("ball", "kite"):
        api.get(f"{PACKAGES.format('all')}/{name}")
    assert api.names(PACKAGES.format("all"), token=reader) == ["ball"]
    assert api("GET", PACKAGES.format("all") + "/kite", token=reader).status_code == 404
    assert api("GET", PACKAGES.format("public") + "/ball", token=reader).status_code == 404


@pytest.mark.parametrize("repository", KINDS)
def test_what_is_withheld_is_never_told_as_offered(
    repository: str, inside: Callable[..., Any], outside: Outside
) -> None:
    api = inside('min_age = "7d"')
    outside.put("ball@1.toy")
    ball = PACKAGES.format(repository) + "/ball"
    package = api.get(ball)
    assert (package["versions"], package["newest"], package["file_count"]) == ([], None, 0)
    [file] = api.get(f"{ball}/files")["items"]
    assert file["withheld"]["by"] == "acme/public" and file["withheld"]["reason"] == "younger than 7d"
    assert file["withheld"]["until"] > file["published_at"]
    version = api.get(f"{ball}/versions/1")
    assert (version["file_count"], version["withheld_count"]) == (0, 1)
    assert api.get(PACKAGES.format(repository))["items"][0]["version_count"] == 0
    allowed = {"version": "1", "expires_in": 3600, "reason": "a fix"}
    assert api("POST", PACKAGES.format("public") + "/ball/exceptions", allowed).status_code == 200
    assert api.get(ball)["versions"] == ["1"]
    assert api.get(f"{ball}/versions/1/files/ball@1.toy")["withheld"] is None


def test_allow_is_said_where_the_rule_is_and_audited(inside: Callable[..., Any], outside: Outside) -> None:
    api = inside('min_age = "7d"')
    outside.put("ball@1.toy")
    body = {"version": "1", "expires_in": 3600, "reason": "a fix"}

    def allow(repository: str, **changed: Any) -> Any:
        return api("POST", PACKAGES.format(repository) + "/ball/exceptions", {**body, **changed})

    assert allow("toys").json["detail"].endswith("a local repository withholds nothing; allow it where it is withheld")
    wrong = allow("all")
    assert (wrong.status_code, wrong.json["detail"]) == (
        409,
        "acme/all has no min_age and no freeze; allow it in acme/public",
    )
    assert allow("frozen").status_code == 200  # which has a rule of its own
    assert api.get(PACKAGES.format("frozen") + "/ball")["versions"] == []
    assert allow("public", version="one").status_code == 404
    for faulty in ({"expires_in": 0}, {"expires_in": 367 * 86400}, {"reason": ""}, {"version": 1}):
        assert allow("public", **faulty).status_code == 422
    done = allow("public")
    assert (done.json["repository"], done.json["version"], done.json["reason"]) == ("acme/public", "1", "a fix")
    rows = api.site.registry.catalog.read().execute(
        "SELECT actor, target, detail FROM audit_entry WHERE action = 'version.allow' ORDER BY id"
    )
    who, target, detail = rows.fetchall()[-1]
    assert (who, target, json.loads(detail)["reason"]) == ("service:publisher", "acme/public/ball==1", "a fix")
    assert api.get(PACKAGES.format("frozen") + "/ball")["versions"] == ["1"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "status", {"status": "archived"}),
        ("POST", "versions/1/yank", {}),
        ("DELETE", "versions/1/yank", None),
        ("DELETE", "versions/1", None),
        ("DELETE", "versions/1/files/ball@1.toy", None),
        ("DELETE", "reservation", None),
    ],
)
@pytest.mark.parametrize(("repository", "where"), [("public", "upstream"), ("all", "orbitalreg explain")])
def test_changes_are_refused_and_the_place_for_them_is_told(
    method: str,
    path: str,
    body: Any,
    repository: str,
    where: str,
    inside: Callable[..., Any],
    outside: Outside,
) -> None:
    api = inside()
    outside.put("ball@1.toy")
    assert api.site.get("/toy/acme/all/get/ball/ball@1.toy").status_code == 200  # cached: there are rows to change
    answer = api(method, f"{PACKAGES.format(repository)}/ball/{path}", body)
    assert answer.status_code == 409 and where in answer.json["detail"], answer.text
    assert api.get(PACKAGES.format(repository) + "/ball")["versions"] == ["1"]


def test_the_explanation_names_who_provides_and_who_is_hidden(inside: Callable[..., Any], outside: Outside) -> None:
    api = inside('min_age = "7d"')
    outside.put("ball@99.toy", "kite@1.toy")
    api.site.put("ball@1.toy")
    told = api.get(PACKAGES.format("all") + "/ball/explanation")
    assert told["guarded"] == "the name guard of acme/all: acme/toys holds the name"
    ours, theirs = told["versions"]
    assert (ours["version"], ours["provided_by"], ours["files"]) == ("1", "acme/toys", ["ball@1.toy"])
    assert (theirs["provided_by"], theirs["hidden"][0]["repository"]) == (None, "acme/public")
    [kite] = api.get(PACKAGES.format("all") + "/kite/explanation")["versions"]
    assert (kite["files"], kite["withheld"][0]["reason"]) == ([], "younger than 7d")
    assert api("GET", PACKAGES.format("all") + "/absent/explanation").status_code == 404
    assert api.get(PACKAGES.format("toys") + "/ball/explanation")["versions"][0]["provided_by"] == "acme/toys"


def test_a_name_is_released_when_it_has_no_file(inside: Callable[..., Any], outside: Outside) -> None:
    api = inside()
    outside.put("ball@99.toy")
    api.site.put("ball@1.toy")
    reservation = PACKAGES.format("toys") + "/ball/reservation"
    assert api("DELETE", reservation).status_code == 403
    assert api("DELETE", PACKAGES.format("toys") + "/ball/versions/1").status_code == 200
    assert api("GET", PACKAGES.format("all") + "/ball").status_code == 404
    assert api("DELETE", reservation).json == {"repository": "acme/toys", "package": "ball"}
    assert api("DELETE", reservation).status_code == 404
    assert api.get(PACKAGES.format("all") + "/ball")["versions"] == ["99"]


def test_downloads_are_of_the_file_whichever_address_it_was_fetched_by(
    inside: Callable[..., Any], outside: Outside
) -> None:
    api = inside()
    outside.put("ball@1.toy", "ball@2.toy")
    job = api.site.token("acme/all:read", name="job")
    for _ in range(2):
        api.site.get("/toy/acme/all/get/ball/ball@1.toy", token=job)
    api.site.get("/toy/acme/public/get/ball/ball@1.toy")
    api.site.get("/toy/acme/public/get/ball/ball@2.toy")
    flush(api)
    for repository in KINDS:
        ball = PACKAGES.format(repository) + "/ball"
        assert api.get(f"{ball}/downloads")["total"] == 4
        assert api.get(f"{ball}/downloads")["days"][0]["count"] == 4
        assert api.get(f"{ball}/versions/1/downloads")["total"] == 3
        assert api.get(f"{ball}/versions/1/files/ball@1.toy/downloads")["total"] == 3
        assert [file["downloads"] for file in api.get(f"{ball}/files")["items"]] == [3, 1]
        assert api("GET", f"{ball}/downloads/tokens", token=job).status_code in (403, 404)
        for limit in (1, 2, 100):
            told = api.names(f"{ball}/downloads/tokens", "account", limit=limit)
            assert sorted(told) == ["service:job", "service:publisher", "service:publisher"]
        [by_job] = [row for row in api.get(f"{ball}/downloads/tokens")["items"] if row["account"] == "service:job"]
        assert (by_job["token"], by_job["token_name"], by_job["count"]) == (job[6:14], "job", 2)
        assert (by_job["filename"], by_job["recalled"], by_job["repository"]) == ("ball@1.toy", None, "acme/public")
        assert api.names(f"{ball}/downloads/tokens", "filename", version="2") == ["ball@2.toy"]
        assert api.names(f"{ball}/downloads/tokens", "filename", version="3") == []
        assert api("GET", f"{ball}/downloads/tokens", params={"version": "no"}).status_code == 404


def test_who_fetched_what_an_upstream_took_back_is_still_told(inside: Callable[..., Any], outside: Outside) -> None:
    api = inside()
    outside.put("ball@1.toy", "ball@2.toy")
    api.site.get("/toy/acme/all/get/ball/ball@1.toy")
    flush(api)
    outside.take_back("ball", "1")
    ball = PACKAGES.format("all") + "/ball"
    assert api.get(ball)["versions"] == ["2"]
    assert api.get(f"{ball}/downloads")["total"] == 0
    [row] = api.get(f"{ball}/downloads/tokens")["items"]
    assert (row["filename"], row["recalled"]) == ("ball@1.toy", "the upstream has removed it")
    assert row["recalled_at"] is not None


PROBES = """
[plugins.probe]
judges = "fine"
"""


@pytest.mark.parametrize("repository", KINDS)
def test_findings_are_of_cached_files_and_of_what_scanners_know_by_name(
    repository: str, inside: Callable[..., Any], outside: Outside, install: Any
) -> None:
    install("probe", scanner_plugin.TWO)
    api = inside(PROBES)
    registry = api.site.registry
    outside.put("ball@1.toy", "ball@2.toy", "ball@3.toy")
    assert api.site.get(f"/toy/acme/{repository}/get/ball/ball@1.toy").status_code == 200
    put(registry, f"acme/{repository}", "ball@1.toy", replace(HIGH, scanner="probe"))
    put_listed(registry, "toy", "ball", "1", replace(SAME, scanner="second"), report("probe"))
    put_listed(registry, "toy", "ball", "2", report("second"))
    for other in KINDS:
        one, two, three = api.get(PACKAGES.format(other) + "/ball/findings")["items"]
        assert one["findings"][0]["by"] == {
            "probe": "high",
            "second": "unknown",
        }  # its own counts before the other
        assert (two["scanned_count"], two["findings"], three["scanned_count"]) == (1, [], 0)
        assert three["not_scanned"] == [{"filename": "ball@3.toy", "reports": []}]
        [said] = api.get(PACKAGES.format(other) + "/ball/versions/2/files/ball@2.toy")["reports"]
        assert (said["scanner"], said["by_name"]) == ("second", True)
        told = api.get(PACKAGES.format(other) + "/ball/versions/1/files/ball@1.toy/reports")["reports"]
        assert [(one["scanner"], one["by_name"]) for one in told] == [("probe", False), ("second", True)]
    outside.stop()
    findings = PACKAGES.format(repository).removesuffix("/packages") + "/findings"
    assert api.names(findings, "version", limit=1) == ["1", "2", "3"]  # it asks nobody


@pytest.mark.parametrize("policies", ["", '[[policies]]\nname = "gate"\nprojects = ["acme"]\nseverity = "low"'])
@pytest.mark.parametrize("repository", ["toys", *KINDS])
def test_what_a_former_scanner_said_by_name_does_not_count(
    repository: str, policies: str, inside: Callable[..., Any], outside: Outside, install: Any
) -> None:
    """Neither in findings nor for policies; nor what one says by name no more. Its reports on files do."""
    install("probe", scanner_plugin.TWO)
    api = inside(f"[plugins.probe]\n{policies}")
    outside.put("ball@1.toy", "ball@2.toy")
    if repository == "toys":
        api.site.put("ball@1.toy", b"ours")
        api.site.put("ball@2.toy", b"ours")
    ball = PACKAGES.format(repository) + "/ball"
    assert api.get(ball)["versions"] == ["1", "2"]
    put_listed(api.site.registry, "toy", "ball", "1", SAME, report("probe", finding("CVE-9", severity=Severity.HIGH)))
    for one in api.get(f"{ball}/findings")["items"]:
        [missing] = one["not_scanned"]
        assert (one["scanned_count"], one["findings"], missing["reports"]) == (0, [], [])
    sarif = api.get(f"{ball}/findings", format="sarif")
    assert sarif["runs"][0]["results"] == []
    assert api.get(f"{ball}/versions/1/files/ball@1.toy")["reports"] == []
    assert api.get(f"{ball}/versions/1/files/ball@1.toy/reports")["reports"] == []
    assert api.get(ball)["versions"] == ["1", "2"]
    put(api.site.registry, f"acme/{repository}", "ball@1.toy", SAME)
    assert api.get(f"{ball}/versions/1/findings")["findings"][0]["by"] == {"osv": "unknown"}


def test_findings_of_a_virtual_are_of_what_it_shows(inside: Callable[..., Any], outside: Outside) -> None:
    api = inside()
    outside.put("ball@1.toy")
    api.get(PACKAGES.format("public") + "/ball")
    put(api.site.registry, "acme/public", "ball@1.toy", HIGH)
    [theirs] = api.get(PACKAGES.format("all") + "/ball/findings")["items"]
    assert len(theirs["findings"]) == 1
    api.site.put("ball@1.toy", b"ours")
    [ours] = api.get(PACKAGES.format("all") + "/ball/findings")["items"]
    assert (ours["findings"], len(ours["not_scanned"])) == ([], 1)


def test_findings_of_what_is_withheld_are_told(inside: Callable[..., Any], outside: Outside) -> None:
    api = inside('min_age = "7d"')
    outside.put("ball@1.toy")
    api.get(PACKAGES.format("public") + "/ball")
    put(api.site.registry, "acme/public", "ball@1.toy", HIGH)
    for repository in KINDS:
        [one] = api.get(PACKAGES.format(repository) + "/ball/findings")["items"]
        assert one["findings"][0]["files"] == ["ball@1.toy"]


# Through the command line and the client.


@pytest.fixture
def both(outside: Outside, serve: Callable[..., Any], cli: Callable[..., Any], tmp_path: Path) -> Any:
    """A served registry with all kinds: `run(words)` is the same on the data and through the server."""
    from ..conftest import CONFIGURATION

    folder = tmp_path / "both"
    folder.mkdir()
    file = folder / "orbitalreg.toml"
    file.write_text(CONFIGURATION + MORE.format(url=outside.url, rules='min_age = "7d"'))
    server: ServerProcess = serve("--config", str(file))
    return Both(server.url, str(file), cli)


class Both:
    def __init__(self, url: str, file: str, cli: Callable[..., Any]) -> None:
        self.url, self._file, self._cli = url, file, cli
        self.token = self.local("token", "create", "keeper", "--grant", "acme:maintain").stdout.strip()

    def local(self, *words: str, code: int = 0) -> Any:
        done = self._cli(*words, "--config", self._file)
        assert done.exit_code == code, done.stderr
        return done

    def put(self, filename: str) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.url}/toy/acme/toys/put/{filename}"
        assert requests.post(url, data=b"ours", headers=headers, timeout=30).status_code == 200

    def alike(self, *words: str, code: int = 0) -> str:
        """What a command prints; through the server it prints the same."""
        here = self.local(*words, code=code)
        there = self._cli(*words, "--server", self.url, env={"ORBITALREG_TOKEN": self.token})
        assert (there.exit_code, there.stdout, there.stderr) == (code, here.stdout, here.stderr)
        return str(here.stdout or here.stderr)


def test_the_commands_say_the_same_through_a_server(both: Both, outside: Outside) -> None:
    outside.put("ball@99.toy", "kite@1.toy")
    both.put("ball@1.toy")
    told = both.alike("explain", "acme/all/Ball")
    assert "local members alone serve it, by the name guard of acme/all: acme/toys holds the name" in told
    assert "acme/public has it" in told and "that of acme/public is hidden" in told
    kite = both.alike("explain", "acme/all/kite")
    assert "1 file withheld by acme/public: younger than 7d; opens 20" in kite
    assert json.loads(both.alike("explain", "acme/all/kite", "--json"))["versions"][0]["provided_by"] == "acme/public"
    assert "withheld" in both.alike("show", "acme/all/kite")
    assert both.alike("packages", "acme/all").splitlines()[2:] == [
        line for line in both.alike("packages", "acme/all").splitlines() if line.startswith(("ball", "kite"))
    ]
    assert "is virtual" in both.alike("yank", "acme/all/kite==1", code=1)
    assert "allow it in acme/public" in both.alike("allow", "acme/all/kite==1", "--for", "24h", "--reason", "x", code=1)
    assert "which version of kite?" in both.alike("allow", "acme/all/kite", "--for", "1h", "--reason", "x", code=1)
    assert "nobody has fetched" in both.alike("downloads", "acme/all/kite")
    both.local("allow", "acme/public/kite==1", "--for", "24h", "--reason", "checked")
    requests.get(
        f"{both.url}/toy/acme/all/get/kite/kite@1.toy", headers={"Authorization": f"Bearer {both.token}"}, timeout=30
    ).raise_for_status()


def test_allow_release_and_downloads_through_a_server(both: Both, outside: Outside) -> None:
    outside.put("kite@1.toy", "ball@9.toy")
    both.put("ball@1.toy")
    with Client(both.url, both.token) as client:
        public, toys, everything = (Address("acme", name) for name in ("public", "toys", "all"))
        opened = client.allow(public, "Kite", "1", 3600, "checked")
        assert (opened.package, opened.version) == ("kite", "1")
        assert client.explanation(everything, "kite").versions[0].files == ["kite@1.toy"]
        with pytest.raises(errors.Misplaced, match="allow it in acme/public"):
            client.allow(everything, "kite", "1", 3600, "checked")
        with pytest.raises(errors.Forbidden, match="still has 1 files"):
            client.release_name(toys, "ball")
        client.delete(toys, "ball", "1")
        assert client.release_name(toys, "ball").package == "ball"
        assert list(client.downloads_by_token(everything, "kite", "1")) == []
        outside.stop()
        with pytest.raises(errors.UpstreamFailed, match="acme/public"):
            client.package(everything, "drum")
