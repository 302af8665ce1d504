"""Makes what a scanner is handed, as the host does: documents by their paths, the bill of materials, a runner."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from orbitalreg.bom import cyclonedx
from orbitalreg.errors import ScannerFailed
from orbitalreg.interfaces import Runner, Target, ToolRun
from orbitalreg.model import Staged

PASSED_ON = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ")


def run_tool(
    arguments: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] = {},
    seconds: float = 300.0,
    max_output: int = 64 << 20,
) -> ToolRun:
    """`interfaces.Runner`, for tools that are believed: what they start themselves is not ended with them."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        done = subprocess.run(
            list(arguments),
            cwd=folder,
            env=kept | dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise ScannerFailed(f"{arguments[0]} did not end within {seconds} seconds") from None
    except OSError as error:
        raise ScannerFailed(f"{arguments[0]} cannot be started: {error.strerror}") from error
    if len(done.stdout) + len(done.stderr) > max_output:
        raise ScannerFailed(f"{arguments[0]} printed more than {max_output} bytes")
    return ToolRun(done.returncode, done.stdout, done.stderr)


def make_target(staged: Staged, folder: Path, filename: str = "", run: Runner = run_tool) -> Target:
    """The target of what an adapter's `stage` returned, laid out in the empty `folder`, where tools run too."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, body in staged.documents.items():
        place = folder / path
        if not place.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{path!r} is not below the folder")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)
    (folder / "bom.json").write_bytes(cyclonedx(staged.components))
    filename = filename or f"{staged.components[0].name}-{staged.components[0].version}"
    digest = sha256(repr((filename, sorted(staged.documents.items()))).encode()).hexdigest()
    return Target(filename, digest, folder, staged.components, _in_folder(run, folder))


def _in_folder(run: Runner, target: Path) -> Runner:
    def run_there(
        arguments: Sequence[str],
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] = {},
        seconds: float = 300.0,
        max_output: int = 64 << 20,
    ) -> ToolRun:
        place = folder or target
        return run(arguments, folder=place, environment=environment, seconds=seconds, max_output=max_output)

    return run_there
