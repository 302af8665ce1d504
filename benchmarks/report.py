"""results.md: the figures as tables."""

from benchmarks.points import OURS, Bound, Figures, Result
from benchmarks.proxies import UPSTREAM

NAMES = {
    "ratio": "ratio",
    "cpu_ms": "CPU ms",
    "cpu_ratio": "CPU ratio",
    "value": "",
    "memory_mb": "MB",
    "later_ms": "first byte, ms after the reference's,",
    "fetches": "upstream requests",
}
PEERS = ("devpi", "pypiserver", "proxpi")
MORE = {"first_ms": "first byte, ms", "fetches": "upstream requests"}
"""Figures that few points have, with the heads of their columns."""

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
- The *upstream* of remotes is a server that waits 50 ms before each answer and sends 25 MB/s on each connection;
  where it is the reference, the same client asked it directly. What is cold was asked for once, by eight clients (or
  all of the herd) with a kept connection each, written in Python and on the same cores: on a busy machine a ratio
  there says as much about the clients. A herd's first byte is the median of its clients'.
- Through a virtual of five, a package of which local members hold a version is served by them alone, and a devpi
  index with a mirror among its bases does likewise. proxpi has no such thing; it stands beside them as the proxy it is.
- The first byte and the upstream's requests are told of each server in the order of the columns before them.
- The real packages are those whose metadata is installed on the machine, in environments of this tree and of the
  interpreter and below `$ORBITALREG_METADATA`: an index on loopback has their pages, 50 ms away, and no file. No
  public index is asked. So the world is another one on each machine; where a version asks for what is not there, the
  requirement leads to nothing. Commands are whole processes, from their start on.
- Memory is proportional set size: of an upload and of a herd, what was added at the peak; of a start, what was held
  after some load.
"""


Section = tuple[str, dict[str, str], list[Result]]
"""A workload: its title, what it was measured on, and the results."""


def render(sections: list[Section]) -> str:
    everything = [result for _, _, results in sections for result in results]
    met = [bound for result in everything for bound in judged(result)]
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Written by `make bench`. *ratio*: to nginx with the same data as files, or to what the last column has.",
            "",
            f"**{sum(met)} of {len(met)} targets are met.** ![CPU time a request](results.svg)",
            "",
            *(line for title, _, results in sections for line in (f"## {title}", "", *_table(results), "")),
            "## CPU time of the server, ms a request (an upload, an install)",
            "",
            *_cpu_table(everything),
            "",
            *_faults(everything),
            *_abouts(sections),
            "## How far to trust it",
            "",
            TRUST,
        ]
    )


def _abouts(sections: list[Section]) -> list[str]:
    """What was measured on the same occasion is told of together."""
    occasions: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for title, about, _ in sections:
        occasions.setdefault(tuple(about.items()), []).append(title)
    lines = ["## Measured on", ""]
    for told, titles in occasions.items():
        lines += [f"**{'; '.join(titles)}**", "", *(f"- {name}: {text}" for name, text in told), ""]
    return lines


def judged(result: Result) -> list[bool]:
    """Whether each target of the point is met; a figure that is missing is not."""
    figures = [(bound, getattr(result.ours, bound.of)) for bound in result.bounds]
    return [figure is not None and bound.met(figure) for bound, figure in figures]


def _table(results: list[Result]) -> list[str]:
    """With columns for what the workload has figures of."""
    peers = [name for name in PEERS if any(name in result.figures for result in results)]
    more = [name for name in MORE if any(getattr(result.ours, name) is not None for result in results)]
    heads = ["work", "", "unit", OURS, "reference", *peers, *(MORE[name] for name in more)]
    heads += ["ratio", "spread", "target", "met", "against"]
    right = {OURS, "reference", "ratio", "spread", *peers, *MORE.values()}
    rows = [_row(heads), "|" + "|".join("--:" if head in right else "---" for head in heads) + "|"]
    for result in results:
        ours = result.ours
        cells = [result.work, result.variant, result.unit, _with_memory(ours)]
        cells += [_with_memory(result.figures.get(name)) for name in (result.reference, *peers)]
        cells += [_each(result, name, (OURS, result.reference, *peers)) for name in more]
        cells += [number(ours.ratio), "" if ours.spread is None else f"{ours.spread:.0%}"]
        cells.append("; ".join(map(_target, result.bounds)))
        cells.append("; ".join("yes" if met else "**no**" for met in judged(result)))
        rows.append(_row([*cells, result.reference]))
    return rows


def _each(result: Result, what: str, names: tuple[str, ...]) -> str:
    """One figure of each server that has figures here, in the order of the columns."""
    found = [getattr(figures, what) for name in names if (figures := result.figures.get(name))]
    return " / ".join("?" if figure is None else number(figure) for figure in found) if any(found) else ""


def _cpu_table(results: list[Result]) -> list[str]:
    columns = ("nginx", OURS, *PEERS, UPSTREAM, "sink")
    heads = [
        "work",
        "",
        *columns,
        f"{OURS} as the reference",
        "p50 / p99 of ours, ms",
        "bytes of an answer, ours / the reference's",
    ]
    rows = [_row(heads), "|---|---|" + "--:|" * (len(columns) + 3)]
    for result in results:
        if result.ours.cpu_ms is None:
            continue
        cells = [result.work, result.variant]
        cells += [number(figures.cpu_ms) if (figures := result.figures.get(name)) else "" for name in columns]
        cells.append(number(result.figures[result.reference].cpu_ms) if result.reference.startswith(OURS) else "")
        cells.append(_pair(result.ours.p50_ms, result.ours.p99_ms))
        cells.append(_pair(result.ours.bytes, result.figures[result.reference].bytes))
        rows.append(_row(cells))
    return rows


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


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
