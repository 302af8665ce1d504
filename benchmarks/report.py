"""results.md: the figures as tables."""

from benchmarks.workloads import OURS, Bound, Figures, Result

NAMES = {"ratio": "ratio", "cpu_ratio": "CPU ratio", "cpu_ms": "CPU ms", "value": "", "memory_mb": "MB"}
PEERS = ("devpi", "pypiserver")
TRUST = """\
- Everything ran on loopback and on the same cores as the load itself. Absolute figures mean little; compare ratios
  within one run, and above all CPU time a request, which other users of the machine disturb least.
- Each point was measured in interleaved rounds (A B C A B C); the figures are medians, a ratio is the median of the
  ratios within the rounds, and the spread is (largest - smallest) / median over the rounds. A difference smaller
  than a spread, or below a factor of 1.5, is none. At one connection nginx has two states; its small answers at
  eight are bounded by wrk.
- CPU time is read from `/proc` for the server's whole process tree, in ticks of 10 ms, children that have ended
  included.
- A server that is threads in one Python process may cost more CPU a request on two cores than on one, where its
  interpreter lock need not change cores. Figures of ours that differ by a factor of two between similar points may
  come from that.
- *sink* is a server that reads an upload and answers, so it is the client's own ceiling; the ratio of uploads is to
  it. Uploads go into the filled stores. What a sync costs is said above: we sync each upload three times or
  more before the answer, pypiserver never does.
- "with a token" is asked of a second process over the same data, whose repository answers 401 to anybody without
  one.
- Memory is proportional set size: of an upload, what was added at the peak; of a start, what was held after some
  load.
"""


def render(results: list[Result], about: dict[str, str]) -> str:
    met = [bound for result in results for bound in judged(result)]
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Written by `make bench`. *ratio*: to nginx with the same data as files, or to what the last column has.",
            "",
            *(f"- {name}: {text}" for name, text in about.items()),
            "",
            f"**{sum(met)} of {len(met)} targets are met.** ![CPU time a request](results.svg)",
            "",
            "## Figures",
            "",
            *_table(results),
            "",
            "## CPU time of the server, ms a request (an upload, an install)",
            "",
            *_cpu_table(results),
            "",
            *_faults(results),
            "## How far to trust it",
            "",
            TRUST,
        ]
    )


def judged(result: Result) -> list[bool]:
    """Whether each target of the point is met; a figure that is missing is not."""
    figures = [(bound, getattr(result.ours, bound.of)) for bound in result.bounds]
    return [figure is not None and bound.met(figure) for bound, figure in figures]


def _table(results: list[Result]) -> list[str]:
    rows = [
        "| work | | unit | OrbitalReg | reference | devpi | pypiserver | ratio | spread | target | met | against |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|---|---|---|",
    ]
    for result in results:
        ours = result.ours
        cells = [result.work, result.variant, result.unit, _with_memory(ours)]
        cells += [_with_memory(result.figures.get(name)) for name in (result.reference, *PEERS)]
        cells += [number(ours.ratio), "" if ours.spread is None else f"{ours.spread:.0%}"]
        cells += [
            "; ".join(map(_target, result.bounds)),
            "; ".join("yes" if met else "**no**" for met in judged(result)),
        ]
        rows.append("| " + " | ".join([*cells, result.reference]) + " |")
    return rows


def _cpu_table(results: list[Result]) -> list[str]:
    columns = ("nginx", OURS, *PEERS, "sink")
    rows = ["| work | | " + " | ".join(columns) + " | p50 / p99 of ours, ms | bytes of an answer, ours / nginx |"]
    rows.append("|---|---|" + "--:|" * (len(columns) + 2))
    for result in results:
        if result.ours.cpu_ms is None:
            continue
        cells = [result.work, result.variant]
        cells += [number(figures.cpu_ms) if (figures := result.figures.get(name)) else "" for name in columns]
        cells.append(_pair(result.ours.p50_ms, result.ours.p99_ms))
        cells.append(_pair(result.ours.bytes, result.figures[result.reference].bytes))
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def faults(results: list[Result]) -> list[str]:
    """What could not be measured, a line for each server and point."""
    return [
        f"{result.work}, {result.variant}: {name}: {figures.fault}"
        for result in results
        for name, figures in result.figures.items()
        if figures.fault
    ]


def _faults(results: list[Result]) -> list[str]:
    found = [f"- {line}" for line in faults(results)]
    return ["## What failed", "", *found, ""] if found else []


def _target(bound: Bound) -> str:
    sign = "≥" if bound.at_least else "≤"
    return " ".join(filter(None, (NAMES[bound.of], sign, f"{bound.limit:g}")))


def _with_memory(figures: Figures | None) -> str:
    if figures is None:
        return ""
    if figures.value is None:
        return "failed"
    memory = "" if figures.memory_mb is None else f" ({figures.memory_mb:.0f} MB)"
    return number(figures.value) + memory


def _pair(first: float | None, second: float | None) -> str:
    return "" if first is None or second is None else f"{number(first)} / {number(second)}"


def number(value: float | None) -> str:
    """Three significant digits, without exponents."""
    if not value:
        return "" if value is None else "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.5f}".rstrip("0")
