"""Several servers on one data folder, the command line beside them, and a stop in the middle of an upload."""

import hashlib
import os
import signal
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from archives_corpus import make_wheel
from harness import FORM_HEADERS, MIB, Registry, eventually, fields_of, form


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Registry, Registry]]:
    """Two servers on one folder, each on a port of its own."""
    folder = tmp_path_factory.mktemp("pair")
    with Registry(folder, name="first") as first, Registry(folder, name="second") as second:
        first.token = second.token = first.new_token("pair", "acme/internal:maintain")
        yield first, second
        assert first.faults() == second.faults() == []


def test_two_servers_take_uploads_at_once(pair: tuple[Registry, Registry]) -> None:
    """Each upload is answered 200, and the very next read in the other server has it."""
    wrong: list[str] = []

    def upload(number: int) -> None:
        here, there = pair[number % 2], pair[1 - number % 2]
        for version in range(25):
            filename, data = make_wheel(f"both-{number}", f"0.{version}", files={"data.bin": os.urandom(500)})
            answer = here.upload(filename, data)
            if answer.status != 200:
                wrong.append(f"{filename}: {answer.status} {answer.reason}")
            listed = there.files(f"both-{number}")
            if filename not in listed or there.download(f"both-{number}", listed[filename]).body != data:
                wrong.append(f"{filename}: not seen by the next read")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upload, range(4)))
    assert wrong == []
    assert all({f"both-{number}" for number in range(4)} <= set(server.packages()) for server in pair)


def test_two_servers_take_the_same_file_at_once(pair: tuple[Registry, Registry]) -> None:
    """Of files that differ one wins, in both servers the same; of files that do not, each upload succeeds."""
    for version in range(10):
        rivals = [make_wheel("rivals", f"0.{version}", description=word) for word in ("one", "two")]
        twin = make_wheel("twins", f"0.{version}")
        with ThreadPoolExecutor(4) as pool:
            answers = list(
                pool.map(lambda pick: pick[0].upload(*pick[1]), zip(pair * 2, [*rivals, twin, twin], strict=True))
            )
        assert sorted(answer.status for answer in answers[:2]) == [200, 400]
        assert [answer.status for answer in answers[2:]] == [200, 200]
        assert next(answer for answer in answers[:2] if answer.status == 400).reason.startswith("File already exists")
        assert pair[0].files("rivals") == pair[1].files("rivals")


def test_the_command_line_and_both_servers_agree(pair: tuple[Registry, Registry]) -> None:
    first, second = pair
    filename, data = make_wheel("agreed")
    assert first.upload(filename, data).status == 200
    assert second.files("agreed")[filename]["yanked"] is False
    first.cli("yank", "acme/internal/agreed==1.0", "--reason", "wrong")
    assert [server.files("agreed")[filename]["yanked"] for server in pair] == ["wrong", "wrong"]
    first.cli("delete", "acme/internal/agreed==1.0", "--yes")
    assert [server.files("agreed") for server in pair] == [{}, {}]
    assert second.get(f"files/agreed/{filename}").status == 404
    assert second.upload(*make_wheel("agreed", description="other")).status == 400
    assert second.upload(filename, data).status == 200
    assert list(first.files("agreed")) == [filename]


def test_a_revoked_token_is_refused_by_the_next_request(pair: tuple[Registry, Registry]) -> None:
    token = pair[0].new_token("short-lived")
    filename, data = make_wheel("revoking")
    for server in pair:  # whatever is remembered of a token is remembered now
        assert server.upload(filename, data, token=token).status == 200
    pair[0].cli("token", "revoke", "short-lived")
    for server in pair:
        answer = server.upload(filename, data, token=token)
        assert (answer.status, answer.reason) == (401, "the token 'short-lived' is revoked; make a new one")


def test_several_processes_on_one_port(tmp_path: Path) -> None:
    """`serve --processes 2`: one of them is killed and replaced, and what was taken is there."""
    with Registry(tmp_path / "several", options=["--processes", "2"]) as registry:
        registry.token = registry.new_token("several")
        names = []

        def upload(number: int) -> int:
            filename, data = make_wheel("several", f"0.{number}")
            names.append(filename)
            answer = registry.upload(filename, data)
            return answer.status if filename in registry.files("several") else 0

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(upload, range(40))) == {200}
        assert sorted(registry.files("several")) == sorted(names)
        first, second = servers = registry.children()
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: len(registry.children()) == 2 and first not in registry.children())
        assert second in registry.children() and len(servers) == 2
        assert set(map(upload, range(40, 60))) == {200}
        assert sorted(registry.files("several")) == sorted(names)
        assert registry.stop() == 0


# Stopping


