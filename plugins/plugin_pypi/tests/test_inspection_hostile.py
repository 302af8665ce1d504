"""Every hostile case is refused in one plain line, fast, and within little memory."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from archives_corpus import CASES
from orbitalreg_pypi.inspection import inspect

from orbitalreg.errors import UploadRefused

MOST_SECONDS = 5
"""Of this thread's work: another's does not count."""
MOST_MEMORY = 256 << 20

# Inspects every file of a list, as a child process of the host would, and prints what did not end in a refusal.
CHILD = """
import json, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
from orbitalreg.errors import UploadRefused
from orbitalreg_pypi.inspection import inspect
failures = {}
for name, (path, filename) in json.loads(Path(sys.argv[1]).read_text()).items():
    try:
        failures[name] = repr(inspect(Path(path), filename, {}))[:200]
    except UploadRefused:
        pass
    except BaseException as error:
        failures[name] = repr(error)[:200]
print(json.dumps(failures))
"""


@pytest.mark.parametrize("name", CASES)
def test_refused(name: str, tmp_path: Path) -> None:
    filename, data = CASES[name].build()
    path = tmp_path / "staged"
    path.write_bytes(data)
    before = time.thread_time()
    with pytest.raises(UploadRefused) as caught:
        inspect(path, filename, {})
    assert time.thread_time() - before < MOST_SECONDS
    reason = str(caught.value)
    assert reason.startswith(f"{filename} is refused: ")
    assert CASES[name].reason in reason
    assert reason.isascii()
    assert reason.isprintable()
    assert len(reason) < 500


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space are Linux's")
def test_all_of_them_in_limited_memory(tmp_path: Path) -> None:
    listed = {}
    for name, case in CASES.items():
        filename, data = case.build()
        path = tmp_path / name
        path.write_bytes(data)
        listed[name] = (str(path), filename)
    (tmp_path / "list.json").write_text(json.dumps(listed))
    command = [sys.executable, "-c", CHILD, str(tmp_path / "list.json"), str(MOST_MEMORY)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={"PYTHONPATH": ":".join(sys.path)}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}
