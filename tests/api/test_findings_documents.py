"""Findings through the API as SARIF and as VEX: valid, whole, and what the command prints."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from orbitalreg.exports import EXPORTS
from orbitalreg.inventory import common
from orbitalreg.web.api import exporting
from orbitalreg.web.api.findings import Chosen

from ..documents import lasting
from ..reported import BLANK, CLEAN, HIGH, SAME, STALE, finding, put, report
from .conftest import BALL, ROOT, TOYS, Api

KINDS = sorted(EXPORTS)
PLACES = {
    "acme/toys": f"{TOYS}/findings",
    "acme/toys/Kite": f"{TOYS}/packages/KITE/findings",
    "acme/toys/ball==1": f"{BALL}/versions/1/findings",
    "acme/toys/ball==10": f"{BALL}/versions/10/findings",
    "acme/again": f"{ROOT}/projects/acme/repositories/again/findings",
}


@pytest.fixture
def seen(stocked: Any, api: Any) -> Any:
    """ball and kite have findings, one has a bundled one; files of both were not scanned."""
    registry = stocked.registry
    bundled = finding("CVE-9", "string", "3", is_bundled=True, purl="pkg:toy/string@3", location="x/string")
    put(registry, "acme/toys", "ball@1.toy", HIGH, SAME)
    put(registry, "acme/toys", "ball@2.toy", STALE)
    put(registry, "acme/toys", "kite@1.toy", report("trivy", finding("GHSA-7", "kite"), bundled))
    put(registry, "acme/toys", "kite@2.toy", BLANK)
    put(registry, "acme/toys", "kite@10.toy", CLEAN)
    return api


def document(api: Api, kind: str, path: str, token: str | None = "", **query: Any) -> dict[str, Any]:
    """It is valid."""
    answer = api("GET", path, token=token, params={"format": kind, **query})
    assert answer.status_code == 200, answer.text
    return lasting(kind, answer.text)


def told(kind: str, said: dict[str, Any]) -> list[str]:
    """The ids of what was found."""
    return (
        [one["ruleId"] for one in said["runs"][0]["results"]]
        if kind == "sarif"
        else [one["id"] for one in said["vulnerabilities"]]
    )


@pytest.mark.parametrize("severity", ["unknown", "high"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_the_command_prints(
    kind: str, place: str, severity: str, seen: Any, cli: Callable[..., Any], configured: Path
) -> None:
    words = ("--format", kind, "--severity", severity, "--config", str(configured))
    printed = cli("findings", place, *words)
    assert printed.exit_code == 0, printed.stderr
    assert document(seen, kind, PLACES[place], severity=severity) == lasting(kind, printed.stdout)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_whole_whatever_part_is_asked_for(kind: str, seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = document(seen, kind, PLACES["acme/toys"])
    assert told(kind, whole) == ["CVE-2020-1", "GHSA-7", "CVE-9"]
    cursor = seen.get(PLACES["acme/toys"], limit=1)["next"]
    monkeypatch.setattr(common, "_PART", 1)  # as it is read from the catalog
    assert document(seen, kind, PLACES["acme/toys"], limit=1, cursor=cursor) == whole


def test_json_is_as_it_was(seen: Any) -> None:
    assert seen.get(PLACES["acme/toys"], format="json") == seen.get(PLACES["acme/toys"])
    version = PLACES["acme/toys/ball==1"]
    assert seen.get(version, format="json") == seen.get(version)


@pytest.mark.parametrize(
    ("kind", "media_type", "filename"),
    [
        ("sarif", "application/sarif+json", "acme-toys-ball-1.sarif"),
        ("vex", "application/vnd.cyclonedx+json", "acme-toys-ball-1.cdx.json"),
    ],
)
def test_it_says_what_it_is_and_is_never_shown(kind: str, media_type: str, filename: str, seen: Any) -> None:
    path = PLACES["acme/toys/ball==1"]
    answer, head = (seen(method, path, params={"format": kind}) for method in ("GET", "HEAD"))
    assert answer.headers["Content-Type"] == head.headers["Content-Type"] == media_type
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{filename}"'
    assert (answer.headers["X-Content-Type-Options"], answer.headers["Cache-Control"]) == (
        "nosniff",
        "private, no-store",
    )
    assert head.content == b"" and head.headers["Content-Length"] == str(len(answer.content))


@pytest.mark.parametrize("kind", KINDS)
def test_callers_are_told_of_what_they_may_read(kind: str, seen: Any) -> None:
    reader = seen.site.token("acme/toys/k*:read", name="reader")
    said = document(seen, kind, PLACES["acme/toys"], token=reader)
    assert told(kind, said) == ["GHSA-7", "CVE-9"] and "ball" not in str(said)
    assert seen("GET", f"{BALL}/findings", token=reader, params={"format": kind}).status_code == 404
    assert seen("GET", PLACES["acme/toys"], token=None, params={"format": kind}).status_code == 401


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["packages/absent", "packages/ball/versions/7", "packages/ball/versions/none"])
def test_what_is_not_there_has_none(path: str, kind: str, seen: Any) -> None:
    answer = seen("GET", f"{TOYS}/{path}/findings", params={"format": kind})
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("place", PLACES)
def test_a_format_that_there_is_not_is_answered_with_those_that_there_are(place: str, seen: Any) -> None:
    for word in ("xml", "SARIF", ""):
        answer = seen("GET", PLACES[place], params={"format": word})
        assert answer.status_code == 400, word
        assert answer.json["detail"] == ("the query: format: there is no such one here, but 'json', 'sarif' or 'vex'")


def test_so_it_is_of_every_address_that_has_formats(seen: Any) -> None:
    admin = seen.site.token("acme:admin", name="admin")
    audit = seen("GET", f"{ROOT}/projects/acme/audit", token=admin, params={"format": "xml"})
    assert (audit.status_code, audit.json["detail"].partition("but ")[2]) == (400, "'json' or 'jsonl'")
    documented = {
        path
        for path, operations in seen.get(f"{ROOT}/openapi.json")["paths"].items()
        for told in operations.values()
        if "400" in told["responses"]
    }
    kinds = ("/findings", "/audit", "/graph", "/sbom")
    assert len(documented) == 6 and all(path.endswith(kinds) for path in documented)


def test_the_document_of_the_api_has_each_format(seen: Any) -> None:
    assert get_args(Chosen.model_fields["format"].annotation) == ("json", *EXPORTS)
    paths = seen.get(f"{ROOT}/openapi.json")["paths"]
    found = [operations["get"] for path, operations in paths.items() if path.endswith("/findings")]
    assert len(found) == 3
    for one in found:
        content = one["responses"]["200"]["content"]
        assert list(content) == ["application/json", *(export.media_type for export in EXPORTS.values())]
        assert "$ref" in content["application/json"]["schema"]


def test_others_wait_while_as_many_as_may_be_are_made(
    make_site: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "AT_A_TIME", 0)
    monkeypatch.setattr(exporting, "PLACE_SECONDS", 0.01)
    api = Api(make_site())
    busy = api("GET", PLACES["acme/toys"], params={"format": "sarif"})
    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "2")
    assert api.get(PLACES["acme/toys"])["items"] == []


def test_one_that_cannot_be_made_leaves_its_place(
    make_site: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "AT_A_TIME", 1)
    monkeypatch.setattr(exporting, "PLACE_SECONDS", 0.01)
    api = Api(make_site())
    for _ in range(3):
        assert api("GET", f"{TOYS}/packages/absent/findings", params={"format": "vex"}).status_code == 404
    assert document(api, "vex", PLACES["acme/toys"])["vulnerabilities"] == []
    assert api.site.staged() == []


def test_a_disk_that_is_full_is_told(seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*words: Any, **more: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting.tempfile, "TemporaryFile", full)
    answer = seen("GET", PLACES["acme/toys"], params={"format": "sarif"})
    assert (answer.status_code, answer.json["detail"]) == (507, "the data file system is full; nothing was stored")


def test_none_is_made_where_the_disk_has_no_room_to_spare(seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(seen.site.registry.store), "free_bytes", lambda self: 1 << 20)
    assert seen("GET", PLACES["acme/toys"], params={"format": "sarif"}).status_code == 507
    assert seen("GET", PLACES["acme/toys"]).status_code == 200
