"""A remote repository whose upstream does everything wrong that one can, through a real server.

What must hold each time: an answer in plain words, the last good page where there is one, a log without a traceback,
and a cache that holds nothing but whole files under their own digests.
"""

import hashlib
import json
import random
import re
import time
from collections.abc import Iterator
from http.client import IncompleteRead
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from archives_corpus import make_wheel
from harness import MIB, Answer, Registry, call, eventually
from scripted_upstream import (
    Authority,
    Behaviour,
    ScriptedUpstream,
    chunked,
    cut_off,
    drip,
    endless,
    file,
    gzip_bomb,
    in_turn,
    raw,
    redirect,
    reply,
    reset,
    stall,
    status,
)

JSON = "application/vnd.pypi.simple.v1+json"
JSON_TYPE = {"Content-Type": JSON}
HTML_TYPE = {"Content-Type": "text/html"}
CONFIG = """\
[server]
listen = "127.0.0.1:0"
metrics_from = ["127.0.0.1"]

[data]
path = "data"

[projects.acme.repositories.mirror]
format = "pypi"
kind = "remote"
upstream = "{upstream}/simple/"
anonymous_read = true
listing_ttl = "0s"
negative_ttl = "0s"
max_page = "1MiB"

[projects.acme.repositories.all]
format = "pypi"
kind = "virtual"
members = ["mirror"]
anonymous_read = true

[projects.acme.repositories.hasty]
format = "pypi"
kind = "remote"
upstream = "{upstream}/simple/"
anonymous_read = true
listing_ttl = "0s"
negative_ttl = "0s"
page_timeout = "1s"
"""


