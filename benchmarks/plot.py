"""results.svg: CPU time a request, a group of bars for each point, on a logarithmic scale."""

import math
from html import escape

from benchmarks.points import OURS, Result
from benchmarks.proxies import UPSTREAM
from benchmarks.report import number

COLOURS = {
    OURS: "#2f6fde",
    "nginx": "#9aa3ad",
    "devpi": "#e0912f",
    "pypiserver": "#7a9e4b",
    "proxpi": "#a85fb8",
    UPSTREAM: "#c9ced4",
    "sink": "#c9ced4",
}
TITLE = "CPU time of the server, ms: one request, upload, client of a herd or install"
WIDTH, LEFT, RIGHT, TOP, BAR, GAP = 1090, 460, 90, 86, 12, 12
FONT = 'font-family="system-ui, sans-serif"'


def draw(results: list[Result]) -> str:
    """The picture as text; points without CPU figures are left out."""
    groups = [(result, bars) for result in results if (bars := _bars(result))]
    if not groups:
        return '<svg xmlns="http://www.w3.org/2000/svg"/>\n'
    values = [value for _, bars in groups for _, value in bars]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    height = TOP + sum(len(bars) * BAR + GAP for _, bars in groups) + 30

    def x(value: float) -> float:
        return LEFT + (math.log10(value) - low) / max(1, high - low) * (WIDTH - LEFT - RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {FONT}>',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        _text(20, 30, TITLE, 17, "#1d2733", weight="600"),
        *_legend({name for _, bars in groups for name, _ in bars}),
    ]
    for power in range(low, high + 1):
        at = x(10.0**power)
        parts.append(f'<line x1="{at:.1f}" y1="{TOP - 8}" x2="{at:.1f}" y2="{height - 24}" stroke="#e4e8ec"/>')
        parts.append(_text(at, height - 8, f"{10.0**power:g}", 11, "#6b7580", anchor="middle"))
    y = float(TOP)
    for result, bars in groups:
        label = ", ".join(filter(None, (result.work, result.variant)))
        parts.append(_text(LEFT - 10, y + len(bars) * BAR / 2 + 4, label, 11.5, "#1d2733", anchor="end"))
        for name, value in bars:
            parts.append(
                f'<rect x="{LEFT}" y="{y:.0f}" width="{max(1.5, x(value) - LEFT):.1f}" height="{BAR - 2}" rx="1.5" '
                f'fill="{COLOURS[name]}"><title>{escape(f"{name}: {number(value)} ms")}</title></rect>'
            )
            weight = "600" if name == OURS else "400"
            parts.append(_text(x(value) + 6, y + BAR - 3, number(value), 10, "#46505a", weight=weight))
            y += BAR
        y += GAP
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bars(result: Result) -> list[tuple[str, float]]:
    """The servers of a point with their CPU time; none where we stand beside ourselves."""
    if result.reference not in COLOURS:
        return []
    return [
        (name, figures.cpu_ms)
        for name in COLOURS
        if name not in ("sink", UPSTREAM) and (figures := result.figures.get(name)) and figures.cpu_ms
    ]


def _legend(names: set[str]) -> list[str]:
    parts, at = [], 20
    for name in (name for name in COLOURS if name in names):
        parts.append(f'<rect x="{at}" y="48" width="11" height="11" rx="2" fill="{COLOURS[name]}"/>')
        parts.append(_text(at + 17, 58, name, 12, "#46505a"))
        at += 36 + 8 * len(name)
    return parts


def _text(x: float, y: float, text: str, size: float, colour: str, anchor: str = "start", weight: str = "400") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{colour}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )
