"""Webhooks: what is configured, what is sent and how it is signed, and receivers that fail."""

import base64
import socket
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hook_receiver import KEY, PATIENCE, SECRET, Receiver, receiver, status

from orbitalreg import config, webhooks
from orbitalreg.audit.entries import CHAIN
from orbitalreg.catalog import jobs as rows
from orbitalreg.errors import ConfigError, UpstreamFailed
from orbitalreg.jobs import Handler, Worker
from orbitalreg.upstream import Client, Upstream
from orbitalreg.webhooks import DELIVER, signed

HOOK = """
[[webhooks]]
url = "{url}"
secret = "{secret}"
events = {events}
"""


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def working(make_site: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Makes a site with a worker whose retries do not wait."""
    workers: list[Worker] = []

    def start(more: str, delay: float = 0.02, attempts: int = webhooks.ATTEMPTS, longest: float = 0.02) -> Any:
        site = make_site(more)
        handlers = dict(site.registry.handlers)
        handlers[DELIVER] = Handler(
            handlers[DELIVER].run, attempts=attempts, delay=delay, longest_delay=max(delay, longest), at_once=3
        )
        workers.append(Worker(site.registry.catalog, handlers))
        workers[-1].start()
        assert workers[-1].wait_idle(PATIENCE)  # the receivers have their cursors
        site.worker = workers[-1]
        return site

    yield start
    for worker in workers:
        worker.stop()


def configured(hook: Receiver, events: str = '["*"]', more: str = "") -> str:
    return HOOK.format(url=hook.url, secret=SECRET, events=events) + more


def left(site: Any) -> list[Any]:
    return list(
        site.registry.catalog.read()
        .execute("SELECT subject, attempts, failure FROM job WHERE kind IN (?, ?)", (CHAIN, DELIVER))
        .fetchall()
    )


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_change_is_sent_signed_as_the_api_tells_it(hook: Receiver, working: Callable[..., Any]) -> None:
    site = working(configured(hook, '["file.publish"]'))
    assert site.put("ball@1.toy").status_code == 200
    [delivery] = hook.wait(1)
    assert delivery.is_signed()
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.path == "/hook?key=very-secret"
    event = delivery.event
    assert (event["type"], event["data"]["target"]) == ("file.publish", "acme/toys/ball==1")
    assert event["timestamp"] == event["data"]["at"]
    assert event["data"]["id"] == delivery.id
    told = site.request(
        "GET", "/api/v1/projects/acme/audit", site.token("acme:admin", name="a"), params={"action": "file.*"}
    )
    assert event["data"] == told.json["items"][0]
    until(lambda: not left(site))


CHOICES = [
    ('["token.*"]', "", ["token.create"]),
    ('["file.publish", "version.yank"]', "", ["file.publish", "version.yank"]),
    ('["file.*"]', 'projects = ["other"]', []),
    ('["file.*", "version.*"]', 'projects = ["acme"]', ["file.publish", "version.yank"]),
    ('["file.*"]', "refused = true", ["file.publish", "file.publish"]),
]


@pytest.mark.parametrize(("events", "more", "expected"), CHOICES)
def test_what_is_chosen_is_sent_and_nothing_else(
    events: str, more: str, expected: list[str], hook: Receiver, working: Callable[..., Any]
) -> None:
    with receiver() as everything:
        site = working(configured(hook, events, more) + configured(everything, more="refused = true"))
        site.token("acme:read", name="new")
        site.put("ball@1.toy")
        site.put("ball@1.toy", b"other")  # refused
        site.registry.curator.yank(site.repository(), "ball", "1", "", site.actor)
        everything.wait(4)  # the publisher's token was made before the receivers were known
        until(lambda: not left(site))
    assert sorted(delivery.event["type"] for delivery in hook.deliveries) == expected


def test_a_receiver_that_fails_gets_it_again_the_same_but_for_time_and_signature(
    hook: Receiver, working: Callable[..., Any]
) -> None:
    def answer(request: BaseHTTPRequestHandler, number: int) -> None:
        status([500, 404, 302, 200][number], **({"Location": "/elsewhere"} if number == 2 else {}))(request, number)

    hook.answer = answer
    site = working(configured(hook, '["file.publish"]'))
    site.put("ball@1.toy")
    until(lambda: len(hook.deliveries) >= 4 and not left(site))
    assert len(hook.deliveries) == 4
    assert len({(delivery.id, delivery.body, delivery.path) for delivery in hook.deliveries}) == 1
    assert all(delivery.is_signed() for delivery in hook.deliveries)


def test_a_failure_says_which_receiver_and_shows_no_secret(
    hook: Receiver, working: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    hook.answer = status(500)
    site = working(configured(hook, '["file.publish"]'), attempts=2)
    site.put("ball@1.toy")
    until(lambda: rows.given_up(site.registry.catalog.read()))
    [(kind, count, failure)] = rows.given_up(site.registry.catalog.read())
    origin = hook.url.partition("/hook")[0]
    assert (kind, count, failure) == (DELIVER, 1, f"the receiver {origin} answered 500")
    everything = caplog.text + repr(site.registry.catalog.read().execute("SELECT * FROM job").fetchall())
    assert "very-secret" not in everything and SECRET not in everything
    assert SECRET not in repr(site.registry.settings) and "very-secret" not in repr(site.registry.settings)


def test_a_receiver_that_hangs_holds_up_neither_another_nor_the_chain(
    hook: Receiver, working: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    hook.answer = lambda request, number: (gate.wait(PATIENCE) and status(200)(request, number)) or None
    monkeypatch.setattr(webhooks, "SECONDS", 0.5)
    with receiver() as other:
        site = working(configured(hook, '["file.publish"]') + configured(other, '["file.publish"]'))
        for number in range(4):
            site.put(f"ball@{number}.toy")
        assert len({delivery.id for delivery in other.wait(4)}) == 4
        until(lambda: any(failure and "did not answer in time" in failure for _, _, failure in left(site)))
        gate.set()
        until(lambda: len({delivery.id for delivery in hook.deliveries}) == 4 and not left(site))


def test_a_receiver_that_asks_for_patience_gets_it(hook: Receiver, working: Callable[..., Any]) -> None:
    hook.answer = status(429, Retry_After="40")
    site = working(configured(hook, '["file.publish"]'), longest=3600)
    site.put("ball@1.toy")
    until(lambda: any(failure for _, _, failure in left(site)))
    due_at = site.registry.catalog.read().execute("SELECT due_at FROM job WHERE kind = ?", (DELIVER,)).fetchone()[0]
    assert due_at / 1e6 > time.time() + 30


def test_what_happened_before_a_receiver_was_known_is_not_sent(
    hook: Receiver, make_site: Callable[..., Any], working: Callable[..., Any], cli: Callable[..., Any]
) -> None:
    before = make_site()
    before.put("ball@1.toy")
    assert cli("worker", "--once").exit_code == 0  # linked without a receiver
    site = working(configured(hook, '["file.publish"]'))
    site.put("ball@2.toy")
    [delivery] = hook.wait(1)
    assert delivery.event["data"]["target"] == "acme/toys/ball==2"


def test_deliveries_to_a_receiver_that_is_configured_no_more_are_dropped(
    hook: Receiver, working: Callable[..., Any]
) -> None:
    hook.answer = status(500)
    site = working(configured(hook, '["file.publish"]'), delay=1000)
    site.put("ball@1.toy")
    until(lambda: any(failure for _, _, failure in left(site)))
    site.worker.stop()
    with site.registry.catalog.write() as db:
        db.execute("UPDATE job SET due_at = 1")
    other = working("")
    until(lambda: not left(other))


def test_each_receiver_has_its_own_cursor_and_nothing_is_enqueued_twice(
    hook: Receiver, make_site: Callable[..., Any]
) -> None:
    site = make_site(configured(hook, '["file.publish"]'))
    worker = Worker(site.registry.catalog, {"audit.chain": site.registry.handlers["audit.chain"]})
    worker.start()
    assert worker.wait_idle(PATIENCE)
    for number in range(3):
        site.put(f"ball@{number}.toy")
    count = "SELECT count(*) FROM job WHERE kind = 'webhook.deliver'"
    until(lambda: site.registry.catalog.read().execute(count).fetchone()[0] == 3)
    with site.registry.catalog.write() as db:
        from orbitalreg import jobs

        jobs.enqueue(db, "audit.chain", unique=True)
    assert worker.wait_idle(PATIENCE)
    worker.stop()
    assert site.registry.catalog.read().execute(count).fetchone()[0] == 3


def test_the_signature_is_that_of_the_standard() -> None:
    """The example of the Standard Webhooks libraries: their secret, id, time and body."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    headers = signed(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


# The client's post.


def test_a_post_to_what_is_configured_may_go_to_loopback(hook: Receiver) -> None:
    upstream = Upstream(hook.url, total_seconds=5)
    with Client([upstream.origin]) as client:
        assert client.post(upstream, b"{}", {}) == 204
    assert hook.deliveries[0].body == b"{}"
    assert hook.deliveries[0].headers["host"] == upstream.origin.authority


def test_no_redirect_of_a_post_is_followed(hook: Receiver) -> None:
    hook.answer = status(307, Location=hook.url)
    with Client() as client, pytest.raises(UpstreamFailed, match="answered 307"):
        client.post(Upstream(hook.url, total_seconds=5), b"{}", {})
    assert len(hook.deliveries) == 1


class Net:
    """Names and connections: every address leads to one receiver on loopback, and is remembered."""

    def __init__(self, hook: Receiver, **names: str) -> None:
        self.port = int(hook.url.split(":")[2].split("/")[0])
        self.names = {name.replace("_", "."): address for name, address in names.items()}
        self.resolved: list[str] = []
        self.connected: list[tuple[str, int]] = []

    def resolver(self, host: str, port: int) -> list[str]:
        self.resolved.append(host)
        return [self.names[host]]

    def connector(self, address: str, port: int, seconds: float) -> socket.socket:
        self.connected.append((address, port))
        return socket.create_connection(("127.0.0.1", self.port), seconds)


@pytest.mark.parametrize(
    "target",
    ["http://169.254.169.254/", "http://127.0.0.1:22/", "http://inner.example/", "https://[::1]/", "//inner.example/"],
)
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_receiver_leads_a_delivery_nowhere_else(code: int, target: str, hook: Receiver) -> None:
    """Neither a name is looked up nor a connection opened but to what is configured."""
    net = Net(hook, hooks_example="198.51.100.7", inner_example="10.0.0.1")
    hook.answer = status(code, Location=target)
    text = HOOK.format(url="http://hooks.example/in", secret=SECRET, events='["*"]')
    receivers = webhooks.subscribers(config.from_dict(tomllib.loads(text), base=Path("/nowhere")))
    upstream = receivers[0].upstream
    client = Client([upstream.origin], resolver=net.resolver, connector=net.connector)
    with client, pytest.raises(UpstreamFailed, match=f"answered {code}"):
        client.post(upstream, b"{}", {})
    assert (net.resolved, net.connected) == (["hooks.example"], [("198.51.100.7", 80)])
    assert len(hook.deliveries) == 1


def test_the_servers_deliveries_trust_the_receivers_origins_and_no_others(make_site: Callable[..., Any]) -> None:
    site = make_site(HOOK.format(url="http://hooks.example:8080/in", secret=SECRET, events='["*"]'))
    assert {str(origin) for origin in site.registry.webhooks._client._configured} == {"http://hooks.example:8080"}


def test_an_answer_without_end_is_left(hook: Receiver) -> None:
    def endless(request: BaseHTTPRequestHandler, number: int) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(1 << 40))
        request.end_headers()
        for _ in range(100_000):
            request.wfile.write(b"x" * 65536)

    hook.answer = endless
    with Client() as client:
        assert client.post(Upstream(hook.url, total_seconds=5), b"{}", {}) == 200


