"""Processes that may do anything: how all that one of them started is found, measured and ended.

Linux tells of every process in /proc. Elsewhere a child's own group is all that is known: its memory is not watched,
and what left the group is not found.
"""

import fcntl
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "ORBITALREG_CHILD"
"""In the environment of a child and of all that it starts, with a value of its own: how they are told."""

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    session: int
    resident: int
    """Bytes."""


def end(process: "subprocess.Popen[bytes]", mark: str) -> None:
    """Kill a session's leader and everything that it started, also what left the session; wait for the leader."""
    for _ in range(_ROUNDS):  # what is killed may have started something meanwhile
        alive = list(_members(process.pid, mark))
        for member in alive:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(member.pid, signal.SIGKILL)
        if not alive:
            break
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def resident(leader: int) -> int:
    """Bytes of memory that a session holds; what its processes share counts for each of them. 0 where none can tell."""
    return sum(found.resident for found in _processes() if found.session == leader)


def _members(leader: int, mark: str) -> Iterator[_Process]:
    wanted = f"{MARK}={mark}".encode()
    for found in _processes():
        if found.session == leader or wanted in _environment(found.pid):
            yield found


def _processes() -> Iterator[_Process]:
    """Those that are alive."""
    try:
        names = [name for name in os.listdir(_PROC) if name.isdigit()]
    except OSError:
        return
    for name in names:
        with suppress(OSError, ValueError, IndexError):  # it ended meanwhile
            fields = (_PROC / name / "stat").read_bytes().rpartition(b")")[2].split()
            if fields[0] not in (b"Z", b"X"):
                yield _Process(int(name), int(fields[3]), int(fields[21]) * _PAGE)


def _environment(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # another user's, or gone
        return []


def die_with(life: int, group: int) -> None:
    """Have the kernel kill a process group when `life`, a pipe that nobody writes to, loses its other end.

    Linux alone can; it needs nothing of the processes, which may be busy or stopped. A descriptor serves one group.
    """
    if not hasattr(fcntl, "F_SETSIG"):
        return
    fcntl.fcntl(life, fcntl.F_SETOWN, -group)
    fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(life, 0)
    if poll.poll(0):  # it was gone before
        os.killpg(group, signal.SIGKILL)


def another(life: int) -> int | None:
    """A descriptor of its own for the same pipe, for another group; None where there is no such thing."""
    try:
        return os.open(f"/proc/self/fd/{life}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