class SlowUpload:
    """An upload of which a part is sent now and the rest when it is told to."""

    def __init__(self, registry: Registry, filename: str, data: bytes) -> None:
        before, after = form(filename, fields_of(filename, hashlib.sha256(data).hexdigest()))
        self._body = before + data + after
        host, _, port = registry.authority.partition(":")
        headers = FORM_HEADERS | {
            "Host": host,
            "Authorization": "Basic " + b64encode(f"__token__:{registry.token}".encode()).decode(),
            "Content-Length": str(len(self._body)),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.connection = socket.create_connection((host, int(port)), timeout=30)
        self.connection.sendall(f"POST /pypi/acme/internal/legacy/ HTTP/1.1\r\n{head}\r\n".encode())
        self._half = len(self._body) // 2
        self.connection.sendall(self._body[: self._half])

    def finish(self) -> bytes:
        """The status line."""
        self.connection.sendall(self._body[self._half :])
        with self.connection.makefile("rb") as answer:
            return answer.readline()

    def __enter__(self) -> "SlowUpload":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


ONE_OR_TWO = pytest.mark.parametrize("options", [[], ["--processes", "2"]], ids=["one", "two-processes"])


@ONE_OR_TWO
@pytest.mark.parametrize("size", [1000, 5 * MIB])
def test_a_stop_lets_uploads_finish(tmp_path: Path, size: int, options: list[str]) -> None:
    with Registry(tmp_path / "stopping", options=options) as registry:
        _finish_during(registry, size, registry.terminate)


@ONE_OR_TWO
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_of_the_whole_group_lets_uploads_finish(
    tmp_path: Path, number: signal.Signals, options: list[str]
) -> None:
    """As Ctrl-C in a terminal and a service manager do it: children are told by both the sender and their parent."""
    with Registry(tmp_path / "group", options=options) as registry:
        _finish_during(registry, 1000, lambda: os.killpg(registry.pid, number))


def test_a_second_stop_ends_all_processes_at_once(tmp_path: Path) -> None:
    with Registry(tmp_path / "twice", options=["--processes", "2"]) as registry:
        registry.token = registry.new_token("twice")
        children = registry.children()
        with SlowUpload(registry, *make_wheel("twice")):
            time.sleep(0.3)
            registry.terminate()
            assert eventually(lambda: _refuses(registry))
            registry.terminate()
            assert registry.wait(5) == 128 + signal.SIGTERM
        assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


def test_children_stop_when_their_parent_is_killed(tmp_path: Path) -> None:
    """Gracefully, one that replaced another too: nobody could reach them any more, and the port must get free."""
    with Registry(tmp_path / "orphans", options=["--processes", "2"]) as registry:
        registry.token = registry.new_token("orphans")
        first, _ = registry.children()
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: len(registry.children()) == 2 and first not in registry.children())
        children = registry.children()
        assert eventually(lambda: len(_serving(children)) == 2)
        try:
            with SlowUpload(registry, *make_wheel("orphans")) as upload:
                time.sleep(0.3)
                os.kill(registry.pid, signal.SIGKILL)
                registry.wait()
                assert eventually(lambda: _refuses(registry)), "new connections are refused"
                assert upload.finish().split()[1] == b"200"
            assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(registry.pid, signal.SIGKILL)
        registry.start()
        assert list(registry.files("orphans")) == [make_wheel("orphans")[0]]
        assert registry.stop() == 0


def _serving(pids: list[int]) -> list[int]:
    """Those that have started their threads."""
    return [pid for pid in pids if len(list(Path(f"/proc/{pid}/task").iterdir())) > 4]


def test_children_that_inspect_leave_a_stop_to_their_parent(tmp_path: Path) -> None:
    """A signal to the whole group would otherwise cost the upload that is being inspected."""
    with Registry(tmp_path / "inspecting") as registry:
        registry.token = registry.new_token("inspecting")
        assert registry.upload(*make_wheel("first")).status == 200
        (child,) = registry.children()
        os.kill(child, signal.SIGINT)
        os.kill(child, signal.SIGTERM)
        time.sleep(0.2)
        assert registry.upload(*make_wheel("second")).status == 200
        assert registry.children() == [child]


def _finish_during(registry: Registry, size: int, stop: Callable[[], None]) -> None:
    """An upload that is half sent when the server is told to stop is taken; new clients are refused."""
    filename, data = make_wheel("stopping", files={"data.bin": os.urandom(size)})
    registry.token = registry.new_token("stopping")
    for version in range(4):
        assert registry.upload(*make_wheel("before", f"0.{version}")).status == 200
    with SlowUpload(registry, filename, data) as upload:
        time.sleep(0.3)
        stop()
        assert eventually(lambda: _refuses(registry)), "new connections are refused"
        assert registry.running
        assert upload.finish().split()[1] == b"200"
    assert registry.wait(5) == 0
    registry.start()
    assert registry.download("stopping", registry.files("stopping")[filename]).body == data
    assert registry.staged() == []
    assert registry.stop() == 0
    assert registry.faults() == []


def _refuses(registry: Registry) -> bool:
    host, _, port = registry.authority.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_stop_under_load_acknowledges_nothing_that_is_lost(tmp_path: Path) -> None:
    """SIGTERM among many uploads: each is answered or never taken, and the process ends by itself with 0."""
    with Registry(tmp_path / "load") as registry:
        registry.token = registry.new_token("load")
        acknowledged: list[str] = []
        refused: list[str] = []

        def upload(uploader: int) -> None:
            for number in count():
                filename, data = make_wheel(f"load-{uploader}", f"0.{number}")
                try:
                    answer = registry.upload(filename, data)
                except OSError:
                    return
                (acknowledged if answer.status == 200 else refused).append(filename)

        threads = [threading.Thread(target=upload, args=(uploader,)) for uploader in range(3)]
        for thread in threads:
            thread.start()
        assert eventually(lambda: len(acknowledged) > 20), "uploads are under way"
        assert registry.stop(20) == 0
        for thread in threads:
            thread.join()
        registry.start()
        listed = {name for uploader in range(3) for name in registry.files(f"load-{uploader}")}
        assert refused == []
        assert listed == set(acknowledged)
        assert registry.faults() == []


def test_a_data_folder_is_taken_up_by_the_next_server(tmp_path: Path) -> None:
    """Stopped and started, killed and started: the same packages, the same tokens."""
    with Registry(tmp_path / "again") as registry:
        registry.token = registry.new_token("again")
        assert registry.upload(*make_wheel("kept")).status == 200
        listed = registry.files("kept")
        assert registry.stop() == 0
        registry.start()
        assert registry.files("kept") == listed
        registry.kill()
        registry.start()
        assert registry.files("kept") == listed
