"""Records what the real tools say of the plugins' cases: python tests/scanners/recording.py [trivy|grype|syft ...]

What they write is kept as it is, but for long lists and texts, which are cut, and for grype's own settings.
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from real import CLASSES, build_databases, cases, recorded, scanner

from orbitalreg.interfaces import Runner, Scanner, ToolRun
from orbitalreg.interfaces.tools import version_of
from orbitalreg.model import Staged
from orbitalreg.testing.targets import make_target, run_tool

TEXT, ITEMS = 200, 3
CUT = {"References", "urls", "properties", "externalRefs", "refs"}
DROPPED = {"configuration", "Fingerprint", "matchDetails", "vulnerabilities"}


def main(names: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        databases = Path(folder) / "databases"
        databases.mkdir()
        build_databases(databases)
        for name in names or CLASSES:
            (recorded(name) / "version").write_bytes(printed_version(scanner(name, databases), Path(folder)))
            for case, staged, kept in cases(name):
                kept.mkdir(exist_ok=True)
                for file, data in outputs(scanner(name, databases), staged, Path(folder) / name / case).items():
                    (kept / file).write_bytes(trimmed(data.replace(folder.encode(), b"/scan")))


def printed_version(made: Scanner, folder: Path) -> bytes:
    """What the tool prints when the host asks it for its version."""
    found: list[bytes] = []

    def run(arguments: Sequence[str], **more: Any) -> ToolRun:
        done = run_tool(arguments, **more)
        found.append(done.stdout)
        return done

    assert made.tool is not None
    version_of(made.tool, run, folder)
    return found[0]


def outputs(made: Scanner, staged: Staged, folder: Path) -> Mapping[str, bytes]:
    """What the tool printed, as `stdout`, and the JSON that it wrote beside that."""
    found: dict[str, bytes] = {}
    target = make_target(staged, folder)

    def run(arguments: Sequence[str], **more: Any) -> ToolRun:
        done = run_tool(arguments, **more)
        found["stdout"] = done.stdout
        found.update({path.name: path.read_bytes() for path in more["folder"].glob("*.json")})
        return done

    keeping: Runner = run
    made.scan(replace(target, run=keeping))
    return found


def trimmed(data: bytes) -> bytes:
    return json.dumps(_cut(json.loads(data), ""), indent=1, sort_keys=True).encode() + b"\n" if data.strip() else b""


def _cut(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _cut(item, name) for name, item in value.items() if name not in DROPPED}
    if isinstance(value, list):
        kept = [item for item in value if not (key == "externalRefs" and "cpe" in item.get("referenceType", ""))]
        return [_cut(item, key) for item in (kept[:ITEMS] if key in CUT else kept)]
    return value[:TEXT] if isinstance(value, str) and key in ("Description", "description") else value


if __name__ == "__main__":
    main(sys.argv[1:])
