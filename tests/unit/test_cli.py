"""The command line: what is printed where, and with which exit code."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from scanner_plugin import SOURCE
from scripted_upstream import ScriptedUpstream, status

from orbitalreg import config, machine
from orbitalreg.assembly import default_settings
from orbitalreg.catalog import Catalog
from orbitalreg.cli import main
from orbitalreg.identity import Accounts
from orbitalreg.model import Actor, now

Cli = Callable[..., Result]


def test_every_command_is_where_the_table_says_under_its_own_name() -> None:
    assert {name: command.name for name, command in main.commands.items()} == {name: name for name in main.commands}


def test_a_command_waits_for_nothing_that_it_does_not_use() -> None:
    """Each of these takes long to import, and is of the server."""
    script = "import sys; from orbitalreg.cli import main; main.commands['token']; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"falcon", "waitress", "orbitalreg.web", "orbitalreg.cli.serve"} & set(done.stdout.split())


@pytest.fixture
def stocked(site: Any) -> Any:
    """Version 1 and 2 of ball, in the folder in which the commands are run."""
    site.put("ball@1.toy", b"needs: kite\n")
    site.put("ball@10.toy", b"two")
    return site


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def refused(result: Result, *says: str) -> None:
    """Exit code 1, nothing on stdout and these lines on stderr."""
    assert (result.exit_code, result.stdout) == (1, "")
    found = lines(result.stderr)
    assert len(found) == len(says), found
    for line, word in zip(found, says, strict=True):
        assert line.startswith("orbitalreg: ")
        assert word in line


REMOTES = """
[projects.acme.repositories.near]
format = "toy"
kind = "remote"
upstream = "http://127.0.0.1:9/toys"
username = "acme"
password = "hunter2"

