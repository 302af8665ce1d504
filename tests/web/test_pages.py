"""Package pages and lists of names: conditional, compressed, kept, and never out of date."""

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import orbitalreg_toy
import pytest

from orbitalreg.errors import NotFound
from orbitalreg.model import Status, StatusName
from orbitalreg.web.pages import Page, PageCache

PAGE = "/toy/acme/toys/of/ball/"
NAMES = "/toy/acme/toys/names/"


@pytest.fixture
def stocked(site: Any) -> Any:
    """A page and a list that are large enough to be compressed."""
    site.put("ball@1.toy", X_Note="round " * 200)
    for number in range(16):
        site.put(f"kite-with-quite-a-long-name-indeed-{number}@1.toy")
    return site


@pytest.fixture(params=[PAGE, NAMES])
def path(request: Any) -> str:
    return str(request.param)


def test_a_page_is_what_the_adapter_renders(stocked: Any) -> None:
    answer = stocked.get(PAGE)
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json) == ["ball@1.toy"]


def test_a_page_has_its_length(path: str, stocked: Any) -> None:
    answer = stocked.get(path)
    assert int(answer.headers["Content-Length"]) == len(answer.content) > 0


def test_head_has_the_headers_of_get_and_no_body(path: str, stocked: Any) -> None:
    get, head = stocked.get(path), stocked.request("HEAD", path)
    own = {"x-request-id"}
    assert head.content == b""
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in get.headers.items() if k not in own
    }


def test_a_page_for_a_token_is_private_and_varies_by_it(path: str, stocked: Any) -> None:
    headers = stocked.get(path).headers
    assert headers["Cache-Control"] == "private, max-age=0, must-revalidate"
    assert headers["Vary"] == "Accept, Accept-Encoding, Authorization"


def test_a_page_for_everybody_is_not_private(site: Any) -> None:
    site.put("ball@1.toy", to="/toy/acme/open")
    headers = site.get("/toy/acme/open/of/ball/", None).headers
    assert headers["Cache-Control"] == "max-age=0, must-revalidate"
    assert headers["Vary"] == "Accept, Accept-Encoding"


def test_a_known_tag_is_answered_with_304(path: str, stocked: Any) -> None:
    tag = stocked.get(path).headers["ETag"]
    answer = stocked.get(path, If_None_Match=tag)
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)
    assert "Content-Type" not in answer.headers
    assert {"cache-control", "vary", "etag"} <= set(answer.headers)


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', '{} , "x"', "*"])
def test_a_tag_is_found_in_any_list(form: str, stocked: Any) -> None:
    tag = stocked.get(PAGE).headers["ETag"]
    assert stocked.get(PAGE, If_None_Match=form.format(tag)).status_code == 304


@pytest.mark.parametrize("form", ['"other"', 'W/"other"', "nonsense", '""', ""])
def test_another_tag_is_answered_with_the_page(form: str, stocked: Any) -> None:
    assert stocked.get(PAGE, If_None_Match=form).status_code == 200


def test_a_page_is_compressed_where_gzip_is_welcome(path: str, stocked: Any) -> None:
    plain, packed = stocked.get(path), stocked.get(path, Accept_Encoding="br, gzip;q=0.5")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) == len(packed.content) < len(plain.content)
    assert gzip.decompress(packed.content) == plain.content
    assert "Content-Encoding" not in plain.headers


@pytest.mark.parametrize("encodings", ["identity", "br", "gzip;q=0", "gzip; q=0.000", "", "deflate, x-other"])
def test_a_page_is_plain_where_gzip_is_not_welcome(encodings: str, stocked: Any) -> None:
    assert "Content-Encoding" not in stocked.get(PAGE, Accept_Encoding=encodings).headers


def test_a_small_page_is_not_compressed(site: Any) -> None:
    site.put("ball@1.toy")
    assert "Content-Encoding" not in site.get(PAGE, Accept_Encoding="gzip").headers


