"""What `orbitalreg doctor` looks at: whether this machine can keep a registry's data safe."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orbitalreg.catalog import FILENAME, SQLITE_VERSION

GOOD, WARNING, BAD = "good", "warn", "bad"
SOUND_SQLITE = (3, 51, 3)
ENOUGH_BYTES = 1 << 30
NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "glusterfs")
BUILT_AFTER = 1_767_225_600  # 2026-01-01: a clock before it is wrong


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `says` has the remedy where one is needed."""

    subject: str
    state: str
    says: str


def examine(data: Path) -> list[Finding]:
    """Everything, for the data folder `data`, which may not exist yet."""
    existing = next(folder for folder in (data, *data.absolute().parents) if folder.exists())
    return [
        Finding("python", GOOD, sys.version.split()[0]),
        sqlite(SQLITE_VERSION),
        _disk(existing),
        _file_system(existing),
        _permissions(data, existing),
        clock(time.time(), list(_times_of(data))),
    ]


def sqlite(version: str) -> Finding:
    """Several connections could corrupt the write-ahead log before 3.51.3."""
    if tuple(map(int, version.split("."))) >= SOUND_SQLITE:
        return Finding("sqlite", GOOD, version)
    sound = ".".join(map(str, SOUND_SQLITE))
    return Finding("sqlite", WARNING, f"{version} is older than {sound}, which mends a corruption: install pysqlite3")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    says = f"{free / (1 << 30):.1f} GiB free"
    return Finding("disk", GOOD, says) if free >= ENOUGH_BYTES else Finding("disk", BAD, f"only {says}; make room")


def _file_system(folder: Path) -> Finding:
    kind = _mounted_as(folder)
    if kind in NETWORK_FILE_SYSTEMS:
        return Finding("file system", BAD, f"{kind} loses data under SQLite; use a local disk")
    return Finding("file system", GOOD, kind or "not told by this system")


def _mounted_as(folder: Path) -> str | None:
    """The kind of the file system that holds `folder`, where the system lists its mounts."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return None
    resolved = folder.resolve()
    fields = [line.split() for line in mounts.read_text().splitlines()]
    holding = [(point, kind) for _, point, kind, *_ in fields if resolved.is_relative_to(point.replace("\\040", " "))]
    return max(holding, key=lambda pair: len(pair[0]))[1] if holding else None


def _permissions(data: Path, existing: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=existing) as probe:
            probe.write(b"x")
            os.fsync(probe.fileno())
    except OSError as error:
        return Finding("permissions", BAD, f"{existing} cannot be written: {error.strerror}")
    if data.exists() and data.stat().st_mode & 0o007:
        return Finding("permissions", WARNING, f"{data} is open to every user of this machine: chmod 700 {data}")
    return Finding("permissions", GOOD, f"{data if data.exists() else existing} can be written")


def _times_of(data: Path) -> Iterator[float]:
    for name in (FILENAME, f"{FILENAME}-wal"):
        if (data / name).exists():
            yield (data / name).stat().st_mtime


def clock(now: float, written: list[float]) -> Finding:
    """Upload times and expiries come from it: it must not lie before what was written already."""
    latest = max(written, default=0.0)
    if now < BUILT_AFTER or now < latest - 60:
        return Finding("clock", BAD, "it runs behind the data that was written already; set it (NTP)")
    return Finding("clock", GOOD, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)))