[projects.acme.repositories.kept]
format = "toy"
kind = "remote"
upstream = "http://127.0.0.1:9/toys"
offline = true
"""


def test_init_writes_a_commented_file_that_passes_check(cli: Cli, tmp_path: Path) -> None:
    result = cli("init")
    assert result.exit_code == 0
    text = (tmp_path / "orbitalreg.toml").read_text()
    assert "#" in text
    assert tomllib.loads(text)["projects"]["acme"]["repositories"]["toys"]["format"] == "toy"
    assert cli("check").exit_code == 0


def test_init_makes_the_folder(cli: Cli, tmp_path: Path) -> None:
    assert cli("init", "a/b").exit_code == 0
    assert config.load(tmp_path / "a" / "b" / "orbitalreg.toml").data.path == tmp_path / "a" / "b" / "orbitalreg-data"


def test_init_writes_what_the_built_in_default_is(cli: Cli, tmp_path: Path) -> None:
    cli("init")
    written = config.load(Path("orbitalreg.toml"))
    assert written == default_settings()


def test_init_never_overwrites(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "orbitalreg.toml").write_text("mine")
    refused(cli("init"), "is there already")
    assert (tmp_path / "orbitalreg.toml").read_text() == "mine"


def test_check_says_which_address_each_remote_asks(cli: Cli, configured: Path) -> None:
    with configured.open("a") as file:
        file.write(REMOTES)
    told = cli("check").stdout.splitlines()
    assert told == [
        "upstream: acme/near asks http://127.0.0.1:9/toys",
        "upstream: acme/kept serves its cache alone",
        "warning: projects.acme.repositories.near.upstream: is asked without TLS, and the password goes along with "
        "every question",
        "the configuration is good",
    ]
    assert json.loads(cli("check", "--json").stdout)["upstreams"]["acme/near"] == "http://127.0.0.1:9/toys"


def test_doctor_asks_upstreams_where_it_is_told_to(cli: Cli, configured: Path) -> None:
    with ScriptedUpstream({"/toys/of/orbitalreg/": status(404)}) as upstream, configured.open("a") as file:
        file.write(REMOTES.replace("http://127.0.0.1:9", upstream.url("")))
        file.flush()
        assert "upstream of" not in cli("doctor").stdout
        assert upstream.requests == []
        assert f"good  upstream of acme/near: {upstream.url('/toys')}" in cli("doctor", "--upstreams").stdout
        assert [request.path for request in upstream.requests] == ["/toys/of/orbitalreg/"]
        upstream.table["/toys/of/orbitalreg/"] = status(500)
        found = json.loads(cli("doctor", "--upstreams", "--json").stdout)
        assert [one["state"] for one in found if one["subject"] == "upstream of acme/near"] == ["warn"]


def test_init_says_where_it_wrote_as_json(cli: Cli) -> None:
    assert json.loads(cli("init", "--json").stdout) == {"wrote": "orbitalreg.toml"}


@pytest.mark.usefixtures("configured")
def test_check_of_a_good_configuration_says_so(cli: Cli) -> None:
    result = cli("check")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "the configuration is good\n", "")
    assert json.loads(cli("check", "--json").stdout) == {"ok": True, "detached": [], "warnings": [], "upstreams": {}}


def test_check_warns_of_a_guard_that_is_off(cli: Cli, configured: Path) -> None:
    table = "\n[projects.acme.repositories.all]\nformat = 'toy'\nkind = 'virtual'\nmembers = ['toys']\nguard = false\n"
    configured.write_text(configured.read_text() + table)
    result = cli("check")
    assert result.exit_code == 0
    assert lines(result.stdout)[0].startswith("warning: projects.acme.repositories.all.guard: is off;")
    [warning] = json.loads(cli("check", "--json").stdout)["warnings"]
    assert warning.startswith("projects.acme.repositories.all.guard: is off;")


@pytest.mark.parametrize(
    ("rules", "is_told"),
    [
        ('severity = "high"', True),
        ('unscanned = "block"', True),
        ("", True),
        ('licenses_denied = ["AGPL-3.0-only"]', False),
        ('licenses_denied = ["AGPL-3.0-only"]\nseverity = "low"', True),
    ],
)
def test_check_warns_of_a_policy_that_no_scanner_serves(
    rules: str, is_told: bool, cli: Cli, configured: Path, install: Callable[..., None]
) -> None:
    configured.write_text(f'{configured.read_text()}\n[[policies]]\nname = "gate"\nprojects = ["acme"]\n{rules}\n')
    line = (
        "policies.0: no scanner for vulnerabilities or malware is enabled for it to judge by; "
        "enable one by its table, [plugins.NAME]"
    )
    assert json.loads(cli("check", "--json").stdout)["warnings"] == [line] * is_told
    install("probe", SOURCE)
    configured.write_text(f"{configured.read_text()}\n[plugins.probe]\n")
    assert json.loads(cli("check", "--json").stdout)["warnings"] == []


@pytest.mark.parametrize(
    ("scope", "more", "is_told"),
    [
        ("transitive", "[graph]\nenvironments = []", True),
        ("direct", "[graph]\nenvironments = []", False),
        ("transitive", "", False),
    ],
)
def test_check_warns_of_a_policy_over_what_no_graph_tells(
    scope: str, more: str, is_told: bool, cli: Cli, configured: Path
) -> None:
    policy = f'[[policies]]\nname = "gate"\nprojects = ["acme"]\nlicenses_denied = ["MIT"]\nscope = "{scope}"'
    configured.write_text(f"{configured.read_text()}\n{policy}\n{more}\n")
    told = json.loads(cli("check", "--json").stdout)["warnings"]
    assert [line.partition(":")[0] for line in told] == ["policies.0.scope"] * is_told


@pytest.mark.parametrize(
    ("before", "after"), [("local", "remote"), ("remote", "virtual"), ("virtual", "local"), ("remote", "local")]
)
def test_a_repository_keeps_its_kind(cli: Cli, configured: Path, before: str, after: str) -> None:
    keys = {"local": "", "remote": "upstream = 'https://toys.example.com'", "virtual": "members = ['toys']"}
    whole = configured.read_text()

    def configure(kind: str) -> None:
        table = f"\n[projects.acme.repositories.it]\nformat = 'toy'\nkind = '{kind}'\n{keys[kind]}\n"
        configured.write_text(whole + table)

    configure(before)
    assert cli("packages", "acme/toys").exit_code == 0
    configure(after)
    says = f"acme.repositories.it: is a {before} repository of format toy and cannot become a {after} one of toy"
    refused(cli("check"), says)
    refused(cli("packages", "acme/toys"), says)


def test_check_tells_every_fault_in_a_line_of_its_own(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "orbitalreg.toml").write_text("[server]\nlistn = 1\nmax_upload = 2\n[data]\npath = 3\n")
    refused(cli("check"), "server.max_upload", "server.listn", "data.path")


def test_check_names_the_package_of_a_missing_format(cli: Cli, configured: Path) -> None:
    configured.write_text(configured.read_text().replace('"toy"', '"klingon"', 1))
    refused(cli("check"), "pip install orbitalreg-klingon")


def test_serve_names_the_package_of_a_missing_format_and_makes_nothing(cli: Cli, configured: Path) -> None:
    configured.write_text(configured.read_text().replace('"toy"', '"klingon"', 1))
    refused(cli("serve"), "pip install orbitalreg-klingon")
    assert not (configured.parent / "data").exists()


def test_check_changes_nothing(cli: Cli, configured: Path) -> None:
    cli("check")
    assert [path.name for path in configured.parent.iterdir()] == ["orbitalreg.toml"]


def without(configured: Path, *repositories: str) -> None:
    raw = configured.read_text()
    for repository in repositories:
        start = raw.index(f"[projects.{repository}]")
        end = raw.find("[", start + 1)
        raw = raw[:start] + (raw[end:] if end > 0 else "")
    configured.write_text(raw)


def test_check_lists_detached_repositories(cli: Cli, configured: Path, stocked: Any) -> None:
    without(configured, "acme.repositories.again", "other.repositories.toys")
    result = cli("check")
    assert result.exit_code == 0
    assert lines(result.stdout) == [
        "detached: acme/again is configured no more; its data is kept",
        "detached: other/toys is configured no more; its data is kept",
        "the configuration is good",
    ]
    assert json.loads(cli("check", "--json").stdout)["detached"] == ["acme/again", "other/toys"]


def test_a_detached_repository_comes_back_with_its_data(cli: Cli, configured: Path, stocked: Any) -> None:
    whole = configured.read_text()
    without(configured, "acme.repositories.toys")
    refused(cli("packages", "acme/toys"), "there is no repository acme/toys")
    configured.write_text(whole)
    assert "ball" in cli("packages", "acme/toys").stdout


@pytest.mark.parametrize("command", [["check"], ["packages", "acme/open"], ["serve", "--listen", "127.0.0.1:0"]])
def test_a_repository_cannot_change_its_format(command: list[str], cli: Cli, configured: Path, stocked: Any) -> None:
    with stocked.registry.catalog.write() as db:
        db.execute("UPDATE repository SET format = 'cards' WHERE project = 'acme' AND name = 'toys'")
    says = "is a local repository of format cards and cannot become a local one of toy; use another name"
    refused(cli(*command), f"projects.acme.repositories.toys: {says}")


def test_doctor_looks_at_the_machine(cli: Cli, configured: Path) -> None:
    result = cli("doctor", "--json")
    found = {finding["subject"]: finding["state"] for finding in json.loads(result.stdout)}
    assert {"python", "sqlite", "disk", "file system", "permissions", "clock"} <= set(found)
    assert result.exit_code == (1 if "bad" in found.values() else 0)
    assert len(lines(cli("doctor").stdout)) == len(found)


@pytest.mark.usefixtures("configured")
def test_doctor_exits_with_1_where_something_must_be_mended(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "ENOUGH_BYTES", 1 << 80)
    result = cli("doctor")
    assert result.exit_code == 1
    assert "bad  disk: only" in result.stdout


@pytest.mark.usefixtures("configured")
def test_plugins_lists_what_is_installed_and_what_of_it_is_enabled(cli: Cli, install: Any) -> None:
    install("sleeper", "raise RuntimeError('imported!')")
    rows = {row["plugin"]: row for row in json.loads(cli("plugins", "--json").stdout)}
    assert {name: rows[name]["state"] for name in ("toy", "filesystem", "sleeper")} == {
        "toy": "enabled",
        "filesystem": "enabled",
        "sleeper": "installed",
    }
    assert (rows["toy"]["distribution"], rows["toy"]["version"]) == ("orbitalreg-toy", "1.0")
    assert "sleeper" in cli("plugins").stdout


@pytest.mark.usefixtures("configured")
def test_token_create_prints_the_token_alone(cli: Cli) -> None:
    result = cli("token", "create", "robot", "--grant", "acme:publish")
    assert result.exit_code == 0
    [token] = result.stdout.splitlines()
    assert token.startswith("orbsa_")
    assert result.stderr == ""


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("grant", "says"),
    [
        ("acme/tois:read", "acme/tois:read: there is no repository acme/tois; did you mean acme/toys?"),
        ("acme/toys-to-come/*:read", "there is no repository acme/toys-to-come; did you mean acme/toys?"),
        ("acne:publish", "acne:publish: there is no project acne; did you mean acme?"),
        ("zzz:publish", "zzz:publish: there is no project zzz; configured are: acme, other"),
        ("zzz/x:read", "zzz/x:read: there is no repository zzz/x; configured are: acme/again, acme/open, acme/toys,"),
        ("acme/toys/Ball:read", "Ball matches no package; format toy writes it ball"),
        ("acme/toys/Red-*?:read", "Red-*? matches no package; format toy writes it red-*?"),
        ("acme/toys/ba_l*:read", "ba_l* matches no package: "),
    ],
)
def test_token_create_warns_of_a_grant_that_speaks_of_nothing(grant: str, says: str, cli: Cli) -> None:
    for more in ([], ["--json"]):
        result = cli("token", "create", "robot", "--grant", "acme:read", "--grant", grant, *more)
        assert result.exit_code == 0
        [line] = lines(result.stderr)
        assert line.startswith("orbitalreg: warning: ") and says in line
    assert json.loads(result.stdout)["token"].startswith("orbsa_")
    assert set(json.loads(cli("token", "list", "--json").stdout)[0]["grants"].split()) == {grant, "acme:read"}


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("grant", ["acme", "acme/toys", "acme/toys/ball", "acme/toys/*", "acme/toys/b?ll-*-2*"])
def test_token_create_does_not_warn_of_what_may_match(grant: str, cli: Cli) -> None:
    assert cli("token", "create", "robot", "--grant", f"{grant}:read").stderr == ""


@pytest.mark.usefixtures("configured")
def test_token_create_for_a_user_makes_a_personal_one(cli: Cli, tmp_path: Path) -> None:
    Accounts(Catalog(tmp_path / "data")).add_user("ann", Actor("local:test"))
    made = json.loads(cli("token", "create", "laptop", "--user", "ann", "--grant", "acme:read", "--json").stdout)
    assert made["token"].startswith("orbpat_")
    assert made["expires"] is None
    [row] = json.loads(cli("token", "list", "--json").stdout)
    assert (row["id"], row["account"], row["name"], row["grants"]) == (made["id"], "user:ann", "laptop", "acme:read")


@pytest.mark.usefixtures("configured")
def test_token_create_takes_several_grants_and_an_expiry(cli: Cli, tmp_path: Path) -> None:
    cli("token", "create", "robot", "--grant", "acme:read", "--grant", "acme/toys/b*:publish", "--expires", "90d")
    [row] = json.loads(cli("token", "list", "--json").stdout)
    assert row["grants"] == "acme/toys/b*:publish acme:read"
    expires_at = Catalog(tmp_path / "data").read().execute("SELECT expires_at FROM token").fetchone()[0]
    assert abs(expires_at - now() - 90 * 86400 * 1_000_000) < 60_000_000


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    "arguments",
    [
        ["robot"],
        ["robot", "--grant", "acme"],
        ["robot", "--grant", "acme:write"],
        ["robot", "--grant", "acme:read", "--grant", "Acme:read"],
        ["robot", "--grant", "acme:read", "--expires", "soon"],
        ["--grant", "acme:read"],
    ],
)
def test_wrong_usage_of_token_create_exits_with_2(arguments: list[str], cli: Cli, tmp_path: Path) -> None:
    result = cli("token", "create", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error" in result.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.usefixtures("configured")
def test_a_wrong_name_of_a_token_is_refused(cli: Cli) -> None:
    refused(cli("token", "create", "Robot", "--grant", "acme:read"), "'Robot' is no account name")


@pytest.mark.usefixtures("configured")
def test_token_list_never_shows_a_secret(cli: Cli) -> None:
    token = cli("token", "create", "robot", "--grant", "acme:read").stdout.strip()
    for arguments in ([], ["--json"]):
        shown = cli("token", "list", *arguments).stdout
        assert "robot" in shown
        assert token.partition("_")[2][8:40] not in shown


@pytest.mark.usefixtures("configured")
def test_token_revoke_takes_an_id_or_a_name(cli: Cli) -> None:
    made = [json.loads(cli("token", "create", n, "--grant", "acme:read", "--json").stdout)["id"] for n in ("a", "b")]
    assert cli("token", "revoke", made[0]).stdout == f"revoked: {made[0]}\n"
    assert json.loads(cli("token", "revoke", "b", "--json").stdout) == {"revoked": [made[1]]}
    assert {row["state"] for row in json.loads(cli("token", "list", "--json").stdout)} == {"revoked"}
    refused(cli("token", "revoke", "a"), "no token that could be revoked is called 'a'")


@pytest.mark.usefixtures("configured")
def test_an_empty_answer_is_no_failure(cli: Cli) -> None:
    for command, says in ((["packages", "acme/toys"], "acme/toys has no package yet"), (["token", "list"], "no token")):
        result = cli(*command)
        assert (result.exit_code, result.stdout) == (0, "")
        assert says in result.stderr
        assert json.loads(cli(*command, "--json").stdout) == []


@pytest.mark.usefixtures("stocked")
def test_packages_has_the_newest_version_of_each(cli: Cli) -> None:
    assert json.loads(cli("packages", "acme/toys", "--json").stdout) == [
        {"package": "ball", "newest": "10", "versions": 2, "files": 2, "status": "active"}
    ]
    assert cli("packages", "acme/toys").stdout.splitlines()[2].split() == ["ball", "10", "2", "2", "active"]


def test_show_has_everything_of_a_package(cli: Cli, stocked: Any) -> None:
    stocked.get("/toy/acme/toys/get/ball/ball@1.toy")
    stocked.registry.usage.flush()
    shown = json.loads(cli("show", "acme/toys/Ball", "--json").stdout)
    assert (shown["package"], shown["status"], shown["reason"]) == ("acme/toys/ball", "active", None)
    assert [file["version"] for file in shown["files"]] == ["1", "10"]
    first = shown["files"][0]
    assert (first["filename"], first["size"], first["by"], first["downloads"], first["yanked"]) == (
        "ball@1.toy",
        12,
        "service:publisher",
        1,
        None,
    )
    assert first["requirements"] == ["kite"]


@pytest.mark.usefixtures("stocked")
def test_show_of_one_version_has_that_alone(cli: Cli) -> None:
    shown = json.loads(cli("show", "acme/toys/ball==10", "--json").stdout)
    assert [file["filename"] for file in shown["files"]] == ["ball@10.toy"]
    assert "ball@1.toy" not in cli("show", "acme/toys/ball==10").stdout


@pytest.mark.usefixtures("stocked")
def test_yank_and_unyank(cli: Cli, stocked: Any) -> None:
    assert cli("yank", "acme/toys/ball==1", "--reason", "leaks").stdout == "yanked ball@1.toy\n"
    assert stocked.page()["ball@1.toy"][1] == "leaks"
    assert json.loads(cli("unyank", "acme/toys/ball==1", "--json").stdout) == {"unyanked": ["ball@1.toy"]}
    assert stocked.page()["ball@1.toy"][1] is None


def test_delete_asks_first(cli: Cli, stocked: Any) -> None:
    assert cli("delete", "acme/toys/ball==1", input="n\n").exit_code == 1
    assert "ball@1.toy" in stocked.page()
    assert cli("delete", "acme/toys/ball==1", input="y\n").exit_code == 0
    assert "ball@1.toy" not in stocked.page()


def test_delete_with_yes_does_not_ask(cli: Cli, stocked: Any) -> None:
    result = cli("delete", "acme/toys/ball==1", "--yes", "--json")
    assert json.loads(result.stdout) == {"deleted": ["ball@1.toy"]}
    assert list(stocked.page()) == ["ball@10.toy"]


@pytest.mark.usefixtures("stocked")
def test_delete_of_a_file_that_is_not_there_is_refused(cli: Cli) -> None:
    refused(cli("delete", "acme/toys/ball==1", "--file", "ball@9.toy", "--yes"), "has no file ball@9.toy")


def test_status_closes_a_package(cli: Cli, stocked: Any) -> None:
    assert cli("status", "acme/toys/ball", "archived", "--reason", "old").exit_code == 0
    assert stocked.put("ball@11.toy").status_code == 400
    shown = json.loads(cli("show", "acme/toys/ball", "--json").stdout)
    assert (shown["status"], shown["reason"]) == ("archived", "old")


def test_a_change_is_made_in_the_name_of_the_systems_user(cli: Cli, stocked: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("LOGNAME", "somebody")
    cli("yank", "acme/toys/ball==1")
    rows = stocked.registry.catalog.read().execute("SELECT actor FROM audit_entry WHERE action = 'version.yank'")
    assert rows.fetchall() == [("local:somebody",)]


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["packages", "acme/nowhere"], "there is no repository acme/nowhere; configured are: acme/again, acme/open"),
        (["packages", "acme"], "write PROJECT/REPO"),
        (["show", "acme/toys"], "write PROJECT/REPO/NAME"),
        (["show", "acme/toys/absent"], "acme/toys has no package absent"),
        (["show", "acme/toys/!"], "'!' is no toy"),
        (["yank", "acme/toys/ball"], "which version of ball?"),
        (["yank", "acme/toys/ball==7"], "acme/toys/ball==7 is not here"),
        (["unyank", "acme/toys/ball==x"], "'x' is no toy version"),
        (["delete", "acme/toys/absent==1", "--yes"], "acme/toys/absent==1 is not here"),
        (["status", "acme/toys/absent", "archived"], "acme/toys has no package absent"),
        (["packages", "acme/toys", "--config", "absent.toml"], "absent.toml: cannot be read"),
    ],
)
def test_what_cannot_be_done_exits_with_1_and_one_line(arguments: list[str], says: str, cli: Cli) -> None:
    refused(cli(*arguments), says)


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["packages"],
        ["check", "--nonsense"],
        ["status", "acme/toys/ball", "asleep"],
        ["serve", "--listen", "nowhere"],
        ["serve", "--processes", "0"],
    ],
)
@pytest.mark.usefixtures("configured")
def test_wrong_usage_exits_with_2(arguments: list[str], cli: Cli) -> None:
    result = cli(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr


COMMANDS = [
    ["serve"], ["init"], ["check"], ["doctor"], ["plugins"], ["token", "create"], ["token", "list"],
    ["token", "revoke"], ["packages"], ["show"], ["yank"], ["unyank"], ["delete"], ["status"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_takes_config_and_json(command: list[str], cli: Cli) -> None:
    said = cli(*command, "--help").stdout
    assert "--config" in said
    assert "--json" in said


def test_the_environment_names_the_configuration(cli: Cli, configured: Path, monkeypatch: Any, tmp_path: Path) -> None:
    elsewhere = configured.rename(tmp_path / "elsewhere.toml")
    monkeypatch.setenv("ORBITALREG_CONFIG", str(elsewhere))
    assert cli("packages", "acme/toys").exit_code == 0
    assert (tmp_path / "data").exists()


def test_a_reason_that_is_no_text_is_wrong_usage(cli, configured):
    for command in (["yank", "acme/toys/ball==1"], ["status", "acme/toys/ball", "archived"]):
        result = cli(*command, "--reason", "\udcff", "--config", str(configured))
        assert result.exit_code == 2
        assert "not UTF-8" in result.output
