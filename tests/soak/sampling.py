"""What a server holds while it works: samples of it, and whether they stay flat."""

import csv
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from html import escape
from itertools import groupby
from pathlib import Path
from statistics import median

from harness import MIB
from soaked import Server

PAGE = os.sysconf("SC_PAGE_SIZE")
WARM_UP = 0.3
"""At least this share of the samples is not judged."""

WARM_AFTER = 120_000
"""Requests of the mixed work to each process until its cache of pages, 24 MiB, holds none but pages of that work. The
heap grows until then. A run that is shorter has to do with the samples after `WARM_AT_LAST`, and the noise allowed."""

WARM_AT_LAST = 0.6


@dataclass(frozen=True)
class Sample:
    """What the serving processes hold together at one moment; sizes in bytes."""

    seconds: float
    requests: int
    """Answered so far."""
    rss: int
    descriptors: int
    threads: int
    wal: int
    catalog: int
    inspector: int
    """Resident memory of the largest child that reads uploads; there may be some, and they come and go."""


@dataclass(frozen=True)
class Allowance:
    """By how much the median of the last third may lie above that of the first."""

    measure: str
    title: str
    unit: int
    noise: float
    """However long it runs, in units."""
    per_10k: float = 0.0
    """More for each 10,000 requests between the middles of the two thirds, in units."""

    def of(self, requests: float) -> float:
        return self.noise + self.per_10k * requests / 10_000


@dataclass(frozen=True)
class Growth:
    """One measure from the first third to the last; in the allowance's units."""

    allowance: Allowance
    first: float
    last: float
    allowed: float

    @property
    def too_much(self) -> bool:
        return self.last - self.first > self.allowed

    def __str__(self) -> str:
        unit = " MiB" if self.allowance.unit == MIB else ""
        return (
            f"{self.allowance.title} {self.first:.{1 if unit else 0}f} to {self.last:.{1 if unit else 0}f}{unit} "
            f"(may grow by {self.allowed:.1f})"
        )


def warm_from(samples: Sequence[Sample], processes: int) -> int:
    """The first of the samples that is judged."""
    earliest, latest = int(len(samples) * WARM_UP), int(len(samples) * WARM_AT_LAST)
    cold = sum(sample.requests < WARM_AFTER * processes for sample in samples)
    return max(earliest, min(cold, latest))


def judge(samples: Sequence[Sample], allowances: Iterable[Allowance], processes: int = 1) -> list[Growth]:
    """How each measure grew once the server was warm. Medians: a spike is no leak."""
    warm = samples[warm_from(samples, processes) :]
    third = len(warm) // 3
    assert third >= 5, f"{len(samples)} samples are too few"
    first, last = warm[:third], warm[-third:]
    requests = median(sample.requests for sample in last) - median(sample.requests for sample in first)

    def middle(part: Sequence[Sample], allowance: Allowance) -> float:
        return float(median(getattr(sample, allowance.measure) for sample in part)) / allowance.unit

    return [
        Growth(allowance, middle(first, allowance), middle(last, allowance), allowance.of(requests))
        for allowance in allowances
    ]


class Sampler:
    """Samples the processes in a thread of its own while it is entered."""

    def __init__(self, server: Server, requests: Callable[[], int], interval: float) -> None:
        self.samples: list[Sample] = []
        self._server = server
        self._requests = requests
        self._interval = interval
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Sampler":
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._interval):
            self.samples.append(take(self._server, self._requests(), time.monotonic() - self._began))


def take(server: Server, requests: int = 0, seconds: float = 0.0) -> Sample:
    serving = server.serving
    return Sample(
        seconds=round(seconds, 2),
        requests=requests,
        rss=sum(map(_resident, serving)),
        descriptors=sum(len(_entries(pid, "fd")) for pid in serving),
        threads=sum(len(_entries(pid, "task")) for pid in serving),
        wal=_size(server.data / "catalog.sqlite3-wal"),
        catalog=_size(server.data / "catalog.sqlite3"),
        inspector=max((_resident(child) for pid in serving for child in _children(pid)), default=0),
    )


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0


def _entries(pid: int, folder: str) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/{folder}").iterdir())
    except OSError:
        return []


def _children(pid: int) -> Iterator[int]:
    for task in _entries(pid, "task"):
        try:
            yield from map(int, (task / "children").read_text().split())
        except OSError:
            continue


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


# What is kept of a run.


def write_csv(path: Path, samples: Sequence[Sample]) -> None:
    names = [field.name for field in fields(Sample)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([getattr(sample, name) for name in names] for sample in samples)


WIDTH, HEIGHT, LEFT, GAP = 720, 110, 64, 34


def draw(title: str, samples: Sequence[Sample], allowances: Sequence[Allowance], processes: int = 1) -> str:
    """A picture with one curve for each measure, from zero up; the warm-up is shaded."""
    cold = samples[warm_from(samples, processes)].seconds / samples[-1].seconds
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} '
        f'{40 + len(allowances) * (HEIGHT + GAP)}" font-family="system-ui, sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="12" y="22" font-size="14" font-weight="600">{escape(title)}</text>',
    ]
    for number, allowance in enumerate(allowances):
        parts += _curve(40 + number * (HEIGHT + GAP), samples, allowance, cold)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _curve(top: float, samples: Sequence[Sample], allowance: Allowance, cold: float) -> Iterator[str]:
    values = [getattr(sample, allowance.measure) / allowance.unit for sample in samples]
    end, peak = samples[-1].seconds, max(*values, 1.0)
    points = [
        (LEFT + sample.seconds / end * WIDTH, top + HEIGHT - value / peak * HEIGHT)
        for sample, value in zip(samples, values, strict=True)
    ]
    # One point for each pixel is all that can be seen: the highest.
    shown = [min(same, key=lambda point: point[1]) for _, same in groupby(points, key=lambda point: int(point[0]))]
    unit = ", MiB" if allowance.unit == MIB else ""
    yield f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="#f4f6f8"/>'
    yield f'<rect x="{LEFT}" y="{top}" width="{WIDTH * cold:.0f}" height="{HEIGHT}" fill="#e4e8ec"/>'
    yield f'<polyline fill="none" stroke="#2f6fde" points="{" ".join(f"{x:.0f},{y:.1f}" for x, y in shown)}"/>'
    yield f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{peak:.0f}</text>'
    yield f'<text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end">0</text>'
    yield f'<text x="{LEFT}" y="{top + HEIGHT + 14}">{escape(allowance.title + unit)}</text>'
    yield f'<text x="{LEFT + WIDTH}" y="{top + HEIGHT + 14}" text-anchor="end">{end:.0f} s</text>'
