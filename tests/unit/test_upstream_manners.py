"""Where a request goes, what it carries, and how often: redirects, credentials, proxies, connections, pauses, forks."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from scripted_upstream import (
    Net,
    ScriptedUpstream,
    file,
    in_turn,
    later,
    redirect,
    reply,
    reset,
    stall,
    status,
    tunnel,
    within,
)

from orbitalreg.errors import UpstreamFailed
from orbitalreg.upstream import Client, Origin, Upstream
from orbitalreg.upstream.pool import PLACES

FORKS = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # that it works is what is tested
PUBLIC, OTHER, PUBLIC_6 = "93.184.215.14", "93.184.215.15", "2606:4700::1"


@pytest.fixture
def server() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream({"/": file(b"words")}) as server:
        yield server


@pytest.fixture
def other() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream({"/": file(b"elsewhere")}) as other:
        yield other


@pytest.fixture
def net(server: ScriptedUpstream, other: ScriptedUpstream) -> Net:
    names = {"mirror.example": [[PUBLIC]], "files.example": [[OTHER]], "inside.example": [["10.0.0.1"]]}
    return Net(names, {PUBLIC: server, OTHER: other, "10.0.0.1": other})


@pytest.fixture
def make(net: Net) -> Iterator[Callable[..., Client]]:
    """Clients on `net`, or on another, that are closed at the end."""
    with ExitStack() as stack:

        def make(*configured: str, over: Net = net, **more: Any) -> Client:
            origins = [Origin.parse(text) for text in configured]
            return stack.enter_context(Client(origins, resolver=over.resolver, connector=over.connector, **more))

        yield make


@pytest.fixture
def client(make: Callable[..., Client]) -> Client:
    return make()


MIRROR = Upstream("http://mirror.example/")


def fetched(client: Client, url: str = "/", upstream: Upstream = MIRROR) -> bytes:
    return client.fetch(upstream, url, max_bytes=100).body


# What was vetted is what is used.


def test_the_connection_goes_to_the_address_and_the_request_to_the_name(
    client: Client, server: ScriptedUpstream, net: Net
) -> None:
    assert fetched(client) == b"words"
    assert net.connected == [(PUBLIC, 80)]
    assert server.requests[0].headers["host"] == "mirror.example"


def test_a_name_that_changes_its_address_meanwhile_changes_nothing(
    server: ScriptedUpstream, make: Callable[..., Client]
) -> None:
    net = Net({"files.example": [[PUBLIC], ["127.0.0.1"]]}, {PUBLIC: server})
    client = make(over=net)
    server.table["/"] = reply(b"words", headers={"Connection": "close"})
    assert fetched(client, "http://files.example/") == b"words"
    assert net.lookups == ["files.example"]
    with pytest.raises(UpstreamFailed, match="not public"):
        fetched(client, "http://files.example/")
    assert net.connected == [(PUBLIC, 80)]


def test_what_is_configured_may_stand_anywhere(make: Callable[..., Client]) -> None:
    inside = "http://inside.example"
    for client, upstream in ((make(inside), MIRROR), (make(), Upstream(inside))):
        assert fetched(client, "http://inside.example/", upstream) == b"elsewhere"
    for url in ("http://inside.example:8080/", "http://10.0.0.1/"):
        with pytest.raises(UpstreamFailed, match="not public"):
            fetched(make(inside), url)


def test_a_connection_to_what_one_upstream_may_reach_is_not_anothers(client: Client, other: ScriptedUpstream) -> None:
    assert fetched(client, "/", Upstream("http://inside.example/")) == b"elsewhere"
    with pytest.raises(UpstreamFailed, match="not public"):
        fetched(client, "http://inside.example/")
    assert len(other.requests) == 1


def test_an_address_that_does_not_answer_gives_way_to_the_next(
    server: ScriptedUpstream, make: Callable[..., Client]
) -> None:
    net = Net({"mirror.example": [[PUBLIC_6, PUBLIC]]}, {PUBLIC: server})
    assert fetched(make(over=net)) == b"words"
    assert net.connected == [(PUBLIC_6, 80), (PUBLIC, 80)]


def test_tls_speaks_of_the_name(tmp_path: Path, make: Callable[..., Client]) -> None:
    pytest.importorskip("trustme")
    from scripted_upstream import Authority

    authority = Authority(tmp_path)
    with ScriptedUpstream({"/": file(b"words")}, authority.tls("mirror.example")) as server:
        net = Net({"mirror.example": [[PUBLIC]], "files.example": [[PUBLIC]]}, {PUBLIC: server})
        client = make(over=net)
        upstream = Upstream("https://mirror.example./", ca_bundle=authority.bundle)
        assert fetched(client, "/", upstream) == b"words"
        assert (server.requests[0].server_name, server.requests[0].headers["host"]) == ("mirror.example",) * 2
        with pytest.raises(UpstreamFailed, match="not trusted"):
            fetched(client, "https://files.example/", upstream)
        client.close()


# Redirects.


def test_a_redirect_is_followed_and_told(client: Client, server: ScriptedUpstream) -> None:
    server.table |= {"/a": redirect("b?x=1", 301), "/b": redirect("http://files.example/", 307)}
    answer = client.fetch(MIRROR, "/a", max_bytes=100)
    assert (answer.body, answer.url) == (b"elsewhere", "http://files.example/")
    with client.stream(MIRROR, "/a") as stream:
        assert (b"".join(stream), stream.url) == (b"elsewhere", "http://files.example/")
    assert [request.target for request in server.requests] == ["/a", "/b?x=1"] * 2


def test_bytes_beyond_ascii_in_a_redirect_are_kept(client: Client, server: ScriptedUpstream) -> None:
    server.table |= {"/a": redirect("/é".encode().decode("latin-1")), "/%C3%A9": file(b"accent")}
    assert fetched(client, "/a") == b"accent"


def test_five_redirects_are_enough(client: Client, server: ScriptedUpstream) -> None:
    server.table |= {f"/{step}": redirect(f"/{step + 1}") for step in range(9)} | {"/6": file(b"end")}
    assert fetched(client, "/1") == b"end"
    with pytest.raises(UpstreamFailed, match="redirects too often"):
        fetched(client, "/0")
    server.table |= {"/1": redirect("/2"), "/2": redirect("/1")}
    with pytest.raises(UpstreamFailed, match="in a circle"):
        fetched(client, "/1")


@pytest.mark.parametrize(
    "target", ["http://inside.example/", "http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/x"]
)
def test_a_redirect_leads_to_no_inner_address(client: Client, server: ScriptedUpstream, net: Net, target: str) -> None:
    server.table["/a"] = redirect(target)
    with pytest.raises(UpstreamFailed, match="not public"):
        fetched(client, "/a")
    assert net.connected == [(PUBLIC, 80)]


def test_tls_is_not_given_up(tmp_path: Path, other: ScriptedUpstream, make: Callable[..., Client]) -> None:
    pytest.importorskip("trustme")
    from scripted_upstream import Authority

    authority = Authority(tmp_path)
    table = {"/a": redirect("http://files.example/"), "/b": redirect("http://mirror.example/")}
    other.table["/c"] = redirect("http://third.example/")
    with ScriptedUpstream(table, authority.tls("mirror.example")) as server:
        net = Net({"mirror.example": [[PUBLIC]], "files.example": [[OTHER]]}, {PUBLIC: server, OTHER: other})
        upstream = Upstream("https://mirror.example/", ca_bundle=authority.bundle)
        for url in ("/a", "/b", "http://files.example/"):
            with pytest.raises(UpstreamFailed, match="without TLS"):
                fetched(make(over=net), url, upstream)
        assert other.requests == []
        allowed = make("http://files.example", over=net)
        assert fetched(allowed, "/a", upstream) == b"elsewhere"
        with pytest.raises(UpstreamFailed, match="without TLS"):
            fetched(allowed, "http://files.example/c", upstream)


# Credentials.


@pytest.mark.parametrize(
    ("upstream", "sent"),
    [
        (Upstream("http://mirror.example/", username="ann", password="pâss"), "Basic YW5uOnDDonNz"),
        (Upstream("http://mirror.example/", token="secret"), "Bearer secret"),
        (MIRROR, None),
    ],
)
def test_credentials_go_to_the_upstreams_own_origin_alone(
    client: Client, server: ScriptedUpstream, other: ScriptedUpstream, upstream: Upstream, sent: str | None
) -> None:
    server.table["/away"] = redirect("http://files.example/back")
    other.table["/back"] = redirect("http://mirror.example/")
    assert fetched(client, "/away", upstream) == b"words"
    assert fetched(client, "http://files.example/", upstream) == b"elsewhere"
    server.table["/port"] = redirect("http://mirror.example:8080/")
    assert fetched(client, "/port", upstream) == b"words"
    assert [request.headers.get("authorization") for request in other.requests] == [None, None]
    assert [request.headers.get("authorization") for request in server.requests] == [sent, sent, sent, None]


@pytest.mark.parametrize("code", [401, 403])
def test_refused_credentials_are_told_and_not_shown(client: Client, server: ScriptedUpstream, code: int) -> None:
    server.table["/"] = status(code)
    with pytest.raises(UpstreamFailed, match=r"^the upstream http://mirror.example refused the credentials") as failure:
        fetched(client, "/", Upstream("http://mirror.example/", token="hunter2"))
    assert "hunter2" not in str(failure.value)


def test_the_environment_sends_nobody_through_a_proxy(
    client: Client, server: ScriptedUpstream, net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert fetched(client) == b"words"
    assert net.connected == [(PUBLIC, 80)]


# Proxies.


def test_a_proxy_is_asked_for_http(server: ScriptedUpstream, other: ScriptedUpstream) -> None:
    other.table["*"] = file(b"by proxy")
    upstream = Upstream(
        "http://mirror.example:8080/", token="t", proxy=other.origin, proxy_username="p", proxy_password="q"
    )
    with Client() as client:
        assert fetched(client, "/x?y", upstream) == b"by proxy"
    (request,) = other.requests
    assert (request.target, request.headers["host"]) == ("http://mirror.example:8080/x?y", "mirror.example:8080")
    assert (request.headers["proxy-authorization"], request.headers["authorization"]) == ("Basic cDpx", "Bearer t")


def test_a_proxy_carries_tls(tmp_path: Path, other: ScriptedUpstream) -> None:
    pytest.importorskip("trustme")
    from scripted_upstream import Authority

    authority = Authority(tmp_path)
    with ScriptedUpstream({"/": file(b"words")}, authority.tls("mirror.example")) as server, Client() as client:
        other.table["*"] = tunnel({"mirror.example:443": server})
        upstream = Upstream(
            "https://mirror.example/",
            ca_bundle=authority.bundle,
            token="t",
            proxy=other.origin,
            proxy_username="p",
            proxy_password="q",
        )
        assert fetched(client, "/", upstream) == b"words"
        assert fetched(client, "/", upstream) == b"words"
        (request,) = other.requests
        assert (request.method, request.target) == ("CONNECT", "mirror.example:443")
        assert request.headers["proxy-authorization"] == "Basic cDpx" and "authorization" not in request.headers
        assert "proxy-authorization" not in server.requests[0].headers
        with pytest.raises(UpstreamFailed, match="the proxy answered 403"):
            fetched(client, "https://files.example/", upstream)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "metadata", "db.internal", "printer.local", "10.1.2.3"]
)
def test_a_proxy_is_not_asked_for_inner_names(other: ScriptedUpstream, host: str) -> None:
    upstream = Upstream("http://mirror.example/", proxy=other.origin)
    with Client() as client, pytest.raises(UpstreamFailed, match="not public"):
        fetched(client, f"http://{host}/", upstream)
    assert other.requests == []


# Connections.


def test_a_connection_is_used_again(client: Client, server: ScriptedUpstream, net: Net) -> None:
    server.table["/gone"] = status(404)
    server.table["/kept"] = file(b"words", '"1"')
    for _ in range(3):
        fetched(client)
        fetched(client, "/gone")
        assert client.fetch(MIRROR, "/kept", max_bytes=9, etag='"1"').status == 304
        with client.stream(MIRROR, "/") as stream:
            list(stream)
    assert server.connections() == 1 and net.lookups == ["mirror.example"]


def test_a_connection_that_the_server_closed_is_no_failure(client: Client, server: ScriptedUpstream) -> None:
    for _ in range(3):
        assert fetched(client) == b"words"
        server.hang_up()
    server.table["/"] = in_turn(file(b"words"), reset(), file(b"again"))
    assert fetched(client) == b"words"
    assert fetched(client) == b"again"


def test_a_stream_that_is_left_early_does_not_spoil_the_next_answer(client: Client, server: ScriptedUpstream) -> None:
    server.table["/big"] = file(bytes(1_000_000))
    with client.stream(MIRROR, "/big") as stream:
        next(iter(stream))
    assert within(10, lambda: server.open() == 0)
    assert fetched(client) == b"words"
    assert server.connections() == 2


def test_not_more_than_so_many_connections_are_open(server: ScriptedUpstream, make: Callable[..., Client]) -> None:
    client = make(connections=3)
    server.table["/slow"] = later(0.03, reply(b"words"))
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: fetched(client, "/slow"), range(24)))
    assert answers == [b"words"] * 24
    assert server.most_at_once <= 3 and server.connections() <= 3


def test_streams_leave_room_for_others(server: ScriptedUpstream, make: Callable[..., Client]) -> None:
    client = make(connections=4)
    server.table["/file"] = stall(b"half")
    impatient = Upstream("http://mirror.example/", total_seconds=0.2)
    streams = [client.stream(MIRROR, "/file") for _ in range(3)]
    for stream in streams:
        stream.__enter__()
    with pytest.raises(UpstreamFailed, match="as many requests under way"), client.stream(impatient, "/file"):
        pass
    assert fetched(client) == b"words"
    for stream in streams:
        stream.__exit__(None, None, None)


def test_hosts_that_an_upstream_names_are_forgotten(server: ScriptedUpstream, make: Callable[..., Client]) -> None:
    count = PLACES + 20
    net = Net({f"h{number}.example": [[PUBLIC]] for number in range(count)}, {PUBLIC: server})
    client = make(over=net)
    for number in range(count):
        fetched(client, f"http://h{number}.example/")
    assert within(10, lambda: server.open() <= PLACES)
    fetched(client, f"http://h{count - 1}.example/")
    assert server.connections() == count
    client.close()
    assert within(10, lambda: server.open() == 0)


# Pauses.


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def patient(make: Callable[..., Client], clock: Clock) -> Client:
    return make(clock=clock, failures=3, pause=5.0)


def failures(client: Client, count: int) -> list[str]:
    said = []
    for _ in range(count):
        with pytest.raises(UpstreamFailed) as failure:
            fetched(client)
        said.append(str(failure.value).removeprefix("the upstream http://mirror.example "))
    return said


ALONE = "failed several times and is left alone for a moment"


def test_a_dead_server_is_left_alone_for_a_moment(patient: Client, server: ScriptedUpstream, clock: Clock) -> None:
    server.table["/"] = reset()
    assert failures(patient, 5) == ["broke off the connection"] * 3 + [ALONE] * 2
    assert len(server.requests) == 3
    with pytest.raises(UpstreamFailed) as failure:
        fetched(patient)
    assert failure.value.retry_after == 5.0
    assert fetched(patient, "http://files.example/") == b"elsewhere"


def test_after_the_pause_one_asks_and_the_others_wait_for_it(
    patient: Client, server: ScriptedUpstream, clock: Clock
) -> None:
    server.table["/"] = reset()
    failures(patient, 3)
    clock.now += 5.1
    assert failures(patient, 3) == ["broke off the connection", ALONE, ALONE]
    clock.now += 5.1
    server.table["/"] = file(b"words")
    assert [fetched(patient) for _ in range(3)] == [b"words"] * 3
    server.table["/"] = reset()
    assert failures(patient, 3) == ["broke off the connection"] * 3


def test_while_one_asks_the_others_are_not_kept_waiting(
    patient: Client, server: ScriptedUpstream, clock: Clock
) -> None:
    server.table["/"] = reset()
    failures(patient, 3)
    clock.now += 5.1
    server.table["/slow"] = later(0.3, file(b"words"))
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(fetched, patient, "/slow")
        assert within(10, lambda: "/slow" in server.paths())
        assert failures(patient, 2) == [ALONE] * 2
        assert first.result() == b"words"


def test_an_overloaded_server_names_its_pause(patient: Client, server: ScriptedUpstream, clock: Clock) -> None:
    server.table["/"] = status(503, {"Retry-After": "30"})
    failures(patient, 3)
    clock.now += 20
    assert failures(patient, 1) == [ALONE]
    clock.now += 11
    server.table["/"] = status(429, {"Retry-After": "100000"})
    failures(patient, 1)
    server.table["/"] = file(b"words")
    clock.now += 61
    assert fetched(patient) == b"words"


@pytest.mark.parametrize("behaviour", [status(500), status(401), status(404), redirect("/"), reply(b"x" * 999)])
def test_a_server_that_answers_is_alive(patient: Client, server: ScriptedUpstream, behaviour: object) -> None:
    server.table |= {"/": reset(), "/bad": behaviour}  # type: ignore[dict-item]
    for _ in range(2):
        failures(patient, 2)
        with suppress(UpstreamFailed):
            fetched(patient, "/bad")
    assert server.paths().count("/") >= 4


def test_a_name_that_cannot_be_looked_up_is_left_alone_too(net: Net) -> None:
    lookups = []

    def resolver(host: str, port: int) -> list[str]:
        lookups.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    client = Client(resolver=resolver, connector=net.connector, failures=2)
    said = failures(client, 4)
    assert said == ["cannot be reached: Temporary failure in name resolution"] * 2 + [ALONE] * 2
    assert len(lookups) == 2


# Processes and threads.


@FORKS
def test_a_child_process_has_connections_of_its_own(client: Client, server: ScriptedUpstream) -> None:
    fetched(client)
    child = os.fork()
    if child == 0:  # nothing of pytest may run in here
        signal.alarm(20)
        code = 1
        try:
            code = 0 if fetched(client) == b"words" else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert fetched(client) == b"words"
    assert [request.connection for request in server.requests] == [0, 1, 0]


@FORKS
def test_a_child_process_does_not_wait_for_its_parents_locks(client: Client, server: ScriptedUpstream) -> None:
    entered = threading.Event()
    server.table["/slow"] = later(0.5, reply(b"slow"))

    def hold() -> None:
        with client._pool._lock:
            entered.set()
            threading.Event().wait(0.3)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(10)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        code = 1
        try:
            code = 0 if fetched(client) == b"words" else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    holder.join()


def test_many_threads_share_a_client(client: Client, server: ScriptedUpstream) -> None:
    server.table |= {f"/{number}": file(bytes([number]) * 50) for number in range(50)}

    def ask(number: int) -> bytes:
        if number % 2:
            return fetched(client, f"/{number}")
        with client.stream(MIRROR, f"/{number}") as stream:
            return b"".join(stream)

    with ThreadPoolExecutor(24) as threads:
        assert list(threads.map(ask, [*range(50)] * 4)) == [bytes([number]) * 50 for number in range(50)] * 4
    assert server.most_at_once <= 16
