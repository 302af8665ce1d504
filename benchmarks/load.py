"""Load on a server, and what came of it: wrk for reading, the `requests` library (as twine uses it) for uploads."""

import base64
import hashlib
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import requests

from benchmarks.corpus import Wheel
from benchmarks.meter import settle, usage

PATIENCE = 120  # seconds for one upload or one answer
IN_MEMORY = 1 << 20  # a body below this size is sent in one piece

_SCRIPT = """
local requests, turn = {}, 0
function init(arguments)
  for path in io.lines(arguments[1]) do requests[#requests + 1] = wrk.format("GET", path) end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("measured %d %d %d %d %d %d\\n", summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(99),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
"""


class LoadFailed(Exception):
    """The point could not be measured; the text says why."""


@dataclass(frozen=True)
class Sample:
    """One server at one point in one round. `value` is in the unit of the point."""

    value: float
    cpu_ms: float | None = None  # of the server, for one request
    p50_ms: float | None = None
    p99_ms: float | None = None
    bytes: float | None = None  # of one answer, with its head
    memory_mb: float | None = None
    first_ms: float | None = None  # until the first byte of a body
    fetches: float | None = None  # requests that reached the upstream


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def read(
    urls: Sequence[str], connections: int, seconds: int, pid: int, headers: dict[str, str], megabytes: bool = False
) -> Sample:
    """GET the addresses in turn over kept connections; the value is requests or megabytes a second."""
    origin = urlsplit(urls[0])._replace(path="", query="").geturl()
    with tempfile.TemporaryDirectory() as folder:
        script, paths = Path(folder, "load.lua"), Path(folder, "paths")
        script.write_text(_SCRIPT)
        paths.write_text("".join(urlsplit(url).path + "\n" for url in urls))
        options = [option for name, value in headers.items() for option in ("-H", f"{name}: {value}")]
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script), *options]
        with usage(pid) as used:
            run = subprocess.run(
                [*command, origin, "--", str(paths)], capture_output=True, text=True, timeout=seconds + PATIENCE
            )
    settle(pid)
    line = next((line for line in run.stdout.splitlines() if line.startswith("measured ")), None)
    if line is None:
        raise LoadFailed(run.stderr.strip()[-200:] or "wrk said nothing")
    count, microseconds, size, p50, p99, failed = map(int, line.split()[1:])
    if failed or not count:
        raise LoadFailed(f"{failed} of {count} requests failed")
    elapsed = microseconds / 1e6
    value = size / 1e6 / elapsed if megabytes else count / elapsed
    return Sample(value, used.cpu / count * 1e3, p50 / 1e3, p99 / 1e3, size / count)


@dataclass(frozen=True)
class Form:
    """An upload, ready to be sent: the body itself, or the file that holds it."""

    content_type: str
    body: bytes | Path

    def open(self) -> bytes | BinaryIO:
        return self.body.open("rb") if isinstance(self.body, Path) else self.body


def form(wheel: Wheel, content: bytes, folder: Path) -> Form:
    """What twine sends for the wheel; a large body is kept in `folder`."""
    fields = {
        ":action": "file_upload",
        "protocol_version": "1",
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        "metadata_version": "2.1",
        "name": wheel.package,
        "version": wheel.version,
        "summary": "made for a measurement",
        "requires_python": ">=3.9",
        "md5_digest": hashlib.md5(content).hexdigest(),
        "sha256_digest": hashlib.sha256(content).hexdigest(),
        "blake2_256_digest": hashlib.blake2b(content, digest_size=32).hexdigest(),
    }
    boundary = hashlib.sha256(wheel.filename.encode()).hexdigest()
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{wheel.filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = b"".join(["".join(parts).encode(), content, f"\r\n--{boundary}--\r\n".encode()])
    content_type = f"multipart/form-data; boundary={boundary}"
    if len(body) < IN_MEMORY:
        return Form(content_type, body)
    path = folder / f"{wheel.filename}.form"
    path.write_bytes(body)
    return Form(content_type, path)


def upload(
    url: str,
    forms: Sequence[Form],
    clients: int,
    pid: int,
    headers: dict[str, str],
    memory: bool = False,
    pause: float = 0.0,
) -> Sample:
    """Send the forms from as many processes, with so many seconds between two; the value is uploads a second."""
    context = multiprocessing.get_context("fork")
    answers: Any = context.Queue()
    start = context.Barrier(clients)
    processes = [
        context.Process(target=_client, args=(url, forms[n::clients], headers, pause, start, answers), daemon=True)
        for n in range(clients)
    ]
    with usage(pid, memory) as used:
        for process in processes:
            process.start()
        spans = [answers.get(timeout=PATIENCE + len(forms)) for _ in processes]
        for process in processes:
            process.join()
    settle(pid)
    if faults := [fault for _, fault in spans if fault]:
        raise LoadFailed(faults[0])
    times = [time for span, _ in spans for time in span]
    elapsed = max(end for _, end in times) - min(begin for begin, _ in times)
    took = sorted((end - begin) * 1e3 for begin, end in times)
    return Sample(
        len(forms) / elapsed,
        used.cpu / len(forms) * 1e3,
        statistics.median(took),
        took[int(len(took) * 0.99) - 1],
        memory_mb=used.added_mb,
    )


def _client(url: str, forms: Iterable[Form], headers: dict[str, str], pause: float, start: Any, answers: Any) -> None:
    """In a process of its own: upload, and put ([(begin, end), …], fault or None)."""
    times: list[tuple[float, float]] = []
    fault = None
    try:
        session = requests.Session()
        session.trust_env = False
        session.headers.update(headers)
        start.wait(PATIENCE)
        for form in forms:
            body, begin = form.open(), time.perf_counter()
            reply = session.post(url, data=body, headers={"Content-Type": form.content_type}, timeout=PATIENCE)
            times.append((begin, time.perf_counter()))
            time.sleep(pause)
            if not reply.ok:
                fault = f"an upload was answered {reply.status_code}: {reply.text[:150]}"
                break
    except Exception as error:  # whatever it was, the parent waits to hear of it
        fault = repr(error)[:200]
    answers.put((times, fault))


def install(simple: str, package: str, pid: int, dry: bool) -> Sample:
    """`uv pip install` into an empty folder with an empty cache; the value is seconds."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("UV_", "PIP_", "PYTHON"))}
    uv = Path(sys.executable).with_name("uv")
    with tempfile.TemporaryDirectory() as folder:
        command: list[str | Path] = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--no-cache",
            "--no-config",
            "--index-url",
            simple,
        ]
        command += ["--target", folder, *(["--dry-run"] if dry else []), package]
        with usage(pid) as used:
            begin = time.perf_counter()
            run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
            took = time.perf_counter() - begin
        if run.returncode:
            raise LoadFailed(run.stderr.strip()[-200:])
    return Sample(took, used.cpu * 1e3)
