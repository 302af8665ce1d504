"""SIGHUP again and again, as a rotation of logs sends it: each former application gives back what it held."""

import os
import signal
from pathlib import Path

from harness import MIB, eventually, tell
from mixture import VISITORS, Tally, Visitor, run
from sampling import Sample, take
from soaked import Server

RELOADS = 8


def test_reloads_under_work_leave_nothing(tmp_path: Path) -> None:
    with Server(tmp_path / "reloads", 1) as server:
        after = [work(server, 0)]
        for number in range(1, RELOADS + 1):
            os.kill(server.pid, signal.SIGHUP)
            assert eventually(lambda: server.log.read_text().count('"reloaded"') == number)  # noqa: B023
            after.append(work(server, number))
        tell(
            f"\n{RELOADS} reloads: file descriptors {[sample.descriptors for sample in after]}, "
            f"threads {[sample.threads for sample in after]}, memory {[sample.rss // MIB for sample in after]} MiB"
        )
        first, last = after[1], after[-1]
        assert last.threads <= first.threads + 2, "a timer's may be there; one of each reload would be seven"
        assert last.descriptors <= first.descriptors + 16
        assert server.stop() == 0
        assert server.faults() == []


def work(server: Server, number: int) -> Sample:
    tally = Tally()
    run([Visitor(server, tally, f"reload{number}-{visitor}") for visitor in range(VISITORS)], tally, 0.7)
    assert tally.wrong == []
    return take(server)
