"""A virtual repository over a company's own packages and a public index, as its users and their attackers meet it.

The public index is scripted, so that everything that it is asked for is known: `company.py`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from archives_corpus import make_sdist, make_wheel
from company import JSON, Company
from harness import Finished, Shell, eventually
from scripted_upstream import reply


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with Company(tmp_path_factory.mktemp("company") / "site") as company:
        company.puts_inside("lib", "1.0")
        company.puts_inside("corp-tool", "1.0")
        company.puts_outside("lib", "99.0")
        company.puts_outside("corp-tool", "99.0")
        company.puts_outside("corp-unborn", "99.0")
        company.puts_outside("app", "1.0", requires="lib")
        company.puts_inside("service", "1.0", requires="app")
        yield company
        assert "Traceback" not in company.registry.log.read_text()


@pytest.fixture
def company(running: Company) -> Company:
    running.index.requests.clear()
    return running


INSTALL = {
    "pip": "pip install --quiet --target {target} --index-url {index} {wanted}",
    "uv": "uv pip install --quiet --target {target} --index-url {index} {wanted}",
}


REFUSED = {
    "pip": ["lib==99.0", "corp-unborn"],
    "uv": ["lib==99.0", "'corp-tool>1'", "corp-unborn", "Corp.Unborn==99.0"],
}


def install(shell: Shell, client: str, index: str, wanted: str) -> tuple[Finished, set[str]]:
    """What the client said, and what was installed by this call."""
    number = len(list(shell.home.glob("target-*")))
    target = shell.home / f"target-{number}"
    target.mkdir()
    done = shell.run(INSTALL[client].format(target=target, index=index, wanted=wanted))
    return done, {path.name.removesuffix(".dist-info") for path in target.glob("*.dist-info")}


# --- dependency confusion ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", INSTALL)
def test_a_public_99_of_our_own_name_is_never_installed(company: Company, shell: Shell, client: str) -> None:
    """Asked for by name, through a public package that needs it, and through one of ours that needs that one."""
    done, installed = install(shell, client, company.index_url(), "service corp-tool")
    assert done.code == 0, done.output
    assert installed == {"service-1.0", "app-1.0", "lib-1.0", "corp_tool-1.0"}
    for wanted in REFUSED[client]:
        done, installed = install(shell, client, company.index_url(), wanted)
        assert done.code != 0 and not installed, done.output
        assert "Traceback" not in done.output
    assert company.asked("corp-") == []
    assert company.asked("lib-99") == []


@pytest.mark.parametrize("spelling", ["corp-tool", "Corp_Tool", "corp.tool", "CORP--TOOL", "corp-unborn"])
def test_no_address_leads_to_a_public_file_of_a_private_name(company: Company, spelling: str) -> None:
    stem = spelling.lower().replace(".", "_").replace("--", "_").replace("-", "_")
    filenames = [f"{stem}-99.0-py3-none-any.whl", f"{stem}-99.0.tar.gz"]
    for repository in ("all-libs", "plain", "merged", "cool", "public"):
        for filename in filenames:
            for suffix in ("", ".metadata"):
                answer = company.get(f"files/{spelling}/{filename}{suffix}", repository)
                while answer.status == 301:
                    there = answer.headers["Location"].rpartition("files/")[2].replace("../", "")
                    answer = company.get(f"files/{there}", repository)
                assert answer.status == 404, answer
        told = company.get(f"pypi/{spelling.lower()}/json", repository)
        assert "99.0" not in told.body.decode()
        names = company.get("simple/", repository, JSON).json()["projects"]
        assert {"name": "corp-unborn"} not in names
    assert company.asked("corp") == []


def test_the_page_of_our_own_name_is_ours_alone(company: Company) -> None:
    assert company.versions("lib") == company.versions("corp-tool") == {"1.0"}
    assert company.versions("corp-unborn") == set()
    for filename in ("lib-99.0-py3-none-any.whl", "lib-99.0.tar.gz"):
        assert company.get(f"files/lib/{filename}").status == 404
        assert company.get(f"files/lib/{filename}.metadata").status == 404
    assert company.asked("lib") == []
    names = [one["name"] for one in company.get("simple/", accept=JSON).json()["projects"]]
    assert sorted(names) == sorted(set(names)) and {"app", "lib", "service", "corp-tool"} <= set(names)


def test_a_name_that_was_ours_once_is_not_anybody_s_afterwards(company: Company) -> None:
    company.puts_inside("fallen", "1.0")
    company.registry.cli("delete", "acme/internal/fallen==1.0", "--yes")
    company.puts_outside("fallen", "99.0")
    assert company.versions("fallen") == set()
    assert company.get("files/fallen/fallen-99.0-py3-none-any.whl").status == 404
    assert company.asked("fallen") == []


def test_a_first_upload_of_a_public_name_needs_more_than_publish(company: Company) -> None:
    company.puts_outside("popular", "2.0")
    assert company.versions("popular") == {"2.0"}
    built = make_wheel("popular", "1.0")
    refused = company.registry.upload(*built, token=company.registry.new_token("robot"))
    assert refused.status == 403 and "maintain" in refused.reason
    assert company.versions("popular") == {"2.0"}
    assert company.registry.upload(*built).status == 200
    assert company.versions("popular") == {"1.0"}


@pytest.mark.parametrize("client", INSTALL)
def test_without_the_guard_the_plain_rule_holds(company: Company, shell: Shell, client: str) -> None:
    """The first member that has a version provides all of its files; private names stay ours all the same."""
    company.puts_outside("lib", "1.0")
    assert company.versions("lib", "plain") == {"1.0", "99.0"}
    ours = {one["filename"]: one["hashes"] for one in company.get("simple/lib/", "internal", JSON).json()["files"]}
    both = {one["filename"]: one["hashes"] for one in company.get("simple/lib/", "plain", JSON).json()["files"]}
    assert {name: both[name] for name in ours} == ours and len(both) == 4
    done, installed = install(shell, client, company.index_url("plain"), "lib corp-tool")
    assert done.code == 0, done.output
    assert installed == {"lib-99.0", "corp_tool-1.0"}
    for suffix in ("", ".metadata"):  # cached by now, and still not there where the guard is on
        assert company.get(f"files/lib/lib-99.0-py3-none-any.whl{suffix}").status == 404
    assert company.asked("corp-") == []
    assert "projects.acme.repositories.plain.guard: is off" in company.registry.log.read_text()


@pytest.mark.parametrize("client", INSTALL)
def test_a_merged_name_follows_the_plain_rule_and_a_private_one_does_not(
    company: Company, shell: Shell, client: str
) -> None:
    """`merge_upstream` names `lib` and `corp-*`; `private_names` have the latter, and nobody is told of those."""
    company.puts_inside("beside", "1.0")
    company.puts_outside("beside", "99.0")
    assert company.versions("lib", "merged") == {"1.0", "99.0"}
    assert company.versions("beside", "merged") == company.versions("corp-tool", "merged") == {"1.0"}
    done, installed = install(shell, client, company.index_url("merged"), "lib beside corp-tool")
    assert done.code == 0, done.output
    assert installed == {"lib-99.0", "beside-1.0", "corp_tool-1.0"}
    assert company.asked("corp-") == company.asked("beside") == []


# --- uploads ----------------------------------------------------------------------------------------------------------


def test_twine_posts_to_the_virtual_address(company: Company, shell: Shell) -> None:
    built = [make_wheel("posted", "1.0"), make_sdist("posted", "1.0")]
    for filename, body in built:
        shell.write(f"dist/{filename}", body)
    secret = {"TWINE_USERNAME": "__token__", "TWINE_PASSWORD": company.registry.token}
    line = "twine upload --disable-progress-bar --repository-url {}/pypi/acme/{}/legacy/ dist/*"
    done = shell.run(line.format(company.registry.url, "all-libs"), **secret)
    assert done.code == 0, done.output
    assert company.versions("posted") == company.versions("posted", "internal") == {"1.0"}
    refused = shell.run(line.format(company.registry.url, "plain"), **secret)
    assert refused.code != 0
    assert "acme/plain is virtual and takes no uploads; send them to a local" in " ".join(refused.output.split())


# --- cooldown ---------------------------------------------------------------------------------------------------------


def test_a_file_of_which_nobody_says_when_it_came_is_as_old_as_it_is_known_here(company: Company) -> None:
    company.puts_outside("timeless", "1.0", days=100)
    wheel, _ = company.puts_outside("timeless", "2.0", days=None)
    assert company.versions("timeless", "cool") == {"1.0"} and company.versions("timeless") == {"1.0", "2.0"}
    opens = (datetime.now(UTC) + timedelta(days=7)).strftime("%Y-%m-%d")
    answer = company.get(f"files/timeless/{wheel}", "cool")
    assert answer.status == 403 and f"younger than 7d; opens {opens}" in answer.reason


def test_a_young_version_waits_in_every_form_and_pip_takes_the_one_before(company: Company, shell: Shell) -> None:
    company.puts_outside("young", "1.0", days=30)
    wheel, sdist = company.puts_outside("young", "2.0", days=2)
    assert company.versions("young", "cool") == {"1.0"} and company.versions("young") == {"1.0", "2.0"}
    opens = (datetime.now(UTC) + timedelta(days=5)).strftime("%Y-%m-%d")
    for filename in (wheel, sdist, f"{wheel}.metadata", f"{sdist}.metadata"):
        answer = company.get(f"files/young/{filename}", "cool")
        assert answer.status == 403, (filename, answer)
        assert f"is withheld by acme/cool: younger than 7d; opens {opens}" in answer.reason
    assert "2.0" not in company.get("pypi/young/json", "cool").json()["releases"]

    done, installed = install(shell, "pip", company.index_url("cool"), "young")
    assert (done.code, installed) == (0, {"young-1.0"}), done.output
    done, installed = install(shell, "pip", company.index_url("cool"), "young==2.0")
    assert not installed
    assert "Could not find a version that satisfies the requirement young==2.0 (from versions: 1.0)" in done.output
    url = company.index_url("cool").replace("/simple/", f"/files/young/{wheel}")
    done, installed = install(shell, "pip", company.index_url("cool"), url)
    assert not installed
    assert "403 Client Error: young-2.0-py3-none-any.whl is withheld by acme/cool: younger than 7d" in done.output
    assert company.asked("young-2") == []

    company.registry.cli("allow", "acme/cool/young==2.0", "--for", "24h", "--reason", "a fix")
    assert company.versions("young", "cool") == {"1.0", "2.0"}
    assert [company.get(f"files/young/{name}", "cool").status for name in (wheel, sdist)] == [200, 200]


def test_a_package_that_is_all_too_young_has_a_page_without_files(company: Company) -> None:
    company.puts_outside("newborn", "1.0", days=1)
    answer = company.get("simple/newborn/", "cool", JSON)
    assert (answer.status, answer.json()["files"], answer.json()["versions"]) == (200, [], [])
    assert company.get("simple/newborn/", "cool", "text/html").status == 200


# --- when the public index is not there -------------------------------------------------------------------------------


def test_what_is_cached_outlives_the_index_and_what_is_not_fails_by_name(tmp_path: Path) -> None:
    """Then `offline`: what is not cached is not there, which is no failure, and nobody is asked."""
    with Company(tmp_path / "site") as company:
        company.puts_outside("here", "1.0")
        company.puts_outside("seen", "1.0")
        wheel, sdist = company.puts_outside("here", "2.0")
        company.puts_inside("ours", "1.0")
        before = company.get(f"files/here/{wheel}")
        assert before.status == 200 and company.versions("seen") == {"1.0"}
        assert eventually(lambda: not company.registry.staged())
        table = dict(company.index.table)
        company.index.table.clear()
        company.index.table["*"] = reply(b"maintenance", 503)

        stale = company.get("simple/here/", accept=JSON)
        assert stale.status == 200 and "503" in stale.headers["X-Orbitalreg-Stale"]
        assert company.versions("here") == {"1.0", "2.0"} and company.versions("seen") == {"1.0"}
        assert company.get(f"files/here/{wheel}").body == before.body
        assert company.get(f"files/here/{sdist}").status == 502
        assert company.versions("ours") == {"1.0"}
        unknown = company.get("simple/never-seen/")
        assert unknown.status == 502 and "acme/public" in unknown.reason

        company.index.table = table
        company.index.requests.clear()
        company.configure("offline = true")
        company.registry.stop()
        company.registry.start()
        told = company.get("simple/here/", accept=JSON)
        assert [one["filename"] for one in told.json()["files"]] == [wheel]
        assert "X-Orbitalreg-Stale" not in told.headers
        assert company.get(f"files/here/{wheel}").body == before.body
        assert b"Name: here" in company.get(f"files/here/{wheel}.metadata").body
        for path in ("simple/seen/", "simple/never-seen/", f"files/here/{sdist}", f"files/here/{sdist}.metadata"):
            assert company.get(path).status == 404, path
        assert {one["name"] for one in company.get("simple/", accept=JSON).json()["projects"]} == {"here", "ours"}
        assert company.index.requests == []
        assert "Traceback" not in company.registry.log.read_text()
