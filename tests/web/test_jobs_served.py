"""Jobs of a real server: the log is linked, changes are delivered, by any process, over a reload and a SIGKILL."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from hook_receiver import PATIENCE, SECRET, receiver

HOOK = """
[[webhooks]]
url = "{url}"
secret = "{secret}"
events = ["file.publish"]
"""


@pytest.fixture
def put(configured: Path, cli: Callable[..., Any]) -> Callable[..., None]:
    token = cli("token", "create", "robot", "--grant", "acme:publish", "--config", str(configured)).stdout.strip()

    def upload(server: Any, filename: str) -> None:
        answer = requests.post(
            f"{server.url}/toy/acme/toys/put/{filename}", data=b"a toy", auth=("__token__", token), timeout=PATIENCE
        )
        assert answer.status_code == 200, answer.text

    return upload


def add_hook(file: Path, url: str) -> None:
    with file.open("a") as written:
        written.write(HOOK.format(url=url, secret=SECRET))


def linked(cli: Callable[..., Any], file: Path, count: int) -> None:
    end = time.monotonic() + PATIENCE
    while json.loads(cli("audit", "verify", "--json", "--config", str(file)).stdout)["linked"] < count:
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("options", [[], ["--processes", "2"]], ids=["one process", "two processes"])
def test_a_server_links_delivers_and_goes_on_after_a_reload(
    options: list[str], configured: Path, serve: Callable[..., Any], put: Callable[..., None], cli: Callable[..., Any]
) -> None:
    with receiver() as hook:
        server = serve("--config", str(configured), *options)
        put(server, "ball@1.toy")
        linked(cli, configured, 2)
        add_hook(configured, hook.url)
        server.reload("reloaded")
        end = time.monotonic() + PATIENCE
        while server.stderr.count('"reloaded"') < max(1, len(options)):
            assert time.monotonic() < end
            time.sleep(0.02)
        cursors = "SELECT count(*) FROM webhook_cursor"
        from orbitalreg.catalog import Catalog

        db = Catalog(configured.parent / "data").read()
        while not db.execute(cursors).fetchone()[0]:
            assert time.monotonic() < end
            time.sleep(0.02)
        db.close()
        put(server, "ball@2.toy")
        [delivery] = hook.wait(1)
        assert delivery.event["data"]["target"] == "acme/toys/ball==2"
        assert delivery.is_signed()
        code, _ = server.stop()
        assert code == 0
    assert json.loads(cli("audit", "verify", "--json", "--config", str(configured)).stdout)["ok"]


@pytest.mark.parametrize("seconds", [0.0, 2.0], ids=["at once", "after a first attempt"])
def test_what_was_committed_before_a_sigkill_is_delivered_after_a_restart(
    seconds: float, configured: Path, serve: Callable[..., Any], put: Callable[..., None], cli: Callable[..., Any]
) -> None:
    with receiver() as hook:
        port = int(hook.url.split(":")[2].partition("/")[0])
        add_hook(configured, hook.url)
    server = serve("--config", str(configured))  # while nobody listens at that port
    linked(cli, configured, 1)
    put(server, "ball@1.toy")
    time.sleep(seconds)
    server.process.send_signal(signal.SIGKILL)
    server.process.communicate()
    with receiver(port) as hook:
        serve("--config", str(configured))
        [delivery, *_] = hook.wait(1)
    assert delivery.event["data"]["target"] == "acme/toys/ball==1"
    [entry] = json.loads(cli("audit", "--action", "file.publish", "--json", "--config", str(configured)).stdout)
    assert delivery.id == entry["id"]
    assert delivery.is_signed()
