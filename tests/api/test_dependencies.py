"""What versions bring along, who asks for what, and who is hit, over the API."""

import time
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from orbitalreg import errors
from orbitalreg.model import Address, Severity

from ..graphed import LINUX, put, vulnerability
from .conftest import ROOT, TOYS

NODES = {
    ("kite", "1", ""): [("ball<2", "ball", "1", "")],
    ("ball", "1", ""): [],
    ("box", "1", ""): [("kite", "kite", "1", ""), ("gone", "gone", None, "")],
}
CVE = vulnerability("CVE-2020-1", "ball", "1", Severity.HIGH, "GHSA-aaaa-bbbb-cccc", fixed_in="2")


@pytest.fixture
def graphed(api: Any) -> Any:
    for name in ("ball@1", "kite@1", "box@1"):
        assert api.site.put(f"{name}.toy").status_code == 200
    with api.site.registry.catalog.write() as db:
        put(db, api.site.repository().id, NODES, [CVE])
    return api


def test_the_graph_of_a_version_is_nodes_and_edges(graphed: Any) -> None:
    told = graphed.get(f"{TOYS}/packages/Box/versions/1/graph")
    assert (told["repository"], told["package"], told["version"], told["environments"]) == (
        "acme/toys",
        "box",
        "1",
        [LINUX],
    )
    assert [(node["package"], node["depth"], node["exposed"]) for node in told["nodes"]] == [
        ("box", 0, "high"),
        ("kite", 1, "high"),
        ("ball", 2, None),
    ]
    assert [one["ids"] for one in told["nodes"][2]["findings"]] == [["CVE-2020-1", "GHSA-aaaa-bbbb-cccc"]]
    assert [(edge["source"], edge["target"], edge["stated"], edge["reason"]) for edge in told["edges"]] == [
        (0, None, "gone", "missing"),
        (0, 1, "kite", None),
        (1, 2, "ball<2", None),
    ]
    assert (told["worst"], told["left_out"]) == ([1, 2], 0)
    cut = graphed.get(f"{TOYS}/packages/box/versions/1/graph", depth=1)
    assert (len(cut["nodes"]), cut["left_out"]) == (2, 1)
    assert len(graphed.get(f"{TOYS}/packages/box/versions/1/graph", limit=1)["nodes"]) == 1


def test_a_picture_is_shown_and_can_do_nothing(graphed: Any) -> None:
    answer = graphed("GET", f"{TOYS}/packages/box/versions/1/graph", params={"format": "svg"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "Content-Disposition" not in answer.headers
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "style-src 'unsafe-inline'", "frame-ancestors 'none'", "sandbox"} <= set(policy)
    assert ElementTree.fromstring(answer.text).attrib["role"] == "img"


def test_dot_is_for_graphviz(graphed: Any) -> None:
    answer = graphed("GET", f"{TOYS}/packages/box/versions/1/graph", params={"format": "dot"})
    assert answer.headers["Content-Type"] == "text/vnd.graphviz"
    assert answer.text.startswith("digraph {\n")


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("packages/box/versions/9/graph", {}, 404),
        ("packages/absent/versions/1/graph", {}, 404),
        ("packages/box/versions/1/graph", {"format": "png"}, 400),
        ("packages/box/versions/1/graph", {"environment": "moon"}, 404),
        ("packages/box/versions/1/graph", {"environment": "ToyBox"}, 404),
        ("packages/box/versions/1/graph", {"depth": "0"}, 422),
        ("packages/absent/dependents", {}, 404),
        ("packages/ball/dependents", {"version": "?"}, 404),
        ("packages/ball/dependents", {"cursor": "WzFd"}, 422),
        ("affected", {}, 422),
        ("affected", {"vulnerability": "CVE-2020-1", "cursor": "e30"}, 422),
        ("affected/downloads", {"vulnerability": "CVE-2020-1", "days": "0"}, 422),
    ],
)
def test_what_cannot_be_told_is_refused(path: str, query: dict[str, str], status: int, graphed: Any) -> None:
    answer = graphed("GET", f"{TOYS}/{path}", params=query)
    assert answer.status_code == status, answer.text


