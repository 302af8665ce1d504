"""Runs the tools of a scanner, within a child process: in a group of their own, with bounds on time and output."""

import os
import resource
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from orbitalreg.errors import ScannerFailed
from orbitalreg.inspection import PASSED_ON
from orbitalreg.interfaces import ToolRun
from orbitalreg.scanning import processes

GIVEN = (*PASSED_ON, "HOME", "LC_ALL", "LC_CTYPE", "TMPDIR", processes.MARK)
"""Of the environment, what programs need."""

_TICK = 0.05
_CHUNK = 1 << 16


def needed_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in GIVEN if name in os.environ}


class ToolRunner:
    """`interfaces.Runner`; one tool at a time. `life` is the pipe whose end the tools do not outlive."""

    def __init__(self, folder: Path, life: int) -> None:
        self.folder = folder
        self._life = life
        self.group: int | None = None
        """Of the tool that runs now."""

    def __call__(
        self,
        arguments: Sequence[str],
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] = {},
        seconds: float = 300.0,
        max_output: int = 64 << 20,
    ) -> ToolRun:
        with _largest_file(max_output):
            process = _started(arguments, folder or self.folder, {**needed_environment(), **environment})
        self.group = process.pid
        life = processes.another(self._life)
        try:
            if life is not None:
                processes.die_with(life, process.pid)
            stdout, stderr = _output(process, Path(arguments[0]).name, seconds, max_output)
        finally:
            _end(process)
            self.group = None
            if life is not None:
                os.close(life)
        if process.returncode == -signal.SIGXFSZ:
            raise ScannerFailed(f"{Path(arguments[0]).name} wrote a file of more than {max_output} bytes")
        return ToolRun(process.returncode, stdout, stderr)


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    """What is started meanwhile may write no larger file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    wanted = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _started(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Neither arguments nor environment are ever told: they may hold secrets."""
    try:
        return subprocess.Popen(
            list(arguments),
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            process_group=0,
        )
    except OSError as error:
        raise ScannerFailed(f"{Path(arguments[0]).name} cannot be started: {error.strerror or error}") from error


def _output(process: "subprocess.Popen[bytes]", name: str, seconds: float, limit: int) -> tuple[bytes, bytes]:
    """What it prints until it has ended, on stdout and on stderr. Raises `ScannerFailed`."""
    assert process.stdout is not None and process.stderr is not None
    end = time.monotonic() + seconds
    taken = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    with selectors.DefaultSelector() as selector:
        for descriptor in taken:
            os.set_blocking(descriptor, False)
            selector.register(descriptor, selectors.EVENT_READ)
        while True:
            has_ended = _has_ended(process.pid)  # before the look at what it printed, so that nothing is missed
            if has_ended:
                _kill_group(process.pid)  # what it left behind may hold the pipes
            ready = selector.select(0 if has_ended else _TICK) if selector.get_map() else []
            for key, _ in ready:
                if not _take(key.fd, taken[key.fd]):
                    selector.unregister(key.fd)
            if sum(map(len, taken.values())) > limit:
                raise ScannerFailed(f"{name} printed more than {limit} bytes")
            if has_ended and not ready:
                break
            if not selector.get_map() and not has_ended:
                time.sleep(_TICK)
            if time.monotonic() > end:
                raise ScannerFailed(f"{name} took more than {seconds:g} seconds")
    return bytes(taken[process.stdout.fileno()]), bytes(taken[process.stderr.fileno()])


def _take(descriptor: int, into: bytearray) -> bool:
    """Whether there may be more."""
    try:
        chunk = os.read(descriptor, _CHUNK)
    except BlockingIOError:
        return True
    into += chunk
    return bool(chunk)


def _has_ended(pid: int) -> bool:
    """Without reaping it: until then its group is no other's."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _end(process: "subprocess.Popen[bytes]") -> None:
    _kill_group(process.pid)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
