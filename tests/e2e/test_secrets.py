"""After a day's worth of use no secret is in the log, in a file, in an answer, in the audit log or in a copy.

A secret that later code brings is shown to stay where it belongs by one more line in `Day.planted`.
"""

import base64
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus, urljoin

import bcrypt
import pytest
from archives_corpus import make_wheel
from harness import BIN, CONFIG, Answer, Registry, call, eventually
from hook_receiver import SECRET, Receiver, receiver

from orbitalreg.tokens import mint

sys.path.insert(0, str(Path(__file__).parents[2] / "plugins" / "plugin_oidc" / "tests"))

from fake_gitlab import FakeGitLab  # from the path above

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "back-up-by-copying.md"
TYPED = "hunter2/+ &?=correct horse"
UPSTREAM = """
[projects.acme.repositories.mirror]
format = "pypi"
kind = "remote"
upstream = "{upstream}/simple/"
username = "__token__"
password = "${{UPSTREAM_PASSWORD}}"

[projects.acme.repositories.refused]
format = "pypi"
kind = "remote"
upstream = "{upstream}/simple/"
username = "mirror"
password = "${{WRONG_PASSWORD}}"

[projects.acme.repositories.all-libs]
format = "pypi"
kind = "virtual"
members = ["internal", "mirror"]
"""
PASSWORD = "correct horse, battery staple"
SIGN_IN = """
[[grants]]
to = "user:ben"
grants = ["acme:read"]

[plugins.htpasswd]
file = "htpasswd"

[plugins.oidc-gitlab]
audience = "orbitalreg"

[[plugins.oidc-gitlab.issuers]]
url = "{gitlab}"
ca_bundle = "gitlab-ca.pem"

[[plugins.oidc-gitlab.publishers]]
issuer = "{gitlab}"
project_path = "acme/my-lib"
project_id = 42
grants = ["acme/internal/my-lib:publish"]

[[webhooks]]
url = "${{HOOK_URL}}"
secret = "${{HOOK_SECRET}}"
events = ["*"]
refused = true
"""


def secret_of(token: str) -> str:
    """What of a token nobody may learn: the id before it is public."""
    return token.partition("_")[2][8:40]


