"""What versions are exposed to by their dependencies, as `findings`, its documents and `affected` tell it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orbitalreg.inventory import dependencies
from orbitalreg.model import Severity

from ..documents import valid_sarif, valid_vex
from ..reported import CLEAN, finding, put, report

TOYS = {
    "net@1.toy": b"a toy",
    "net@2.toy": b"a toy",
    "mid@1.toy": b"needs: net<2",
    "top@1.toy": b"needs: mid",
    "fine@1.toy": b"needs: net",
    "held@1.toy": b"needs: net==1",
}
CVE = report(
    "osv",
    finding("CVE-2020-1", "net", "1", severity=Severity.HIGH, aliases=("GHSA-1",), fixed_in="2", title="It bursts"),
)


@pytest.fixture
def run(make_site: Callable[..., Any], cli: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    site = make_site()
    for name, body in TOYS.items():
        assert site.put(name, body).status_code == 200
        put(site.registry, "acme/toys", name, CVE if name == "net@1.toy" else CLEAN)

    def command(*words: str, code: int = 0) -> Any:
        updater = site.registry.graph.updater
        updater.reconcile()
        assert updater.update()
        done = cli(*words, "--config", str(tmp_path / "orbitalreg.toml"))
        assert done.exit_code == code, done.output
        return done

    command.site = site  # type: ignore[attr-defined]
    return command


def rows(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_exposures_are_told_with_their_path_and_what_to_take_instead(run: Callable[..., Any]) -> None:
    head, _, *told = rows(run("findings", "acme/toys").stdout)
    assert head == "severity id package version by fixed in instead seen by title"
    assert told == [
        "high CVE-2020-1 held 1 net 1 unavoidable: take net 2, which held 1 does not allow osv It bursts",
        "high CVE-2020-1 mid 1 net 1 unavoidable: take net 2, which mid 1 does not allow osv It bursts",
        "high CVE-2020-1 net 1 2 osv It bursts",
        "high CVE-2020-1 top 1 mid 1 -> net 1 unavoidable: take net 2, which mid 1 does not allow osv It bursts",
        "",
        "1 finding in 6 files: 1 high; 3 exposures by dependencies",
    ]


def test_a_later_version_of_the_asker_clears_it_without_anyone_asking(run: Callable[..., Any]) -> None:
    site = run.site  # type: ignore[attr-defined]
    assert site.put("mid@2.toy", b"needs: net>=2").status_code == 200
    told = rows(run("findings", "acme/toys", "--severity", "high").stdout)
    assert not [line for line in told if " top 1 " in line]
    assert "high CVE-2020-1 mid 1 net 1 unavoidable: take mid 2 osv It bursts" in told


def test_without_exposures_findings_are_as_they_were(run: Callable[..., Any]) -> None:
    assert rows(run("findings", "acme/toys", "--no-exposures").stdout)[2:] == [
        "high CVE-2020-1 net 1 2 osv It bursts",
        "",
        "1 finding in 6 files: 1 high",
    ]
    run("findings", "acme/toys/top", "--no-exposures", "--fail-on", "low")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("acme/toys/top==1", "--fail-on", "high"),
            "1 exposure is high or worse; the worst: CVE-2020-1 (high) in net 1, which top 1 brings along",
        ),
        (
            ("acme/toys", "--fail-on", "low"),
            "1 finding and 3 exposures are low or worse; the worst: CVE-2020-1 (high) in net 1, "
            "which held 1 brings along",
        ),
    ],
)
def test_a_build_fails_on_what_comes_with_dependencies_too(
    words: tuple[str, ...], said: str, run: Callable[..., Any]
) -> None:
    assert run("findings", *words, code=1).stderr == f"orbitalreg: {said}\n"


def test_what_is_less_bad_than_asked_for_is_left_out_of_exposures_too(run: Callable[..., Any]) -> None:
    assert rows(run("findings", "acme/toys", "--severity", "critical").stdout)[-1] == (
        "no findings in 6 files; what is less than critical is not shown"
    )


def test_as_json_they_are_apart_from_findings(run: Callable[..., Any]) -> None:
    told = json.loads(run("findings", "acme/toys", "--json").stdout)
    assert [one["package"] for one in told["findings"]] == ["net"]
    assert [(one["package"], one["exposure"]["package"]) for one in told["exposures"]] == [
        ("held", "net"),
        ("mid", "net"),
        ("top", "net"),
    ]
    [exposure] = [one["exposure"] for one in told["exposures"] if one["package"] == "top"]
    assert [(hop["stated"], hop["package"], hop["version"]) for hop in exposure["path"]] == [
        ("mid", "mid", "1"),
        ("net<2", "net", "1"),
    ]
    assert (exposure["environments"], exposure["is_unavoidable"]) == (["toybox"], True)
    assert exposure["upgrade"]["text"] == "take net 2, which mid 1 does not allow"
    assert exposure["upgrade"]["change"] == "widen"
    assert exposure["finding"]["id"] == "CVE-2020-1"


def test_sarif_has_a_result_for_who_gets_it(run: Callable[..., Any]) -> None:
    [told] = valid_sarif(run("findings", "acme/toys", "--format", "sarif").stdout)["runs"]
    assert len(told["tool"]["driver"]["rules"]) == 1
    texts = {one["message"]["text"]: one for one in told["results"]}
    assert len(texts) == 4
    assert len({one["partialFingerprints"]["vulnerability/v1"] for one in told["results"]}) == 4
    exposed = texts[
        "top 1 is exposed to CVE-2020-1 (high): It bursts. It comes by mid 1 -> net 1. "
        "Unavoidable: take net 2, which mid 1 does not allow."
    ]
    assert exposed["level"] == "error"
    assert exposed["properties"] == {
        "exposure": True,
        "path": ["mid 1", "net 1"],
        "requirements": ["mid", "net<2"],
        "environments": ["toybox"],
        "unavoidable": True,
        "upgrade": "take net 2, which mid 1 does not allow",
    }
    [place] = exposed["locations"]
    assert place["logicalLocations"][0]["fullyQualifiedName"] == "pkg:toy/top@1"


def test_vex_says_of_who_gets_it_by_what(run: Callable[..., Any]) -> None:
    told = valid_vex(run("findings", "acme/toys", "--format", "vex").stdout)
    assert {one["bom-ref"] for one in told["components"]} == {
        f"pkg:toy/{name}@1" for name in ("held", "mid", "net", "top")
    }
    [exposed] = [one for one in told["vulnerabilities"] if one["affects"][0]["ref"] == "pkg:toy/top@1"]
    assert exposed["detail"] == "It comes with dependencies: mid 1 -> net 1."
    assert exposed["recommendation"] == "unavoidable: take net 2, which mid 1 does not allow"
    assert exposed["properties"] == [
        {"name": "orbitalreg:exposure", "value": "pkg:toy/net@1"},
        {"name": "orbitalreg:environment", "value": "toybox"},
    ]
    assert exposed["analysis"] == {"state": "in_triage"}
    assert len({one["bom-ref"] for one in told["vulnerabilities"]}) == 4


def test_documents_without_exposures_have_none(run: Callable[..., Any]) -> None:
    [told] = valid_sarif(run("findings", "acme/toys", "--format", "sarif", "--no-exposures").stdout)["runs"]
    assert len(told["results"]) == 1
    assert (
        len(valid_vex(run("findings", "acme/toys", "--format", "vex", "--no-exposures").stdout)["vulnerabilities"]) == 1
    )


def test_affected_says_what_to_take(run: Callable[..., Any]) -> None:
    assert rows(run("affected", "GHSA-1", "--days", "0").stdout)[2:] == [
        "acme/toys held 1 high net 1 2 unavoidable: take net 2, which held 1 does not allow",
        "acme/toys mid 1 high net 1 2 unavoidable: take net 2, which mid 1 does not allow",
        "acme/toys net 1 high itself 2",
        "acme/toys top 1 high mid 1 -> net 1 2 unavoidable: take net 2, which mid 1 does not allow",
    ]


def test_over_the_api_exposures_are_there_unless_they_are_not_wanted(run: Callable[..., Any]) -> None:
    site = run.site  # type: ignore[attr-defined]
    run("check")
    path = "/api/v1/projects/acme/repositories/toys"
    told = site.get(f"{path}/packages/top/versions/1/findings").json
    assert [one["finding"]["id"] for one in told["exposures"]] == ["CVE-2020-1"]
    assert site.get(f"{path}/packages/top/versions/1/findings?exposures=false").json["exposures"] == []
    assert site.get(f"{path}/packages/top/versions/1/findings?severity=critical").json["exposures"] == []
    listed = site.get(f"{path}/findings").json["items"]
    assert [one["package"] for one in listed if one["exposures"]] == ["held", "mid", "top"]


def test_many_versions_of_a_package_are_read_some_at_a_time(run: Callable[..., Any]) -> None:
    site = run.site  # type: ignore[attr-defined]
    for number in range(60):
        assert site.put(f"many@{number}.toy", b"needs: net<2").status_code == 200
    told = json.loads(run("findings", "acme/toys/many", "--json").stdout)
    assert sorted(int(one["version"]) for one in told["exposures"]) == list(range(60))
    told = json.loads(run("findings", "acme/toys", "--json").stdout)
    assert len(told["exposures"]) == 63


def test_of_very_many_exposures_the_worst_are_judged(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "JUDGED", 0)
    told = rows(run("findings", "acme/toys").stdout)
    assert "high CVE-2020-1 top 1 mid 1 -> net 1 osv It bursts" in [line.replace(" - ", " ") for line in told]