def test_dependents_are_listed_in_parts(graphed: Any) -> None:
    assert [one["package"] for one in graphed.get(f"{TOYS}/packages/ball/dependents")["items"]] == ["kite"]
    told = graphed.get(f"{TOYS}/packages/ball/dependents", transitive="true", version="1", limit=1)
    assert [(one["package"], len(one["path"]), one["is_held"]) for one in told["items"]] == [("box", 2, True)]
    assert graphed.names(f"{TOYS}/packages/ball/dependents", "package", transitive="true", limit=1) == ["box", "kite"]
    assert graphed.get(f"{TOYS}/packages/ball/dependents", version="2")["items"] == []


def test_affected_are_listed_in_parts_by_any_id(graphed: Any) -> None:
    told = graphed.get(f"{TOYS}/affected", vulnerability="ghsa-AAAA-bbbb-cccc")
    assert [(one["package"], [hop["package"] for hop in one["path"]]) for one in told["items"]] == [
        ("ball", []),
        ("box", ["kite", "ball"]),
        ("kite", ["ball"]),
    ]
    names = graphed.names(f"{TOYS}/affected", "package", vulnerability="CVE-2020-1", limit=1)
    assert names == ["ball", "box", "kite"]
    assert graphed.get(f"{TOYS}/affected", vulnerability="CVE-1")["items"] == []


def test_only_what_one_may_read_is_told(graphed: Any) -> None:
    token = graphed.site.token("acme/toys/k*:read", "acme/toys/ball:read")
    names = graphed.names(f"{TOYS}/affected", "package", token, vulnerability="CVE-2020-1")
    assert names == ["ball", "kite"]
    names = graphed.names(f"{TOYS}/packages/ball/dependents", "package", token, transitive="true")
    assert names == ["kite"]
    assert graphed("GET", f"{TOYS}/packages/box/versions/1/graph", token=token).status_code == 404
    assert graphed("GET", f"{TOYS}/packages/box/dependents", token=token).status_code == 404


def test_who_fetched_is_told_to_maintainers_of_the_package_alone(graphed: Any) -> None:
    for path in ("ball/ball@1.toy", "box/box@1.toy", "kite/kite@1.toy"):
        assert graphed.site.get(f"/toy/acme/toys/get/{path}").status_code == 200
    graphed.site.registry.usage.flush()
    path = f"{TOYS}/affected/downloads"
    query = {"vulnerability": "CVE-2020-1", "limit": 1}
    assert graphed.names(path, "package", **query) == ["ball", "box", "kite"]
    some = graphed.site.token("acme/toys/b*:maintain", "acme/toys:read")
    assert graphed.names(path, "package", some, **query) == ["ball", "box"]
    reader = graphed.site.token("acme:read")
    assert graphed("GET", path, token=reader, params=query).status_code == 403
    assert graphed("GET", path, token=None, params=query).status_code == 401
    assert graphed("GET", f"{ROOT}/projects/acme/repositories/nowhere/affected", params=query).status_code == 404


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize(
    "command",
    [
        ("graph", "acme/toys/ball==1"),
        ("graph", "acme/toys/BALL"),
        ("dependents", "acme/toys/kite"),
        ("dependents", "acme/toys/box", "--transitive"),
        ("affected", "CVE-1"),
        ("affected", "CVE-1", "--repo", "acme/toys"),
    ],
    ids=" ".join,
)
def test_commands_say_through_a_server_what_they_say_on_the_data(
    command: tuple[str, ...],
    more: tuple[str, ...],
    served: Any,
    cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a graph that the server itself has made of what was uploaded."""
    served.put("kite@1.toy")
    served.put("box@1.toy")
    served.put("ball@1.toy", b"needs: kite box")
    monkeypatch.setenv("ORBITALREG_TOKEN", served.keeper)
    built(served)
    local, through = served.local(*command, *more), cli(*command, *more, "--server", served.url)
    assert (through.exit_code, through.stdout, through.stderr) == (0, local.stdout, local.stderr)


def built(served: Any) -> None:
    """Until the server has read what was uploaded last."""
    end = time.monotonic() + 30
    with served.client() as client:
        while True:
            try:
                if len(client.graph(Address("acme", "toys"), "ball", "1").nodes) == 3:
                    return
            except errors.NotFound:
                pass
            assert time.monotonic() < end
            time.sleep(0.05)
