"""What it costs to sign in: the same page of the same server without a token and with one."""

from collections.abc import Callable, Iterator

from benchmarks.corpus import Sizes, ordinary
from benchmarks.load import Sample, read
from benchmarks.points import OURS, RATE, Bound, Point
from benchmarks.running import Server
from benchmarks.statictree import JSON_PAGE


def signing(ours: Server, sizes: Sizes) -> Iterator[Point]:
    """The same page of the same server without a token and with one.

    They differ by a few hundredths, and a machine's load by more from one second to the next: short rounds.
    """
    anonymous, urls = f"{OURS}, anonymous", [ours.page(ordinary(number)) for number in range(sizes.asked)]
    headers = {"Accept": JSON_PAGE}

    def run(more: dict[str, str]) -> Callable[[], Sample]:
        return lambda: read(urls, 8, max(1, int(sizes.seconds) // 5), ours.pid, headers | more)

    yield Point(f"package page, 5 files: signed in against {anonymous}", "JSON, c=8", RATE,
                 {anonymous: run({}), OURS: run(ours.headers)}, (Bound("cpu_ratio", 1.10, at_least=False),),
                 anonymous, rounds_factor=8)  # fmt: skip
