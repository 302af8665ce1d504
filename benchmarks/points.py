"""A point that is measured: what is run on which server, and the figures that came of it."""

import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from benchmarks.load import LoadFailed, Sample

OURS = "OrbitalReg"
RATE, SPEED, UPLOADS, TIME = "requests/s", "MB/s", "uploads/s", "s"


@dataclass(frozen=True)
class Bound:
    """What our figure has to reach. `of` is a name in `Figures`; a ratio is to the point's reference."""

    of: str
    limit: float
    at_least: bool = True

    def met(self, figure: float) -> bool:
        return figure >= self.limit if self.at_least else figure <= self.limit


@dataclass(frozen=True)
class Point:
    work: str
    variant: str
    unit: str
    run: dict[str, Callable[[], Sample]]  # by server; in this order in each round
    bounds: tuple[Bound, ...] = ()
    reference: str = "nginx"
    rounds_factor: float = 1


@dataclass
class Figures:
    """Medians of one server at one point; `spread` is (largest - smallest) / median of the value over the rounds."""

    value: float | None = None
    ratio: float | None = None  # median over the rounds of the ratio to the reference in the same round
    spread: float | None = None
    cpu_ms: float | None = None
    cpu_ratio: float | None = None  # as `ratio`, of CPU time a request
    p50_ms: float | None = None
    p99_ms: float | None = None
    bytes: float | None = None
    memory_mb: float | None = None
    first_ms: float | None = None
    later_ms: float | None = None  # median over the rounds of how much later than the reference's the first byte came
    fetches: float | None = None
    fault: str | None = None
    values: list[float] = field(default_factory=list)  # of each round


@dataclass
class Result:
    """A point with its figures, as it is kept in results.json."""

    work: str
    variant: str
    unit: str
    reference: str
    bounds: list[Bound]
    figures: dict[str, Figures] = field(default_factory=dict)

    @property
    def ours(self) -> Figures:
        return self.figures[OURS]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, kept: dict[str, Any]) -> Self:
        bounds = [Bound(**bound) for bound in kept["bounds"]]
        figures = {name: Figures(**its) for name, its in kept["figures"].items()}
        return cls(**{**kept, "bounds": bounds, "figures": figures})


def measure(point: Point, rounds: int) -> Result:
    """Interleaved rounds: A B C A B C. A server that fails at a point is a result, not the end of the run."""
    samples: dict[str, list[Sample | None]] = {name: [] for name in point.run}
    faults: dict[str, str] = {}
    for number in range(max(1, round(rounds * point.rounds_factor))):
        for name, run in point.run.items():
            try:
                sample = run()
            except (LoadFailed, OSError, RuntimeError, TimeoutError) as error:
                faults[name] = str(error) or repr(error)
                samples[name].append(None)
                continue
            samples[name].append(sample)
            said = f"{point.work}, {point.variant}: {name} {sample.value:.4g} {point.unit}"
            print(f"  {number + 1} {said}", file=sys.stderr)
    result = Result(point.work, point.variant, point.unit, point.reference, list(point.bounds))
    for name, its in samples.items():
        result.figures[name] = _figures(its, samples.get(point.reference, []), faults.get(name))
    return result


def _figures(samples: list[Sample | None], reference: list[Sample | None], fault: str | None) -> Figures:
    good = [sample for sample in samples if sample]
    if not good:
        return Figures(fault=fault)
    values = [sample.value for sample in good]
    pairs = [(mine, its) for mine, its in zip(samples, reference, strict=False) if mine and its]
    ratios = [mine.value / its.value for mine, its in pairs]
    middle = statistics.median(values)
    figures = Figures(middle, statistics.median(ratios) if ratios else None, fault=fault, values=values)
    cpu = [mine.cpu_ms / its.cpu_ms for mine, its in pairs if mine.cpu_ms and its.cpu_ms]
    figures.cpu_ratio = statistics.median(cpu) if cpu else None
    later = [mine.first_ms - its.first_ms for mine, its in pairs if mine.first_ms and its.first_ms]
    figures.later_ms = statistics.median(later) if later else None
    figures.spread = (max(values) - min(values)) / middle if len(values) > 1 else None
    for name in ("cpu_ms", "p50_ms", "p99_ms", "bytes", "memory_mb", "first_ms", "fetches"):
        known = [value for sample in good if (value := getattr(sample, name)) is not None]
        setattr(figures, name, statistics.median(known) if known else None)
    return figures