def forms(secret: str) -> Iterator[bytes]:
    """A secret as it may lie somewhere: plain, in an address, in JSON, and in base64 at each place in a group."""
    raw = secret.encode()
    yield raw
    yield quote(secret, safe="").encode()
    yield quote_plus(secret).encode()
    yield json.dumps(secret)[1:-1].encode()
    for before in range(3):
        # Of the first and the last group no more than what the secret alone decides.
        whole = base64.b64encode(b"\0" * before + raw)
        cut = whole[4 if before else 0 :]
        yield cut[: len(cut) // 4 * 4 - 4]


@dataclass
class Day:
    """A server, what was said to whom, and every secret that was used."""

    registry: Registry
    planted: dict[str, str] = field(default_factory=dict)
    heard: list[bytes] = field(default_factory=list)

    def token(self, what: str, text: str) -> str:
        self.planted[what] = secret_of(text)
        return text

    def call(self, method: str, path: str, token: str | None = None, **more: object) -> Answer:
        """One request. What comes back is kept, but for the text of a token that was just made."""
        answer = call(method, f"{self.registry.url}{path}", token=token, **more)  # type: ignore[arg-type]
        made = re.search(rb'"token":"(orb[a-z]+_\w+)"', answer.body) if answer.status == 201 else None
        body = answer.body.replace(made[1], b"") if made else answer.body
        self.heard.append(f"{answer.reason} {answer.headers}".encode() + body)
        return answer

    def send(self, method: str, path: str, token: str, body: object) -> Answer:
        headers = {"Content-Type": "application/json"}
        return self.call(method, path, token, body=json.dumps(body).encode(), headers=headers)

    def cli(self, *arguments: str) -> int:
        """A command of the operator's that may fail."""
        command = [BIN / "orbitalreg", *arguments, "--config", self.registry.config]
        done = subprocess.run(command, capture_output=True, timeout=60, env=self.registry.environment)
        self.heard.append(done.stdout + done.stderr)
        return done.returncode

    def found(self, *places: bytes) -> list[str]:
        """Which secrets are in any of the places."""
        return sorted(
            what
            for what, secret in self.planted.items()
            if any(form in place for form in set(forms(secret)) for place in places)
        )


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    folder, behind = tmp_path_factory.mktemp("front"), tmp_path_factory.mktemp("behind")
    with Registry(behind) as upstream, FakeGitLab(folder) as gitlab, receiver() as hook:
        upstream.token = upstream.new_token("mirror")
        assert upstream.upload(*make_wheel("outer-pkg", "1.0")).status == 200
        (folder / "orbitalreg.toml").write_text(
            CONFIG.format(max_upload="1MiB")
            + UPSTREAM.format(upstream=upstream.repository)
            + SIGN_IN.format(gitlab=gitlab.url)
        )
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        (folder / "htpasswd").write_text(f"ben:{hashed}\n")
        passwords = {
            "UPSTREAM_PASSWORD": upstream.token,
            "WRONG_PASSWORD": "not-the-password-of-the-mirror",
            "HOOK_SECRET": SECRET,
            "HOOK_URL": hook.url,
        }
        with Registry(folder, environment=passwords) as registry:
            lived = Day(registry)
            lived.token("of the upstream", upstream.token)
            lived.planted["wrong, of the upstream"] = passwords["WRONG_PASSWORD"]
            lived.planted["that signs what is sent"] = SECRET.removeprefix("whsec_")
            lived.planted["in the receiver's address"] = hook.url.rpartition("=")[2]
            publish(lived, folder)
            fail(lived)
            manage(lived)
            read(lived)
            sign_in(lived)
            exchange(lived, gitlab)
            operate(lived, folder)
            be_told(lived, hook)
            assert eventually(lambda: '"who":"user:ann"' in registry.log.read_text())
            yield lived


def publish(day: Day, folder: Path) -> None:
    """By twine, with tokens of each kind, and with wrong ones."""
    filename, wheel = make_wheel("my-pkg", "1.0")
    (folder / filename).write_bytes(wheel)
    day.registry.cli("user", "add", "ann")
    day.registry.cli("grant", "add", "user:ann", "acme:admin")
    service = day.token("of a service account", day.registry.new_token("robot"))
    personal = day.token(
        "of a user", day.registry.cli("token", "create", "pc", "--user", "ann", "--grant", "acme:admin")
    )
    forged = day.token("forged", mint("service").text)
    day.planted["typed"] = TYPED
    tries = [("__token__", service, 0), ("ann", personal, 0), ("__token__", forged, 1), ("ann", TYPED, 1)]
    for user, password, code in tries:
        done = subprocess.run(
            [BIN / "twine", "upload", "--repository-url", f"{day.registry.repository}/legacy/", filename],
            cwd=folder,
            env=day.registry.environment | {"TWINE_USERNAME": user, "TWINE_PASSWORD": password},
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == code, done.stdout + done.stderr
        day.heard.append(done.stdout + done.stderr)
    day.registry.token = personal


def fail(day: Day) -> None:
    """Whatever one may mistype, wherever one may put a secret by mistake."""
    token = day.registry.token
    mistyped = token[:30] + ("a" if token[30] != "a" else "b") + token[31:]
    day.planted["mistyped"] = secret_of(mistyped)
    for wrong in (mistyped, mint("user").text, TYPED, f"{TYPED}x"):
        for headers in ({}, {"Authorization": f"Bearer {wrong}"}, {"Authorization": f"Digest {wrong}"}):
            more = {"headers": headers} if headers else {"token": wrong}
            assert day.call("GET", "/pypi/acme/internal/simple/", **more).status == 401  # type: ignore[arg-type]
    as_user = "Basic " + base64.b64encode(f"{token}:".encode()).decode()
    assert day.call("GET", "/", headers={"Authorization": as_user}).status == 401
    for path in (
        f"/api/v1/tokens/{token}",
        f"/pypi/acme/internal/simple/{token}/",
        f"/{token}",
        f"/api/{token}?x={token}",
    ):
        assert day.call("GET", path, token).status in (301, 404)
    assert day.send("POST", "/api/v1/tokens", token, {"name": token, "grants": [token]}).status == 422
    grants = {"principal": f"user:{token}", "grants": [token]}
    assert day.send("POST", "/api/v1/projects/acme/grants", token, grants).status == 422
    assert day.send("PUT", "/api/v1/projects/acme/repositories/internal/packages/x/status", token, token).status == 422
    assert day.registry.upload("my_pkg-2.0-py3-none-any.whl", b"no wheel").status == 400


def manage(day: Day) -> None:
    """Tokens and grants through the API."""
    token = day.registry.token
    made = day.send("POST", "/api/v1/tokens", token, {"name": "job", "grants": ["acme/internal:read"]}).json()
    day.token("made by the API", made["token"])
    new = day.send("POST", f"/api/v1/tokens/{made['id']}/rotate", token, {"overlap": 60}).json()
    day.token("put in its place", new["token"])
    assert day.call("DELETE", f"/api/v1/tokens/{new['id']}", token).status == 200
    assert day.call("GET", "/api/v1/me", new["token"]).status == 401  # revoked
    grants = {"principal": "service:robot", "grants": ["acme/mirror:read"]}
    assert day.send("POST", "/api/v1/projects/acme/grants", token, grants).status == 200
    for path in ("/api/v1/me", "/api/v1/tokens", "/api/v1/projects/acme/grants", "/api/v1/projects/acme/tokens", "/"):
        assert day.call("GET", path, token).status == 200
    day.token("rotated by the operator", day.registry.cli("token", "rotate", "robot", "--overlap", "0s"))


def read(day: Day) -> None:
    """Through the remote repositories: the good one, and one whose password is wrong."""
    token, project = day.registry.token, "/api/v1/projects/acme/repositories"
    assert day.call("GET", "/pypi/acme/mirror/simple/outer-pkg/", token).status == 200
    assert day.call("GET", "/pypi/acme/all-libs/simple/outer-pkg/", token).status == 200
    assert day.call("GET", "/pypi/acme/refused/simple/outer-pkg/", token).status == 502
    assert day.call("GET", f"{project}/refused/packages/outer-pkg/explanation", token).status == 200
    page = day.registry.get(f"{day.registry.url}/pypi/acme/mirror/simple/outer-pkg/").body.decode()
    [link] = re.findall(r'href="([^"#]+)', page)
    assert day.call("GET", urljoin("/pypi/acme/mirror/simple/outer-pkg/", link), token).status == 200


def sign_in(day: Day) -> None:
    """With a password, and with wrong ones."""
    day.planted["of ben"] = PASSWORD
    for password, status in ((PASSWORD, 200), (f"{PASSWORD}!", 401), (f"{PASSWORD}:{PASSWORD}", 401)):
        basic = "Basic " + base64.b64encode(f"ben:{password}".encode()).decode()
        for path in ("/pypi/acme/internal/simple/", "/api/v1/me"):
            assert day.call("GET", path, headers={"Authorization": basic}).status == status


def exchange(day: Day, gitlab: FakeGitLab) -> None:
    """A job's token, those of other jobs that get nothing, and what was had for it."""
    good, unknown = gitlab.token(), gitlab.token(project_id="7")
    day.planted["signature of a job's token"] = good.rpartition(".")[2]
    day.planted["signature of a job's that is not known"] = unknown.rpartition(".")[2]
    for token, status in ((unknown, 422), (f"{good}x", 422), (good, 200)):
        body = json.dumps({"token": token}).encode()
        answer = call("POST", f"{day.registry.url}/_/oidc/mint-token", body=body)
        assert answer.status == status, answer.body
        if status != 200:
            day.heard.append(answer.reason.encode() + answer.body)
    short = day.token("that was had in exchange", answer.json()["token"])
    assert day.registry.upload(*make_wheel("my-lib", "1.0"), token=short).status == 200
    assert day.call("GET", f"/api/v1/tokens/{short}", short).status == 404
    for token in (short, short, good):
        body = json.dumps({"token": token}).encode()
        assert day.call("POST", "/_/oidc/burn-token", body=body).status == 200


def be_told(day: Day, hook: Receiver) -> None:
    """What was done and refused, as a receiver gets it."""
    assert eventually(lambda: any(sent.event["type"] == "token.burn" for sent in hook.deliveries))
    day.heard += [sent.body + repr(sent.headers).encode() for sent in list(hook.deliveries)]


def operate(day: Day, folder: Path) -> None:
    """doctor, check, lists, and reloads of a good file and of a bad one."""
    for command, code in (
        (("doctor", "--upstreams"), 0),
        (("check",), 0),
        (("token", "list"), 0),
        (("grant", "list"), 0),
        (("user", "list", "--json"), 0),
        (("explain", "acme/refused/outer-pkg"), 0),
    ):
        assert day.cli(*command) == code, day.heard[-1]
    good = day.registry.config.read_text()
    bad = (
        good
        + f'\n[projects.acme.repositories.bad]\nformat = "pypi"\nkind = "remote"\nupstream = "http://x:{TYPED}@h/"\n'
    )
    for text, said in ((bad, "reload refused"), (good, '"message": "reloaded"')):
        day.registry.config.write_text(text)
        day.registry.signal(signal.SIGHUP)
        assert eventually(lambda said=said: said in day.registry.log.read_text()), said


def test_none_is_in_the_log(day: Day) -> None:
    log = day.registry.log.read_bytes()
    assert len(log.splitlines()) > 40
    assert day.found(log) == []


def test_none_is_in_what_anybody_was_told(day: Day) -> None:
    assert len(day.heard) > 40
    assert day.found(*day.heard) == []


def test_none_is_in_a_file_of_the_data_folder(day: Day) -> None:
    names = {path.name for path in day.registry.data.rglob("*")}
    assert {"catalog.sqlite3", "catalog.sqlite3-wal", "staging", "blobs"} <= names
    assert day.found(*contents(day.registry.data)) == []


def test_none_is_in_the_audit_log(day: Day, tmp_path: Path) -> None:
    from orbitalreg.catalog import Catalog

    rows = Catalog(day.registry.data, look_only=True).read().execute("SELECT * FROM audit_entry").fetchall()
    actions = {"token.create", "token.rotate", "token.revoke", "token.exchange", "token.burn", "grant.add", "user.add"}
    assert actions <= {row[6] for row in rows}
    assert day.found(repr(rows).encode()) == []


def test_none_is_in_a_copy(day: Day, tmp_path: Path) -> None:
    """Made by the commands of the page."""
    text = PAGE.read_text("utf-8")
    script = re.search(r"^```python file=copy_catalog.py.*?\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert script
    (tmp_path / "copy_catalog.py").write_text(script[1])
    section = text.split("\n## Copy\n")[1].split("\n## ")[0]
    commands = "".join(re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE))
    for ours, here in {
        "/opt/orbitalreg/bin": str(BIN),
        "/var/lib/orbitalreg": str(day.registry.data),
        "/etc/orbitalreg/orbitalreg.toml": str(day.registry.config),
        "/srv/backup": str(tmp_path / "backup"),
    }.items():
        commands = commands.replace(ours, here)
    done = subprocess.run(["sh", "-euc", commands], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    copied = contents(tmp_path / "backup")
    assert len(copied) > 3
    assert day.found(*copied) == []


@pytest.mark.parametrize(
    "written",
    [
        lambda secret: secret,
        lambda secret: quote(secret, safe=""),
        lambda secret: json.dumps({"password": secret}),
        lambda secret: base64.b64encode(f"__token__:{secret}".encode()).decode(),
        lambda secret: base64.b64encode(f"ann:{secret}".encode()).decode(),
        lambda secret: base64.b64encode(f"a:orbsa_XXXXXXXX{secret}YYYYYY".encode()).decode(),
    ],
    ids=["plain", "address", "JSON", "Basic __token__", "Basic of a user", "Basic of a whole token"],
)
def test_the_search_finds_what_is_planted(written: object, day: Day, tmp_path: Path) -> None:
    """Each secret, in each form, in a file among the others."""
    copy = tmp_path / "data"
    shutil.copytree(day.registry.data, copy)
    for what, secret in day.planted.items():
        (copy / "staging" / "planted").write_text(f"before {written(secret)} after")  # type: ignore[operator]
        assert what in day.found(*contents(copy))
