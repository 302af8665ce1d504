"""No upstream talks this server into asking another inside: the whole application, on a network that is played.

Its upstream is on loopback and configured. What the upstream names and redirects to is looked up and connected to by a
`Net`, and every connection of the process that is not to that upstream is noted before it could leave.
"""

import json
import socket
from collections.abc import Callable, Iterator
from functools import partial
from html import escape
from typing import Any

import pytest
from scripted_upstream import INNER_SPELLINGS, Net, ScriptedUpstream, cut_off, file, in_turn, redirect, reply

from orbitalreg import upstream as upstream_module
from orbitalreg.errors import UpstreamFailed

JSON = "application/vnd.pypi.simple.v1+json"
PUBLIC = "93.184.215.14"
ALL = "/pypi/acme/all"
BODY = bytes(range(256)) * 1024
SUFFIXES = ("", ".metadata", ".provenance")

REPOSITORIES = """
[projects.acme.repositories.mirror]
format = "pypi"
kind = "remote"
upstream = "{url}/simple/"
listing_ttl = "0s"
negative_ttl = "0s"

[projects.acme.repositories.all]
format = "pypi"
kind = "virtual"
members = ["mirror"]
"""


class Town:
    """The application with one remote and a virtual repository over it, and all that can be connected to."""

    def __init__(self, site: Any, server: ScriptedUpstream, net: Net, strays: list[Any]) -> None:
        self.site, self.server, self.net, self.strays = site, server, net, strays

    def tell(self, name: str, place: str, kind: str = "json") -> str:
        """Have the upstream name one wheel below `place`, with a provenance; its path here."""
        filename = f"{name}-1.0-py3-none-any.whl"
        url, provenance = f"{place}/{filename}", f"{place}/provenance"
        if kind == "json":
            told = {"filename": filename, "url": url, "hashes": {}, "size": len(BODY), "provenance": provenance}
            page = json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": [told]}).encode()
        else:
            meta = '<meta name="pypi:repository-version" content="1.0">'
            anchor = f'<a href="{escape(url)}" data-provenance="{escape(provenance)}">{filename}</a>'
            page = f"<!DOCTYPE html><html><head>{meta}</head><body>{anchor}</body></html>".encode()
        self.server.table[f"/simple/{name}/"] = reply(
            page, headers={"Content-Type": JSON if kind == "json" else "text/html"}
        )
        return f"{ALL}/files/{name}/{filename}"

    def get(self, path: str) -> Any:
        return self.site.get(path, Accept=JSON)

    def refused(self, path: str) -> str | None:
        """What is wrong with the answer, which is to be a 502 in plain words; None where it is one."""
        answer = self.get(path)
        plain = answer.status.startswith("502 ") and answer.status.isascii()
        return None if plain and b"secret" not in answer.content else f"{path}: {answer.status}"

    def assert_clean(self, *lookups: str) -> None:
        """Nothing was asked but the upstream, and nothing is kept but pages."""
        assert self.strays == []
        assert set(self.net.connected) <= {("127.0.0.1", self.server.port)}
        assert set(self.net.lookups) <= {"localhost", *lookups}
        assert self.site.blobs() == self.site.staged() == []
        assert [self.site.count(table) for table in ("file", "blob", "document", "remote_document")] == [0] * 4


@pytest.fixture
def town(make_site: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    strays: list[Any] = []
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    with ScriptedUpstream({"/secret": reply(b"secret")}) as server:

        def guarded_connect(self: socket.socket, address: Any) -> None:
            if address != ("127.0.0.1", server.port):
                strays.append(address)
                raise AssertionError(f"a connection to {address}")
            connect(self, address)

        def guarded_look_up(host: Any, *arguments: Any, **options: Any) -> Any:
            if host != "127.0.0.1":
                strays.append(host)
                raise AssertionError(f"a look-up of {host}")
            return look_up(host, *arguments, **options)

        net = Net({"localhost": [["127.0.0.1", "::1"]]}, {"127.0.0.1": server})
        monkeypatch.setattr(socket.socket, "connect", guarded_connect)
        monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)
        played = partial(upstream_module.Client, resolver=net.resolver, connector=net.connector)
        monkeypatch.setattr(upstream_module, "Client", played)
        yield Town(make_site(REPOSITORIES.format(url=server.origin)), server, net, strays)