# The configuration.


def faults(text: str) -> list[str]:
    try:
        config.from_dict(tomllib.loads(text), base=Path("/nowhere"))
    except ConfigError as error:
        return list(error.problems)
    return []


GOOD = f'[[webhooks]]\nurl = "https://hooks.example.com/a?key=very-secret"\nevents = ["*"]\nsecret = "{SECRET}"\n'
BAD = [
    (GOOD.replace(f'secret = "{SECRET}"', ""), "webhooks.0.secret: is missing"),
    (GOOD + 'secret_file = "s"\n', "webhooks.0.secret_file: is given together with secret"),
    (GOOD.replace(SECRET, "very-secret"), 'webhooks.0.secret: found what is not shown here; it must be "whsec_"'),
    (GOOD.replace(SECRET, "whsec_c2hvcnQ="), "webhooks.0.secret: found what is not shown here"),
    (GOOD.replace("https://", "ftp://"), "webhooks.0.url: found what is not shown here; it must be an address"),
    (GOOD.replace("hooks.", "ann:very-secret@hooks."), "webhooks.0.url: found what is not shown here"),
    (GOOD.replace('["*"]', "[]"), 'webhooks.0.events: is empty; name at least one, or "*"'),
    (GOOD.replace('["*"]', '["File Publish"]'), "webhooks.0.events.0: found 'File Publish'; it must be an action"),
    (GOOD + 'projects = ["acme"]\n', "webhooks.0.projects: found 'acme'; there is no such project"),
    (GOOD + GOOD, "webhooks.1.url: is there a second time"),
    (GOOD + "retries = 3\n", "webhooks.0.retries: there is no such key; known here: ca_bundle, events"),
    (GOOD.replace(f'secret = "{SECRET}"', 'secret_file = "absent"'), "webhooks.0.secret_file: /nowhere/absent: cannot"),
]


