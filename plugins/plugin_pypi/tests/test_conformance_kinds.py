"""One package through repositories of every kind: byte for byte the same, but for what the table of exceptions says."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
import test_conformance_simple
import test_conformance_upload
import test_json_api
from archives_corpus import make_sdist, make_wheel
from conformance_kinds import EXCEPTIONS, KINDS, site_of
from conformance_site import HTML, JSON, Answer, Server, Site, form

TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?")
VARYING = ("date", "x-request-id", "etag")
"""Headers that no two answers have alike. A page's ETag follows from its bytes, and these have the times in them."""


@pytest.fixture(scope="module")
def sites(servers: Mapping[str, Server]) -> dict[str, Site]:
    return {kind: site_of(servers, kind, "internal") for kind in KINDS}


@pytest.fixture(scope="module")
def published(sites: dict[str, Site]) -> str:
    """A package with all that a page can tell, in the local repository behind each kind."""
    name = "everywhere"
    files = [
        make_wheel(name, metadata_extra="Requires-Python: >=3.9, <4", description="words\n" * 200),
        make_sdist(name),
        make_sdist(name, "0.9", extension=".zip"),
        make_wheel(name, "2.0"),
        make_wheel(name, "1!3.0rc1+local.2"),
    ]
    attested = {"attestations": '[{"version": 1}]'}
    for site in {site.publish_base: site for site in sites.values()}.values():
        if "virtual" in site.publish_base:
            continue  # its local repository has them by then
        for filename, content in files:
            assert site.upload(filename, content, parts=form(filename, content, **attested)).status == 200
        site.run("yank", f"{name}==2.0", "--reason", 'broken <b> & "worse"')
        site.run("status", name, "deprecated", "--reason", "see <elsewhere>")
    return name


def normal(body: bytes) -> bytes:
    return TIME.sub(b"TIME", body)


def shown(answer: Answer) -> tuple[int, str, dict[str, str], bytes]:
    headers = {key.lower(): value for key, value in answer.headers.items() if key.lower() not in VARYING}
    return answer.status, answer.reason, headers, normal(answer.body)


def without_sizes(page: Any) -> Any:
    return {**page, "files": [{key: file[key] for key in file if key != "size"} for file in page["files"]]}


def test_pages_are_the_same_byte_for_byte(sites: dict[str, Site], published: str) -> None:
    for accept in (JSON, HTML, "text/html"):
        for path in (f"simple/{published}/", f"legacy/+simple/{published}/"):
            got = {kind: shown(site.raw("GET", path, {"Accept": accept})) for kind, site in sites.items()}
            if accept == JSON and path.startswith("simple"):
                status, _, _, body = got.pop("remote of HTML")
                assert (status, json.loads(body)) == (200, without_sizes(json.loads(got["local"][3])))
            for kind in got:
                assert got[kind] == got["local"], kind


def test_files_metadata_and_refusals_are_the_same_byte_for_byte(sites: dict[str, Site], published: str) -> None:
    filenames = sorted(sites["local"].files(published))
    assert len(filenames) == 5
    asked: list[tuple[str, dict[str, str]]] = [(name, {}) for name in filenames]
    asked += [(f"{name}.metadata", {}) for name in filenames] + [("absent-1.0.tar.gz", {})]
    asked += [(filenames[0], {"Range": span}) for span in ("bytes=0-9", "bytes=-7", "bytes=99999999-")]
    for filename, headers in asked:
        for method in ("GET", "HEAD", "GET"):  # cold, then known, then kept
            got = {kind: site.raw(method, f"files/{published}/{filename}", headers) for kind, site in sites.items()}
            told = {kind: (*answered(answer, sites[kind]), answer["ETag"]) for kind, answer in got.items()}
            for kind in told:
                assert told[kind] == told["local"], (kind, method, filename, headers)


def answered(answer: Answer, site: Site) -> tuple[int, str, dict[str, str], bytes]:
    """A refusal names the repository that was asked; only a local one's files may be kept unasked."""
    status, reason, headers, body = shown(answer)
    headers.pop("cache-control", None)
    headers.pop("content-length" if status >= 400 else "-", None)
    return status, reason.replace(site.address, "HERE"), headers, body.replace(site.address.encode(), b"HERE")


def test_the_legacy_json_is_the_same(sites: dict[str, Site], published: str) -> None:
    got = {}
    for kind, site in sites.items():
        answer = site.raw("GET", f"pypi/{published}/json")
        assert answer.status == 200
        body = normal(answer.body.replace(site.base.encode(), b"BASE"))
        got[kind] = re.sub(rb'"size": ?(\d+|null|-1|0)', b'"size"', body) if kind == "remote of HTML" else body
    local = got["local"]
    assert got.pop("remote of HTML") == re.sub(rb'"size": ?\d+', b'"size"', local)
    for kind in got:
        assert got[kind] == local, kind


def test_the_table_names_tests_and_kinds_that_there_are() -> None:
    there = {**vars(test_conformance_simple), **vars(test_conformance_upload), **vars(test_json_api)}
    for test, kinds in EXCEPTIONS.items():
        assert test in there
        assert set(kinds) <= set(KINDS) - {"local"}
