"""Runs an adapter's `inspect` and `stage` in a child process with limits: what arrives is hostile until it is parsed.

A child serves one adapter, takes one file at a time, and is kept for the next one; it is killed when it exceeds its
time, and dies by itself when it has been idle or its parent is gone. Requests and answers are JSON lines, so that
nothing a child says is executed.
"""

import base64
import importlib
import json
import logging
import os
import resource
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orbitalreg.errors import OrbitalError, UploadRefused
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import Component, Inspection, Staged

SECONDS = 5.0
SECONDS_PER_BYTE = 1 / (32 << 20)  # more for large files: a second for each 32 MiB
MEMORY = 256 << 20  # beyond what the child holds when it is ready
IDLE_SECONDS = 60.0
START_SECONDS = 30.0
PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "TZ")

logger = logging.getLogger(__name__)


class Inspector:
    """The children of one server process. Thread-safe; at most `workers` inspections run at a time, others wait."""

    def __init__(self, workers: int | None = None, seconds: float = SECONDS) -> None:
        self._slots = threading.Semaphore(workers or max(2, os.cpu_count() or 1))
        self._lock = threading.Lock()
        self._idle: dict[str, list[_Child]] = {}
        self._seconds = seconds

    def inspect(self, adapter: FormatAdapter, path: Path, filename: str, claims: Mapping[str, str]) -> Inspection:
        """`adapter.inspect` on the staged file.

        Raises `UploadRefused`, also for what exceeds the limits, and `OrbitalError` where no child can be started.
        """
        answer = self._read(adapter, path, filename, {"do": "inspect", "claims": dict(claims)})
        answer["documents"] = _bytes(answer["documents"])
        return Inspection(**{**answer, "requirements": tuple(answer["requirements"])})

    def stage(self, adapter: FormatAdapter, path: Path, filename: str, deep: bool) -> Staged:
        """`adapter.stage` on the file. Raises as `inspect` does."""
        answer = self._read(adapter, path, filename, {"do": "stage", "deep": deep})
        components = tuple(Component(**{**told, "aliases": tuple(told["aliases"])}) for told in answer["components"])
        return Staged(components, _bytes(answer["documents"]))

    def _read(self, adapter: FormatAdapter, path: Path, filename: str, request: Mapping[str, Any]) -> Any:
        """Raises `UploadRefused`, `OrbitalError`."""
        line = json.dumps({"path": str(path), "filename": filename, **request}).encode() + b"\n"
        patience = self._seconds + path.stat().st_size * SECONDS_PER_BYTE
        with self._slots:
            answer = self._ask(_target(adapter), line, patience)
        if answer is None:
            raise UploadRefused(f"{filename}: reading it takes more time or memory than is allowed")
        if "refused" in answer:
            raise UploadRefused(answer["refused"])
        if "fault" in answer:
            logger.error("reading %r failed: %s", filename, answer["fault"])
            raise UploadRefused(f"{filename}: could not be read; the server's log says more")
        return answer

    def close(self) -> None:
        """End the idle children; ones at work end with their file."""
        with self._lock:
            children = [child for idle in self._idle.values() for child in idle]
            self._idle.clear()
        for child in children:
            child.end()

    def _ask(self, target: str, request: bytes, patience: float) -> Any:
        """The child's answer, or None where it was killed or died over the file."""
        while True:
            child, is_fresh = self._take(target)
            answer = child.ask(request, patience)
            if answer is not None:
                with self._lock:
                    self._idle.setdefault(target, []).append(child)
                return answer
            child.end()
            if is_fresh or child.timed_out:  # a kept one may just have left, having been idle for long
                return None

    def _take(self, target: str) -> "tuple[_Child, bool]":
        with self._lock:
            idle = self._idle.get(target)
            if idle:
                return idle.pop(), False
        return _Child(target), True


class _Child:
    def __init__(self, target: str) -> None:
        self.timed_out = False
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "orbitalreg.inspection", target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            bufsize=0,
        )

    def ask(self, request: bytes, patience: float) -> Any:
        """The answer, or None where there is none in time. Starting up is not counted.

        Raises `OrbitalError` where it cannot be started.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        if not self._ready(stdout):
            self.end()
            raise OrbitalError("the child process that reads uploads does not start; the server's log says more")
        try:
            stdin.write(request)
            line = self._line(stdout, patience)
            return json.loads(line) if line else None
        except (BrokenPipeError, ValueError):
            return None

    _is_ready = False

    def _ready(self, stdout: Any) -> bool:
        if not self._is_ready:
            self._is_ready = self._line(stdout, START_SECONDS) == b"ready\n"
        return self._is_ready

    def _line(self, stdout: Any, patience: float) -> bytes:
        """One whole line, or nothing at the end of the child or of the patience."""
        parts: list[bytes] = []
        poll = select.poll()
        poll.register(stdout, select.POLLIN | select.POLLHUP)
        while not parts or not parts[-1].endswith(b"\n"):
            if not poll.poll(patience * 1000):
                self.timed_out = True
                return b""
            part = os.read(stdout.fileno(), 1 << 20)
            if not part:
                return b""
            parts.append(part)
        return b"".join(parts)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def _target(adapter: FormatAdapter) -> str:
    return f"{type(adapter).__module__}:{type(adapter).__qualname__}"


def _bytes(documents: Mapping[str, str]) -> dict[str, bytes]:
    return {kind: base64.b64decode(body) for kind, body in documents.items()}


def main() -> None:
    """The child: says `ready`, then answers one line for each line."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a stop of the whole group is the parent's to carry out
        signal.signal(number, signal.SIG_IGN)
    module, _, name = sys.argv[1].partition(":")
    adapter = getattr(importlib.import_module(module), name)()
    _limit()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while select.select([sys.stdin], [], [], IDLE_SECONDS)[0]:
        line = sys.stdin.buffer.readline()  # one request at a time: nothing of a next one is ever buffered
        if not line:
            return
        sys.stdout.write(json.dumps(_answer(adapter, line)) + "\n")
        sys.stdout.flush()


def _answer(adapter: FormatAdapter, line: bytes) -> dict[str, Any]:
    request = json.loads(line)
    path, filename = Path(request["path"]), request["filename"]
    try:
        if request["do"] == "inspect":
            return _told(asdict(adapter.inspect(path, filename, request["claims"])))
        return _told(asdict(adapter.stage(path, filename, request["deep"])))
    except UploadRefused as error:
        return {"refused": str(error)}
    except Exception as error:  # foreign code over hostile bytes: whatever comes is an answer, never the child's end
        return {"fault": f"{type(error).__name__}: {error}"}


def _told(found: dict[str, Any]) -> dict[str, Any]:
    documents = found["documents"].items()
    return {**found, "documents": {kind: base64.b64encode(body).decode() for kind, body in documents}}


def _limit() -> None:
    """No core, no file written, and a bound on memory where the system can tell what is used now."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    statm = Path("/proc/self/statm")
    if statm.exists():
        limit = int(statm.read_text().split()[0]) * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
