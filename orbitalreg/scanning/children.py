"""The child processes in which scanners live, as the host sees them.

A child serves one scanner and answers one question at a time. It is kept for the next one, ends by itself when it has
been idle for long or its parent is gone, and is ended with all that it started when it exceeds its limits. Whatever it
does costs its own question and nothing else.
"""

import json
import logging
import os
import pickle
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orbitalreg.errors import OrbitalError, ScannerFailed, plain
from orbitalreg.interfaces.tools import proxies
from orbitalreg.scanning import processes, scratch
from orbitalreg.scanning.limits import TICK, Exceeded, Limits, Meter
from orbitalreg.scanning.tools import needed_environment
from orbitalreg.scanning.wire import ANSWER, READY, REQUEST, Answer, Request, Setup

START_SECONDS = 60.0
MAX_ANSWER = 32 << 20
MAX_PRINTED = 16 << 20
"""Bytes in the course of one question."""
LOGGED = 4096
"""Bytes of what it prints in the course of one question."""

_CHUNK = 1 << 18

logger = logging.getLogger(__name__)


class Broken(ScannerFailed):
    """A child ended in the course of a question."""


class Stopped(OrbitalError):
    """The question was given up, since the server stops."""


def never() -> bool:
    return False


class Children:
    """Those of one scanner. Thread-safe: as many as there are callers at a time."""

    def __init__(self, setup: Setup, folder: Path, limits: Limits) -> None:
        """`folder` is where scratch folders are made."""
        self._setup = setup
        self._folder = folder
        self._limits = limits
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._is_closed = False

    def ask(self, request: Request, seconds: float | None = None, is_stopping: Callable[[], bool] = never) -> Answer:
        """The scanner's answer within `seconds`; the time that a child takes to start is not counted.

        Raises `ScannerFailed` in the scanner's own words or for what it did (`Exceeded`, `Broken`), and `Stopped`.
        """
        line = REQUEST.dump_json(request, exclude_defaults=True) + b"\n"
        scratch_folder = [Path(request.folder).parent] if request.folder else []
        said = self._exchanged(line, seconds or self._limits.seconds, is_stopping, scratch_folder)
        answer = _answer(self._setup.scanner, said)
        if answer.failed is not None:
            raise ScannerFailed(answer.failed or "it failed and does not say why")
        if answer.fault is not None:
            raise ScannerFailed(f"it failed with {answer.fault}; the log of that time says more")
        return answer

    def close(self) -> None:
        """End those that are idle; one that works ends with its question."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for child in idle:
            child.end()

    def _exchanged(
        self, line: bytes, seconds: float, is_stopping: Callable[[], bool], folders: Sequence[Path]
    ) -> bytes:
        while True:
            child, is_fresh = self._take(is_stopping)
            try:
                answer = child.exchange(line, seconds, is_stopping, folders)
            except Broken:
                child.end()
                if is_fresh or child.has_answered:
                    raise
                continue  # a kept one may just have left, having been idle for long
            except BaseException:
                child.end()
                raise
            self._give_back(child)
            return answer

    def _take(self, is_stopping: Callable[[], bool]) -> "tuple[_Child, bool]":
        with self._lock:
            if self._idle:
                return self._idle.pop(), False
        child = _Child(self._setup, self._folder, self._limits)
        try:
            child.start(is_stopping)
        except BaseException:
            child.end()
            raise
        return child, True

    def _give_back(self, child: "_Child") -> None:
        is_spent = child.is_spent()
        with self._lock:
            left = [other for other in self._idle if not other.is_alive()]
            self._idle = [other for other in self._idle if other not in left]
            if not self._is_closed and not is_spent:
                self._idle.append(child)
            else:
                left.append(child)
        for other in left:
            other.end()


class _Child:
    def __init__(self, setup: Setup, folder: Path, limits: Limits) -> None:
        self._setup = setup
        self._limits = limits
        self._scratch = scratch.Scratch(folder)
        self.has_answered = False
        """Whether anything came in answer to the last question."""
        life, self._life = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "orbitalreg.scanning.child", str(life)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={
                    **needed_environment(),
                    **proxies(),
                    "TMPDIR": str(self._scratch.folder),
                    processes.MARK: self._scratch.folder.name,
                },
                cwd=self._scratch.folder,
                bufsize=0,
                pass_fds=[life],
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._life)
            self._scratch.remove()
            raise ScannerFailed(f"no process can be started: {error.strerror}") from error
        finally:
            os.close(life)
        for pipe in self._pipes():
            os.set_blocking(pipe.fileno(), False)

    def start(self, is_stopping: Callable[[], bool]) -> None:
        """Wait until the scanner is made. Raises as `Children.ask` does."""
        said = self.exchange(pickle.dumps(self._setup).hex().encode() + b"\n", START_SECONDS, is_stopping)
        if said != READY:
            answer = _answer(self._setup.scanner, said)
            raise ScannerFailed(answer.failed or f"it cannot be made: {answer.fault}; the log of that time says more")

    def exchange(
        self, line: bytes, seconds: float, is_stopping: Callable[[], bool], folders: Sequence[Path] = ()
    ) -> bytes:
        """One line for one line; it may write into `folders` beside its own. After any error it is to be ended."""
        self.has_answered = False
        exchange = _Exchange(self._setup.scanner, line)
        stdin, stdout, stderr = self._pipes()
        poll = select.poll()
        poll.register(stdin, select.POLLOUT)
        poll.register(stdout, select.POLLIN)
        poll.register(stderr, select.POLLIN)
        meter = Meter(self._limits, seconds, self._process.pid, [self._scratch.folder, *folders])
        try:
            while not exchange.is_done:
                for descriptor, _ in poll.poll(TICK * 1000):
                    if descriptor == stdin.fileno():
                        if exchange.send(stdin):
                            poll.unregister(stdin)
                    elif descriptor == stdout.fileno():
                        exchange.hear(stdout)
                        self.has_answered = True
                    elif not exchange.overhear(stderr):
                        poll.unregister(stderr)
                if is_stopping():
                    raise Stopped("the server stops")
                meter.check()
        finally:
            exchange.log()
        return bytes(exchange.answer)

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def is_spent(self) -> bool:
        """Whether so much was left in its folder that the next question would pay for it."""
        enough = self._limits.disk // 2
        return scratch.held(self._scratch.folder, enough) > enough

    def end(self) -> None:
        """With all that it started."""
        if self._life < 0:
            return
        processes.end(self._process, self._scratch.folder.name)
        os.close(self._life)
        self._life = -1
        for pipe in self._pipes():
            pipe.close()
        self._scratch.remove()

    def _pipes(self) -> tuple[Any, Any, Any]:
        return self._process.stdin, self._process.stdout, self._process.stderr


class _Exchange:
    """What goes to and comes from a child in the course of one question."""

    def __init__(self, scanner: str, line: bytes) -> None:
        self._scanner = scanner
        self._unsent = memoryview(line)
        self.answer = bytearray()
        self._printed = bytearray()
        self._printed_size = 0

    @property
    def is_done(self) -> bool:
        return self.answer.endswith(b"\n")

    def send(self, pipe: Any) -> bool:
        """Whether all is sent."""
        try:
            self._unsent = self._unsent[os.write(pipe.fileno(), self._unsent) :]
        except BlockingIOError:
            return False
        except BrokenPipeError:
            raise Broken("its process ended") from None
        return not self._unsent

    def hear(self, pipe: Any) -> None:
        part = os.read(pipe.fileno(), _CHUNK)
        if not part:
            raise Broken("its process ended")
        self.answer += part
        if len(self.answer) > MAX_ANSWER:
            raise Exceeded(f"it answered with more than {MAX_ANSWER} bytes")

    def overhear(self, pipe: Any) -> bool:
        """What is printed, by whomever. Whether there may be more."""
        part = os.read(pipe.fileno(), _CHUNK)
        self._printed += part[: LOGGED - len(self._printed)]
        self._printed_size += len(part)
        if self._printed_size > MAX_PRINTED:
            raise Exceeded(f"it printed more than {MAX_PRINTED} bytes")
        return bool(part)

    def log(self) -> None:
        if self._printed:
            text = plain(self._printed.decode("utf-8", "replace").strip())
            more = f" [{self._printed_size - len(self._printed)} more bytes]" * (self._printed_size > LOGGED)
            logger.info("scanner %s says: %s%s", self._scanner, text, more)


def _answer(scanner: str, line: bytes) -> Answer:
    try:
        return ANSWER.validate_json(line)
    except ValidationError as error:
        logger.error(
            "scanner %s answered nonsense: %s",
            scanner,
            plain(json.dumps(error.errors(include_input=False, include_url=False)[:1], default=str)),
        )
        raise Exceeded("it answered nonsense; the log of that time says more") from None
