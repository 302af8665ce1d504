"""Uploads, reads, installs, yanks and revocations at once, for long: nothing is wrong, and nothing grows."""

import shutil
from pathlib import Path

import pytest
from harness import MIB, Shell, tell
from mixture import VISITORS, Operator, Tally, Visitor, fill, load, run
from sampling import Allowance, Sampler, draw, judge, write_csv
from soaked import Server

SHARES = {1: 2 / 3, 2: 1 / 3}
"""Of all the time, by the number of processes."""

INTERVAL = 0.1

LONG = 120.0
"""From here on the caches of the catalog, 2 MiB a thread, would grow by more than is let pass as noise."""


def allowances(processes: int) -> list[Allowance]:
    return [
        Allowance("rss", "memory", MIB, noise=8.0 * processes, per_10k=0.25),
        Allowance("descriptors", "file descriptors", 1, noise=6.0 * processes),
        Allowance("threads", "threads", 1, noise=0.0),
        Allowance("wal", "write-ahead log", MIB, noise=4.0),
        Allowance("inspector", "memory of an inspecting child", MIB, noise=8.0),
    ]


@pytest.mark.parametrize("processes", SHARES, ids=["one-process", "two-processes"])
def test_mixed_work(tmp_path: Path, output: Path, seconds: float, processes: int) -> None:
    lasts = seconds * SHARES[processes]
    name = f"{processes}-process{'es' if processes > 1 else ''}"
    tally = Tally()
    with Server(tmp_path / "soaked", processes) as server:
        if seconds >= LONG:
            load(server, tally)
        keeper = fill(server, tally)
        stock = list(keeper.packages["soak-stock"].values())
        visitors = [Visitor(server, tally, f"visitor{number}", stock) for number in range(VISITORS)]
        home = tmp_path / "home"
        home.mkdir()
        operator = Operator(server, tally, Shell(home), pause=max(0.5, min(10.0, lasts / 60)))
        with Sampler(server, lambda: tally.requests, max(INTERVAL, lasts / 4000)) as sampler:
            run([*visitors, operator], tally, lasts)
        write_csv(output / f"{name}.csv", sampler.samples)
        assert tally.wrong == []
        (output / f"{name}.svg").write_text(
            draw(f"Mixed work, {name}", sampler.samples, allowances(processes), processes)
        )
        grown = judge(sampler.samples, allowances(processes), processes)
        files = sum(visitor.check() for visitor in (keeper, *visitors))
        assert tally.wrong == []
        done = ", ".join(f"{count} {what}" for what, count in sorted(tally.done.items()))
        tell(
            f"\n{name}: {tally.requests} requests in {lasts:.0f} s ({done}); {tally.times()}; {files} files compared; "
            + "; ".join(map(str, grown))
        )
        assert server.staged() == []
        assert server.spooled() == 0
        assert server.stop() == 0
        assert server.faults() == []
        assert [str(growth) for growth in grown if growth.too_much] == []
    shutil.rmtree(tmp_path / "soaked")  # hundreds of megabytes in the long form; after a failure they stay