def test_the_two_encodings_have_different_tags_and_either_is_known(stocked: Any) -> None:
    tags = [stocked.get(PAGE).headers["ETag"], stocked.get(PAGE, Accept_Encoding="gzip").headers["ETag"]]
    assert tags[0] != tags[1]
    for tag in tags:
        assert stocked.get(PAGE, Accept_Encoding="gzip", If_None_Match=tag).status_code == 304
        assert stocked.get(PAGE, If_None_Match=tag).status_code == 304


def test_a_large_page_comes_whole_in_both_encodings(site: Any) -> None:
    note = os.urandom(60_000).hex()
    site.put("ball@1.toy", X_Note=note)
    plain, packed = site.get(PAGE), site.get(PAGE, Accept_Encoding="gzip")
    assert plain.json["ball@1.toy"][2] == {"note": note}
    assert int(plain.headers["Content-Length"]) == len(plain.content)
    assert int(packed.headers["Content-Length"]) == len(packed.content)
    assert gzip.decompress(packed.content) == plain.content


def test_a_page_is_rendered_once_for_each_revision(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = []
    render = orbitalreg_toy._page
    monkeypatch.setattr(orbitalreg_toy, "_page", lambda listing: rendered.append(listing.revision) or render(listing))
    site.put("ball@1.toy")
    for _ in range(3):
        site.get(PAGE)
    site.put("ball@2.toy")
    site.get(PAGE)
    assert len(rendered) == len(set(rendered)) == 2


def yank(site: Any) -> None:
    site.registry.curator.yank(site.repository(), "ball", "1", "leaks", site.actor)


def unyank(site: Any) -> None:
    site.registry.curator.unyank(site.repository(), "ball", "1", site.actor)


def delete(site: Any) -> None:
    site.registry.curator.delete(site.repository(), "ball", "1", "ball@1.toy", site.actor)


def quarantine(site: Any) -> None:
    site.registry.curator.set_status(site.repository(), "ball", Status(StatusName.QUARANTINED, "bad"), site.actor)


def upload(site: Any) -> None:
    site.put("ball@3.toy")


@pytest.mark.parametrize("change", [yank, unyank, delete, quarantine, upload])
def test_a_change_is_on_the_very_next_page_with_another_tag(change: Callable[[Any], None], site: Any) -> None:
    site.put("ball@1.toy")
    site.put("ball@2.toy")
    if change is unyank:
        yank(site)
    before = site.get(PAGE)
    change(site)
    after = site.get(PAGE, If_None_Match=before.headers["ETag"])
    assert after.status_code == 200
    assert after.json != before.json


def test_a_yank_shows_its_reason_and_the_file_stays(site: Any) -> None:
    site.put("ball@1.toy")
    yank(site)
    assert site.page()["ball@1.toy"][1] == "leaks"
    assert site.get("/toy/acme/toys/get/ball/ball@1.toy").status_code == 200


def test_a_yank_is_of_one_version(site: Any) -> None:
    site.put("ball@1.toy")
    site.put("ball@2.toy")
    yank(site)
    assert {name: value[1] for name, value in site.page().items()} == {"ball@1.toy": "leaks", "ball@2.toy": None}


def test_a_quarantined_package_has_a_page_and_offers_no_files(site: Any) -> None:
    site.put("ball@1.toy")
    quarantine(site)
    assert site.get(PAGE).json == {}
    assert site.get("/toy/acme/toys/get/ball/ball@1.toy").status_code == 404
    assert site.get("/toy/acme/toys/get/ball/ball@1.toy.head").status_code == 404
    assert site.get(NAMES).text == "ball\n"


def test_an_archived_package_offers_its_files(site: Any) -> None:
    site.put("ball@1.toy")
    site.registry.curator.set_status(site.repository(), "ball", Status(StatusName.ARCHIVED), site.actor)
    assert list(site.page()) == ["ball@1.toy"]
    assert site.get("/toy/acme/toys/get/ball/ball@1.toy").status_code == 200


@pytest.mark.parametrize("call", [yank, delete, unyank])
def test_a_change_to_what_is_not_there_is_not_found_and_changes_nothing(call: Any, site: Any) -> None:
    before = site.count("audit_entry")
    with pytest.raises(NotFound, match="acme/toys/ball==1 is not here"):
        call(site)
    assert site.count("audit_entry") == before


@pytest.mark.parametrize(
    ("change", "action"),
    [(yank, "version.yank"), (unyank, "version.unyank"), (delete, "file.delete"), (quarantine, "package.status")],
)
def test_a_change_is_in_the_audit_log(change: Callable[[Any], None], action: str, site: Any) -> None:
    site.put("ball@1.toy")
    change(site)
    rows = site.registry.catalog.read().execute(
        "SELECT actor, action, target FROM audit_entry ORDER BY id DESC LIMIT 1"
    )
    [(actor, found, target)] = rows.fetchall()
    assert (actor, found) == ("local:test", action)
    assert target.startswith("acme/toys/ball")


def test_a_change_and_its_audit_entry_are_rolled_back_together(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    site.put("ball@1.toy")
    before = (site.page(), site.count("audit_entry"))

    def fail(*arguments: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("orbitalreg.catalog.audit_entries.insert", fail)
        with pytest.raises(RuntimeError):
            yank(site)
    assert (site.page(), site.count("audit_entry")) == before


def test_two_sites_on_one_folder_show_the_same(make_site: Callable[..., Any]) -> None:
    one, two = make_site(), make_site()
    for number in range(5):
        one.put(f"ball@{number}.toy")
        assert f"ball@{number}.toy" in two.page()
    two.registry.curator.yank(two.repository(), "ball", "1", "", two.actor)
    assert one.page()["ball@1.toy"][1] == ""


def test_a_change_by_another_process_is_on_the_very_next_page(site: Any) -> None:
    site.put("ball@1.toy")
    assert site.page()["ball@1.toy"][1] is None
    command = [sys.executable, "-m", "orbitalreg", "yank", "acme/toys/ball==1", "--reason", "leaks"]
    subprocess.run([*command, "--config", str(site.data.parent / "orbitalreg.toml")], check=True, capture_output=True)
    assert site.page()["ball@1.toy"][1] == "leaks"


def page(size: int) -> Page:
    return Page(bytes(size), "text/plain")


def test_the_cache_holds_no_more_bytes_than_its_limit() -> None:
    cache = PageCache(limit=10_000)
    for number in range(100):
        cache.put((str(number), "x"), page(1000))
    kept = [number for number in range(100) if cache.get((str(number), "x"))]
    assert 0 < len(kept) * 1000 <= 10_000
    assert kept == list(range(kept[0], 100))


def test_the_cache_forgets_first_what_was_not_asked_for() -> None:
    cache = PageCache(limit=10_000)
    for number in range(20):
        cache.put((str(number), "x"), page(1000))
        cache.get(("0", "x"))
    assert cache.get(("0", "x")) is not None
    assert cache.get(("1", "x")) is None


def test_the_cache_does_not_empty_itself_for_one_large_page() -> None:
    cache = PageCache(limit=10_000)
    small = cache.put(("small", "x"), page(100))
    large = page(9000)
    assert cache.put(("large", "x"), large) is large
    assert cache.get(("small", "x")) is small
    assert cache.get(("large", "x")) is None


def test_a_page_put_twice_counts_once() -> None:
    cache = PageCache(limit=10_000)
    first = cache.put(("first", "x"), page(1000))
    for _ in range(50):
        cache.put(("again", "x"), page(1000))
    assert cache.get(("first", "x")) is first


def test_the_same_bytes_as_another_type_have_another_tag() -> None:
    assert Page(b"x", "text/plain").etag(False) != Page(b"x", "text/html").etag(False)


def test_a_detail_page_has_documents_and_the_address_it_was_asked_at(site: Any) -> None:
    site.put("ball@1.toy", b"needs: air\nround")
    answer = site.get("/toy/acme/toys/about/ball")
    assert answer.text == "http://falconframework.org/toy/acme/toys/get/ball/ball@1.toy b'needs: air'\n"
    assert site.get("/toy/acme/toys/about/nothing").status_code == 404