def sent(host: str) -> str:
    """An address in a header, whose bytes are UTF-8."""
    return f"http://{host}/secret".encode().decode("latin-1")


@pytest.mark.parametrize("kind", ["json", "html"])
def test_a_page_that_names_files_inside(town: Town, kind: str) -> None:
    """A file whose address cannot be one is not shown; whatever else is shown cannot be had."""
    assert len(INNER_SPELLINGS) > 70
    wrong, shown = [], 0
    for number, host in enumerate(INNER_SPELLINGS):
        name = f"p{number}"
        path = town.tell(name, f"http://{host}", kind)
        files = town.get(f"{ALL}/simple/{name}/").json["files"]
        shown += len(files)
        for suffix in SUFFIXES:
            fault = town.refused(path + suffix) if files else None
            if fault or (not files and not town.get(path + suffix).status.startswith("404 ")):
                wrong.append((host, fault))
    assert wrong == []
    assert shown > 40, "most are addresses, and it is the vetting that is tried"
    town.assert_clean()


def test_files_that_redirect_inside(town: Town) -> None:
    wrong = []
    for number, host in enumerate(INNER_SPELLINGS):
        path = town.tell(f"p{number}", f"/away/{number}")
        for last in (path.rpartition("/")[2], path.rpartition("/")[2] + ".metadata", "provenance"):
            town.server.table[f"/away/{number}/{last}"] = redirect(sent(host))
        wrong += [(host, fault) for suffix in SUFFIXES if (fault := town.refused(path + suffix))]
    assert wrong == []
    town.assert_clean()


def test_pages_and_lists_that_redirect_inside(town: Town) -> None:
    wrong = []
    for number, host in enumerate(INNER_SPELLINGS):
        for path in (f"/simple/p{number}/", "/simple/"):
            town.server.table[path] = redirect(sent(host))
            wrong += [(host, fault) for fault in [town.refused(ALL + path)] if fault]
    assert wrong == []
    town.assert_clean()
    assert town.site.count("remote_page") == town.site.count("remote_names") == 0


@pytest.mark.parametrize("inner", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fd00::1"])
@pytest.mark.parametrize("when", ["first", "second", "among"])
def test_names_that_mean_an_inner_address(town: Town, inner: str, when: str) -> None:
    """Rebinding: a name is looked up for each connection, and what was looked at is what is connected to."""
    looked_up = {"first": [[inner]], "second": [[PUBLIC], [inner]], "among": [[PUBLIC, inner]]}[when]
    town.net.names = {"files.example": looked_up}
    town.net.servers = {**town.net.servers, PUBLIC: town.server, inner: town.server}
    whole = file(BODY, '"1"')
    path = town.tell("moving", "http://files.example")
    place = f"/{path.rpartition('/')[2]}"
    town.server.table[place] = in_turn(cut_off(BODY[:9000], len(BODY)), whole) if when == "second" else whole
    town.server.table |= {f"{place}.metadata": whole, "/provenance": whole}
    if when == "second":  # the first connection breaks off, and the file is gone on with
        with pytest.raises(UpstreamFailed, match="not public"):
            town.get(path)
        assert town.net.connected[-1] == (PUBLIC, 80)
        town.net.connected = [place for place in town.net.connected if place != (PUBLIC, 80)]
    for suffix in SUFFIXES:
        assert town.refused(path + suffix) is None
    assert town.net.connected.count(("127.0.0.1", 80)) == 0
    town.assert_clean("files.example")