@pytest.mark.parametrize(("text", "fault"), BAD)
def test_a_fault_has_its_path_and_shows_no_secret(text: str, fault: str) -> None:
    [told] = faults(text)
    assert told.startswith(fault)
    assert "very-secret" not in told


def test_a_good_one_is_taken_and_its_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    assert faults(GOOD) == []
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    text = GOOD.replace(f'secret = "{SECRET}"', 'secret_file = "secret"')
    settings = config.from_dict(tomllib.loads(text), base=tmp_path)
    assert settings.webhooks[0].key() == KEY
    (tmp_path / "secret").write_text("nonsense\n")
    with pytest.raises(ConfigError, match=r"webhooks.0.secret_file: its first line must be .whsec_"):
        config.from_dict(tomllib.loads(text), base=tmp_path)


def test_a_receiver_without_tls_is_warned_of() -> None:
    settings = config.from_dict(tomllib.loads(GOOD.replace("https", "http")), base=Path())
    [warning] = settings.warnings()
    assert warning.startswith("webhooks.0.url: is without TLS") and "very-secret" not in warning


def test_an_address_that_cannot_be_used_is_a_fault_of_the_configuration(make_site: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match=r"webhooks.0.url: an IPv4 address is written"):
        make_site(GOOD.replace("hooks.example.com", "10.1"))
