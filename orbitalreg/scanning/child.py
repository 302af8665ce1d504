"""The child process in which one scanner lives: `python -P -m orbitalreg.scanning.child LIFE`.

It says `ready`, then answers one line for each line, until its input ends or it has been idle for long. `LIFE` is the
descriptor of a pipe whose end is its own. What the scanner prints goes to stderr, whoever prints it.
"""

import os
import pickle
import resource
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from orbitalreg.errors import ConfigError, OrbitalError, ScannerFailed
from orbitalreg.interfaces import Scanner, Surroundings, Target
from orbitalreg.plugins import Plugins
from orbitalreg.scanning import processes
from orbitalreg.scanning.tools import ToolRunner
from orbitalreg.scanning.versions import Versions
from orbitalreg.scanning.wire import ANSWER, READY, REQUEST, Answer, Request, Setup, State
from orbitalreg.surroundings import client_of

NICENESS = 10
"""Whoever uploads or installs comes first."""


def main() -> None:
    life = int(sys.argv[1])
    _calm()
    runner = ToolRunner(Path(os.environ.get("TMPDIR", "/")), life)
    processes.die_with(life, os.getpid())
    threading.Thread(target=_outlive, args=(life, runner), daemon=True).start()
    requests, answers = _own_pipes()
    setup: Setup = pickle.loads(bytes.fromhex(_line(requests).decode()))  # noqa: S301  # it comes from the host
    try:
        scanner = _scanner(setup)
    except Exception as error:  # foreign code: whatever it raises is told to the host
        return _say(answers, _told(error))
    os.write(answers, READY)
    versions = Versions(runner)
    while select.select([requests], [], [], setup.idle_seconds)[0]:
        line = _line(requests)
        if not line:
            return
        answer = _guarded(lambda: _answer(scanner, REQUEST.validate_json(line), runner, versions))  # noqa: B023  # called here
        _say(answers, answer)


def _calm() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # a stop of the whole group is the host's to carry out
        signal.signal(number, lambda number, frame: None)  # not ignored: tools would inherit that
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # where memory runs out, it is not the server that is ended
        Path("/proc/self/oom_score_adj").write_text("1000")


def _outlive(life: int, runner: ToolRunner) -> None:
    """Where the kernel does not see to it."""
    while True:
        select.select([life], [], [])
        if not os.read(life, 1):
            break
    if runner.group is not None:
        with suppress(OSError):
            os.killpg(runner.group, signal.SIGKILL)
    os.killpg(0, signal.SIGKILL)


def _own_pipes() -> tuple[int, int]:
    """Those of the host, under other numbers: 0 is empty from now on, and 1 is stderr."""
    requests, answers = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return requests, answers


def _line(descriptor: int) -> bytes:
    """Empty at the end. One request at a time: nothing of a next one is ever read."""
    parts: list[bytes] = []
    while not parts or not parts[-1].endswith(b"\n"):
        part = os.read(descriptor, 1 << 20)
        if not part:
            return b""
        parts.append(part)
    return b"".join(parts)


def _say(answers: int, answer: Answer) -> None:
    view = memoryview(ANSWER.dump_json(answer, exclude_defaults=True, warnings="error") + b"\n")
    while view:
        view = view[os.write(answers, view) :]


def _scanner(setup: Setup) -> Scanner:
    brought = Plugins.load([setup.plugin]).scanners.get(setup.scanner)
    if brought is None:
        raise ScannerFailed(f"plugin {setup.plugin!r} brings no scanner {setup.scanner!r} any more; restart the server")
    return brought.cls(Surroundings(setup.options, setup.base, setup.folder, client_of))


def _guarded(answer: Callable[[], Answer]) -> Answer:
    """The answer, if it can be said."""
    try:
        made = answer()
        ANSWER.dump_json(made, warnings="error")
    except Exception as error:  # foreign code: whatever it raises is told to the host
        return _told(error)
    return made


def _told(error: Exception) -> Answer:
    if isinstance(error, ScannerFailed | ConfigError):
        return Answer(failed=str(error))
    traceback.print_exc()
    return Answer(fault=str(error) if isinstance(error, OrbitalError) else type(error).__name__)


def _answer(scanner: Scanner, request: Request, runner: ToolRunner, versions: Versions) -> Answer:
    state = State(scanner.database(), versions.of(scanner))
    match request.do:
        case "state":
            return Answer(state)
        case "judge":
            return Answer(state, tuple(scanner.judge(request.components)))
        case "scan":
            return _scanned(scanner, state, request, runner)


def _scanned(scanner: Scanner, state: State, request: Request, runner: ToolRunner) -> Answer:
    folder = Path(request.folder)
    runner.folder = folder
    found = scanner.scan(Target(request.filename, request.sha256, folder, request.components, runner))
    answers = folder.parent / "answer"
    answers.mkdir()
    (answers / "raw").write_bytes(found.raw)
    for number, body in enumerate(found.documents.values()):
        (answers / str(number)).write_bytes(body)
    return Answer(state, (found.report,), tuple(found.documents))


if __name__ == "__main__":
    main()