class Mirror:
    """A server, and the upstream of which it shows the packages."""

    def __init__(self, folder: Path, upstream: ScriptedUpstream) -> None:
        self.upstream = upstream
        folder.mkdir(exist_ok=True)
        if not (folder / "orbitalreg.toml").exists():
            (folder / "orbitalreg.toml").write_text(CONFIG.format(upstream=upstream.origin))
        self.registry = Registry(folder)

    @property
    def url(self) -> str:
        return f"{self.registry.url}/pypi/acme/mirror"

    def offer(self, name: str, body: bytes = b"", behaviour: Behaviour | None = None, **told: Any) -> str:
        """Have the upstream tell of one wheel, with its digest and size unless other facts are given; its URL here."""
        filename = f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
        facts = {"url": f"/files/{filename}", "hashes": {"sha256": sha256(body)}, "size": len(body), **told}
        page = {"meta": {"api-version": "1.1"}, "name": name, "files": [{"filename": filename, **facts}]}
        self.upstream.table[f"/simple/{name}/"] = reply(json.dumps(page).encode(), headers=JSON_TYPE)
        self.upstream.table[f"/files/{filename}"] = behaviour or file(body, f'"{sha256(body)}"')
        return f"{self.url}/files/{name}/{filename}"

    def page(self, name: str, repository: str = "mirror") -> Answer:
        url = f"{self.registry.url}/pypi/acme/{repository}/simple/{name}/"
        return call("GET", url, headers={"Accept": JSON})

    def metric(self, name: str) -> float:
        """Of this repository."""
        text = call("GET", f"{self.registry.url}/metrics").body.decode()
        wanted = f'{name}{{repository="acme/mirror"}} '
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(wanted))

    def breaks(self, name: str, behaviour: Behaviour) -> None:
        self.upstream.table[f"/simple/{name}/"] = behaviour

    def asked(self, part: str) -> int:
        return sum(part in path for path in self.upstream.paths())

    def assert_sound(self) -> None:
        """What is on the disk is whole and is what its name says, and nothing else is."""
        assert eventually(lambda: not self.registry.staged()), self.registry.staged()
        for path in self.registry.stored():
            body = (self.registry.data / path).read_bytes()
            assert Path(path).name.partition(".")[0] == sha256(body), path


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def some(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    with ScriptedUpstream() as upstream:
        mirror = Mirror(tmp_path_factory.mktemp("mirror") / "site", upstream)
        with mirror.registry:
            yield mirror
            assert mirror.registry.running


@pytest.fixture
def mirror(running: Mirror) -> Iterator[Mirror]:
    before = len(running.registry.log.read_text())
    yield running
    log = running.registry.log.read_text()[before:]
    assert "Traceback" not in log and '"traceback"' not in log, log
    running.assert_sound()


@pytest.fixture
def inner() -> Iterator[ScriptedUpstream]:
    """A server on loopback that no configuration names. Whoever asks it was talked into it."""
    with ScriptedUpstream({"*": reply(b"a secret of the inside", headers=HTML_TYPE)}) as server:
        yield server
        assert server.requests == []
        assert server.most_at_once == 0


# --- provenance -------------------------------------------------------------------------------------------------------

PROVENANCE = b'{"version": 1, "attestation_bundles": [{"publisher": {"kind": "GitHub"}, "attestations": []}]}'
PROVENANCE_TYPE = "application/vnd.pypi.integrity.v1+json"


def provenance_url(mirror: Mirror, name: str, repository: str = "mirror") -> str | None:
    """What the page says, as a client follows it; the HTML page has to say the same."""
    place = f"{mirror.registry.url}/pypi/acme/{repository}/simple/{name}/"
    [told] = call("GET", place, headers={"Accept": JSON}).json()["files"]
    html = call("GET", place, headers={"Accept": "text/html"}).body.decode()
    found = re.search(r'data-provenance="([^"]+)"', html)
    assert (found and found[1]) == told["provenance"]
    return urljoin(place, told["provenance"]) if told["provenance"] else None


@pytest.mark.parametrize("repository", ["mirror", "all"])
def test_a_provenance_is_asked_for_once_and_kept(mirror: Mirror, repository: str) -> None:
    """In a virtual repository too, and when the upstream is away or must not be asked."""
    name = f"attested-{repository}"
    mirror.offer(name, b"bytes", provenance=f"/integrity/{name}/provenance")
    mirror.upstream.table[f"/integrity/{name}/provenance"] = reply(
        PROVENANCE, headers={"Content-Type": PROVENANCE_TYPE}
    )
    url = provenance_url(mirror, name, repository)
    assert url is not None and url.startswith(f"{mirror.registry.url}/pypi/acme/{repository}/files/{name}/")
    for method in ("GET", "HEAD", "GET"):
        answer = call(method, url)
        assert (answer.status, answer.headers["Content-Type"]) == (200, PROVENANCE_TYPE)
    assert answer.body == PROVENANCE
    assert call("GET", url, headers={"If-None-Match": answer.headers["Etag"]}).status == 304
    assert mirror.asked(f"/integrity/{name}") == 1
    [asked] = [request for request in mirror.upstream.requests if f"/integrity/{name}" in request.path]
    assert asked.headers["accept"].startswith(PROVENANCE_TYPE)
    mirror.upstream.table[f"/integrity/{name}/provenance"] = status(500)
    mirror.breaks(name, status(500))
    assert provenance_url(mirror, name, repository) == url
    assert call("GET", url).body == PROVENANCE


def test_a_provenance_that_nobody_tells_of_is_not_there(mirror: Mirror) -> None:
    url = mirror.offer("unattested", b"bytes")
    assert provenance_url(mirror, "unattested") is None
    assert call("GET", f"{url}.provenance").status == 404


BAD_PROVENANCE: dict[str, Behaviour] = {
    "500": status(500),
    "404": status(404),
    "HTML": reply(b"<!DOCTYPE html><title>Sign in</title>", headers=HTML_TYPE),
    "another JSON": reply(b'{"message": "gone"}', headers=JSON_TYPE),
    "a reset": reset(PROVENANCE[:20], len(PROVENANCE)),
    "10 GB": endless(b" " * 1024, b"HTTP/1.1 200 OK\r\n\r\n"),
}


@pytest.mark.parametrize("fault", BAD_PROVENANCE)
def test_a_provenance_that_comes_wrong_is_refused_and_never_kept(mirror: Mirror, fault: str) -> None:
    name = f"attested-badly-{list(BAD_PROVENANCE).index(fault)}"
    mirror.offer(name, b"bytes", provenance=f"/integrity/{name}")
    mirror.upstream.table[f"/integrity/{name}"] = BAD_PROVENANCE[fault]
    url = provenance_url(mirror, name)
    assert url is not None and call("GET", url).status == 502
    mirror.upstream.table[f"/integrity/{name}"] = reply(PROVENANCE)
    assert eventually(lambda: call("GET", url).body == PROVENANCE)


@pytest.mark.parametrize("told", ["redirected", "named"])
def test_a_provenance_on_the_inside_is_not_fetched(mirror: Mirror, inner: ScriptedUpstream, told: str) -> None:
    name = f"attested-inside-{told}"
    mirror.offer(name, b"bytes", provenance=inner.url("/p") if told == "named" else f"/integrity/{name}")
    mirror.upstream.table[f"/integrity/{name}"] = redirect(inner.url("/p"))
    url = provenance_url(mirror, name)
    assert url is not None
    answer = call("GET", url)
    assert answer.status == 502 and b"secret" not in answer.body


# --- pages ------------------------------------------------------------------------------------------------------------

BODY = some(300_000)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.pypi.simple.v1+json\r\n"
TEN_GB = 10_000_000_000
SIGN_IN = b"<!DOCTYPE html><title>Sign in</title><form><a href='/help'>Help</a><input name=user></form>"
PAGES: dict[str, tuple[Behaviour, str]] = {
    "500": (status(500), "500"),
    "503": (status(503), "503"),
    "403": (status(403), "refused"),
    "401": (status(401), "refused"),
    "a reset before the answer": (reset(), ""),
    "a reset in the middle": (reset(b'{"meta"', 1000), ""),
    "an end before the announced one": (cut_off(b'{"meta"', 1000), ""),
    "chunks without the last one": (chunked([b'{"meta"'], b"", JSON_TYPE), ""),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.9\r\n"), ""),
    "HTML that is no page": (reply(SIGN_IN, headers=HTML_TYPE), "does not say that it is a package page"),
    "another type": (reply(b"{}", headers={"Content-Type": "application/json"}), "type"),
    "no type": (reply(b"{}"), "type"),
    "nothing": (reply(b"", headers=JSON_TYPE), ""),
    "broken JSON": (reply(b'{"meta": {"api-version": "1.1"}, "files": [{"fi', headers=JSON_TYPE), ""),
    "JSON that is no page": (reply(b"[1, 2]", headers=JSON_TYPE), ""),
    "JSON without end": (reply(b"[" * 100_000, headers=JSON_TYPE), ""),
    "JSON that is not UTF-8": (reply(b'{"meta": "\xff"}', headers=JSON_TYPE), ""),
    "HTML without end": (reply(b"<div>" * 100_000, headers=HTML_TYPE), ""),
    "HTML of noise": (reply(some(10_000), headers=HTML_TYPE), ""),
    "a later version": (reply(b'{"meta": {"api-version": "2.0"}, "files": []}', headers=JSON_TYPE), "2.0"),
    "a redirect to nowhere": (redirect(""), ""),
    "10 GB announced": (stall(b" ", TEN_GB), "1048576"),
    "10 GB without a word": (endless(b" " * 1024, HEAD + b"\r\n"), "1048576"),
    "10 GB of headers": (endless(b"X: " + b"y" * 1021 + b"\r\n", HEAD), ""),
    "a small body that becomes large": (gzip_bomb(64 * MIB), "1048576"),
}


@pytest.mark.parametrize("fault", PAGES)
def test_a_page_that_fails_shows_the_last_good_one_or_says_why_there_is_none(mirror: Mirror, fault: str) -> None:
    behaviour, words = PAGES[fault]
    name = f"page-{list(PAGES).index(fault)}"
    mirror.offer(name, b"bytes")
    good = mirror.page(name)
    assert good.status == 200 and "X-Orbitalreg-Stale" not in good.headers
    mirror.breaks(name, behaviour)
    stale = mirror.page(name)
    assert (stale.status, stale.body) == (200, good.body)
    assert stale.headers["X-Orbitalreg-Stale"] and words in stale.headers["X-Orbitalreg-Stale"]
    mirror.offer(name, b"bytes")  # and it is over
    assert "X-Orbitalreg-Stale" not in mirror.page(name).headers
    mirror.breaks(f"{name}-cold", behaviour)
    cold = mirror.page(f"{name}-cold")
    assert cold.status == 502, cold
    assert words in cold.reason and cold.reason.isascii() and cold.body.decode().startswith(cold.reason)
    mirror.offer(f"{name}-cold", b"bytes")
    assert mirror.page(f"{name}-cold").status == 200


SLOW: dict[str, Behaviour] = {
    "a stall before the answer": stall(),
    "a stall in the middle": stall(b'{"meta"'),
    "a drip": drip(b" ", 0.05, 1000, HEAD + b"Content-Length: 1000\r\n\r\n"),
    "a drip of headers": drip(b"X: y\r\n", 0.05, 1000, HEAD),
}


@pytest.mark.parametrize("fault", SLOW)
def test_a_page_that_does_not_come_in_time_is_given_up(mirror: Mirror, fault: str) -> None:
    name = f"slow-{list(SLOW).index(fault)}"
    mirror.breaks(name, SLOW[fault])
    began = time.monotonic()
    answer = mirror.page(name, "hasty")
    assert answer.status == 502, answer
    assert 1 <= time.monotonic() - began < 5
    mirror.offer(name, b"bytes")
    assert eventually(lambda: mirror.page(name, "hasty").status == 200)


def test_a_page_that_does_not_come_in_time_leaves_the_last_good_one(mirror: Mirror) -> None:
    mirror.offer("slower", b"bytes")
    assert eventually(lambda: mirror.page("slower", "hasty").status == 200)
    mirror.breaks("slower", stall())
    answer = mirror.page("slower", "hasty")
    assert answer.status == 200 and answer.headers["X-Orbitalreg-Stale"]


def test_a_redirect_loop_comes_to_an_end(mirror: Mirror) -> None:
    mirror.upstream.table |= {"/simple/loop/": redirect("/one"), "/one": redirect("/two"), "/two": redirect("/one")}
    answer = mirror.page("loop")
    assert answer.status == 502 and "redirect" in answer.reason
    assert mirror.asked("/one") + mirror.asked("/two") < 20


def test_a_redirect_within_the_upstream_is_followed(mirror: Mirror) -> None:
    mirror.offer("moved", b"bytes")
    mirror.upstream.table["/elsewhere/moved/"] = mirror.upstream.table["/simple/moved/"]
    mirror.breaks("moved", redirect("/elsewhere/moved/"))
    assert [one["filename"] for one in mirror.page("moved").json()["files"]] == ["moved-1.0-py3-none-any.whl"]


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_page_that_redirects_to_the_inside_is_not_followed(
    mirror: Mirror, inner: ScriptedUpstream, code: int
) -> None:
    mirror.breaks(f"inside-{code}", redirect(inner.url("/simple/x/"), code))
    answer = mirror.page(f"inside-{code}")
    assert answer.status == 502 and b"secret" not in answer.body
    mirror.offer(f"inside-{code}", b"bytes")
    assert mirror.page(f"inside-{code}").status == 200


@pytest.mark.parametrize("code", [404, 410])
def test_a_name_that_is_gone_takes_its_page_along(mirror: Mirror, code: int) -> None:
    name = f"gone-{code}"
    url = mirror.offer(name, b"bytes" * 100)
    assert (mirror.page(name).status, call("GET", url).body) == (200, b"bytes" * 100)
    mirror.breaks(name, status(code))
    assert [mirror.page(name).status, call("GET", url).status, call("GET", f"{url}.metadata").status] == [404] * 3


def test_a_list_of_names_that_fails_is_told_of(mirror: Mirror) -> None:
    names = {"meta": {"api-version": "1.1"}, "projects": [{"name": "one"}]}
    good = reply(json.dumps(names).encode(), headers=JSON_TYPE)
    for behaviour in (status(500), reply(b"[", headers=JSON_TYPE), good):
        mirror.upstream.table["/simple/"] = behaviour
        answer = call("GET", f"{mirror.url}/simple/", headers={"Accept": JSON})
        assert answer.status == (200 if behaviour is good else 502)
        assert b"Traceback" not in answer.body
    assert answer.json()["projects"] == [{"name": "one"}]


def test_memory_is_bounded_whatever_comes(mirror: Mirror) -> None:
    before = sum(mirror.registry.peak_memory().values())
    for fault in ("10 GB announced", "10 GB without a word", "10 GB of headers", "a small body that becomes large"):
        mirror.breaks("huge", PAGES[fault][0])
        assert mirror.page("huge").status == 502
    assert sum(mirror.registry.peak_memory().values()) - before < 16 * MIB


def test_a_certificate_that_expires_leaves_what_is_kept_until_it_is_renewed(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    tls = authority.tls()
    with ScriptedUpstream(tls=tls) as upstream:
        (folder := tmp_path / "site").mkdir()
        trusting = f'{{upstream}}/simple/"\nca_bundle = "{authority.bundle}"'
        (folder / "orbitalreg.toml").write_text(
            CONFIG.replace('{upstream}/simple/"', trusting).format(upstream=upstream.origin)
        )
        mirror = Mirror(folder, upstream)
        with mirror.registry:
            kept, cold = mirror.offer("kept", BODY), mirror.offer("cold", BODY[::-1])
            assert [mirror.page(name).status for name in ("kept", "cold")] == [200, 200]
            assert call("GET", kept).body == BODY
            authority.certify(tls, expired=True)
            upstream.hang_up()
            stale = mirror.page("kept")
            assert stale.status == 200
            assert "a certificate that is not trusted" in stale.headers["X-Orbitalreg-Stale"]
            assert eventually(lambda: "expired" in mirror.registry.log.read_text())
            assert call("GET", kept).body == BODY
            for path in (cold, f"{cold}.metadata", f"{mirror.url}/simple/unknown/"):
                answer = call("GET", path)
                assert answer.status == 502, answer  # after some of them the upstream is left alone for a while
            mirror.assert_sound()
            assert len(mirror.registry.stored()) == 1
            authority.certify(tls)
            assert eventually(lambda: call("GET", cold).body == BODY[::-1])
            assert "X-Orbitalreg-Stale" not in mirror.page("kept").headers


# --- files ------------------------------------------------------------------------------------------------------------

FILES: dict[str, tuple[Behaviour, str]] = {
    "500": (status(500), "500"),
    "another file": (reply(some(300_000)[:-1] + b"?"), "SHA-256"),
    "shorter than told": (reply(BODY[:-1]), "bytes long"),
    "longer than told": (reply(BODY + b"?"), "bytes long"),
    "longer without an announcement": (chunked([BODY, b"?"]), "longer"),
    "10 GB without a word": (endless(b"x" * 1024, b"HTTP/1.1 200 OK\r\n\r\n"), "longer"),
    "HTML": (reply(SIGN_IN, headers=HTML_TYPE), ""),
    "HTML without an announced length": (chunked([SIGN_IN], headers=HTML_TYPE), ""),
    "nothing": (reply(b""), ""),
    "resets": (reset(BODY[:100_000], len(BODY)), ""),
    "a part that was not asked for": (reply(BODY[5:], 206, {"Content-Range": "bytes 5-299999/300000"}), ""),
    "packed": (reply(BODY, headers={"Content-Encoding": "gzip"}), ""),
    "a redirect to itself": (redirect("?again"), "redirect"),
    "no HTTP": (raw(b"220 ready\r\n"), ""),
}


@pytest.mark.parametrize("fault", FILES)
def test_a_file_that_comes_wrong_is_refused_and_never_kept(mirror: Mirror, fault: str) -> None:
    behaviour, words = FILES[fault]
    url = mirror.offer(f"file-{list(FILES).index(fault)}", BODY, behaviour)
    before = mirror.registry.stored()
    answers = [whole_or_refused(url) for _ in range(2)]
    for answer in answers:
        assert answer is None or (answer.status == 502 and words in answer.reason), answer
    if fault != "resets":  # each of which may be the last one
        assert answers[1] is not None, "what is known to be wrong is told before it begins"
    mirror.assert_sound()
    assert mirror.registry.stored() == before


def whole_or_refused(url: str) -> Answer | None:
    """The answer; None where it was cut off, so that every client knows that it has not got the file."""
    try:
        answer = call("GET", url)
    except (OSError, IncompleteRead):
        return None
    assert answer.status != 200, "a wrong file was given out whole"
    return answer


def test_a_drip_that_is_slow_and_whole_is_served(mirror: Mirror) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n"
    url = mirror.offer("drip", b"y" * 40_000, drip(b"y" * 2_000, 0.05, 20, head))
    assert call("GET", url).body == b"y" * 40_000


@pytest.mark.parametrize("told", ["redirected", "named"])
def test_a_file_on_the_inside_is_not_fetched(mirror: Mirror, inner: ScriptedUpstream, told: str) -> None:
    facts = {"url": inner.url("/x.whl")} if told == "named" else {}
    url = mirror.offer(f"inside-{told}", BODY, redirect(inner.url("/x.whl")), **facts)
    for path in (url, f"{url}.metadata"):
        answer = call("GET", path)
        assert answer.status == 502 and b"secret" not in answer.body


def test_a_file_that_changes_under_its_digest_is_no_more_than_a_failure(mirror: Mirror) -> None:
    other = some(300_001)[:300_000]
    kept, lost = mirror.offer("kept", BODY), mirror.offer("lost", BODY)
    assert call("GET", kept).body == BODY
    mirror.assert_sound()
    for name in ("kept", "lost"):
        mirror.upstream.table[f"/files/{name}-1.0-py3-none-any.whl"] = reply(other)
    assert call("GET", kept).body == BODY
    refused = whole_or_refused(lost)
    assert refused is None or refused.status == 502


def test_a_file_without_a_digest_has_one_from_its_first_fetch_on(mirror: Mirror) -> None:
    url = mirror.offer("bare", BODY, hashes={}, size=None)
    assert mirror.page("bare").json()["files"][0]["hashes"] == {}
    assert call("GET", url).body == BODY
    mirror.assert_sound()
    mirror.upstream.table["/files/bare-1.0-py3-none-any.whl"] = reply(some(299_999))
    [told] = mirror.page("bare").json()["files"]
    assert (told["hashes"], told["size"]) == ({"sha256": sha256(BODY)}, len(BODY))
    assert call("GET", url).body == BODY


def test_a_file_without_a_digest_that_changes_in_the_middle_is_cut_off(mirror: Mirror) -> None:
    other = some(300_002)[:300_000]
    broken = reset(BODY[:200_000], len(BODY))
    url = mirror.offer("torn", BODY, in_turn(broken, file(other, '"other"')), hashes={})
    answer = whole_or_refused(url)
    assert answer is None or answer.status == 502
    mirror.assert_sound()
    assert sha256(BODY[:200_000] + other[200_000:]) not in str(mirror.registry.stored())


def test_a_file_that_is_replaced_upstream_is_another_here(mirror: Mirror) -> None:
    url = mirror.offer("replaced", BODY)
    assert call("GET", url).body == BODY
    mirror.assert_sound()
    before = mirror.metric("orbitalreg_recalled_files_total")
    url = mirror.offer("replaced", BODY[:-1])
    answer = call("GET", url)
    assert (answer.body, answer.headers["Etag"]) == (BODY[:-1], f'"{sha256(BODY[:-1])}"')
    assert "recalled" in mirror.registry.log.read_text()
    assert mirror.metric("orbitalreg_recalled_files_total") == before + 1


# --- documents --------------------------------------------------------------------------------------------------------


def test_metadata_that_is_offered_never_answers_404(mirror: Mirror) -> None:
    """Offered by digest or by a word, or not at all: an upstream without it costs a look into the wheel."""
    for number, offered in enumerate([True, False, None]):
        name = f"doc-{number}"
        _, wheel = make_wheel(name)
        facts = {} if offered is None else {"core-metadata": offered}
        url = mirror.offer(name, wheel, **facts)
        assert mirror.page(name).json()["files"][0]["core-metadata"] is True
        answer = call("GET", f"{url}.metadata")
        assert answer.status == 200 and f"Name: {name}".encode() in answer.body
        assert mirror.page(name).json()["files"][0]["core-metadata"] == {"sha256": sha256(answer.body)}


def test_metadata_of_another_digest_is_refused_and_never_kept(mirror: Mirror) -> None:
    _, wheel = make_wheel("doc-wrong")
    url = mirror.offer("doc-wrong", wheel, **{"core-metadata": {"sha256": sha256(b"right")}})
    path = "/files/doc_wrong-1.0-py3-none-any.whl.metadata"
    mirror.upstream.table[path] = reply(b"wrong")
    before = mirror.metric("orbitalreg_upstream_mismatches_total")
    assert call("GET", f"{url}.metadata").status == 502
    assert mirror.metric("orbitalreg_upstream_mismatches_total") == before + 1
    mirror.upstream.table[path] = reply(b"right")
    assert call("GET", f"{url}.metadata").body == b"right"


@pytest.mark.parametrize("said", [SIGN_IN, b"", b'{"message": "gone"}'], ids=["HTML", "nothing", "JSON"])
def test_what_is_no_metadata_is_not_kept_as_such(mirror: Mirror, said: bytes) -> None:
    """Where no digest is stated, a page to sign in with 200 would pass for the document; the wheel has it too."""
    name = f"doc-none-{len(said)}"
    _, wheel = make_wheel(name)
    url = mirror.offer(name, wheel, **{"core-metadata": True})
    mirror.upstream.table[f"/files/{name.replace('-', '_')}-1.0-py3-none-any.whl.metadata"] = reply(said)
    assert f"Name: {name}".encode() in call("GET", f"{url}.metadata").body


@pytest.mark.parametrize("ranges", [True, False])
def test_metadata_of_what_is_no_wheel_is_a_502(mirror: Mirror, ranges: bool) -> None:
    name = f"doc-none-{ranges}".lower()
    url = mirror.offer(name, BODY, None if ranges else reply(BODY))
    answer = call("GET", f"{url}.metadata")
    assert answer.status == 502 and "cannot be read" in answer.reason
