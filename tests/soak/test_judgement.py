"""The judge finds a leak and lets noise pass: else a soak would show nothing."""

import csv
import random
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import pytest
from harness import MIB
from sampling import Allowance, Sample, draw, judge, write_csv

MEMORY = Allowance("rss", "memory", MIB, noise=4.0, per_10k=0.25)
THREADS = Allowance("threads", "threads", 1, noise=0.0)


def samples(leaked_per_request: float = 0.0, threads: int = 19, warm_up: float = 0.0) -> list[Sample]:
    """An hour at 300 requests a second; memory swings by 10 MiB, now and then by 60."""
    chance = random.Random(7)
    found = []
    for second in range(0, 3600, 3):
        requests = second * 300
        swing = chance.choices([10, 60], [30, 1])[0] * MIB * chance.random()
        rss = 90 * MIB + swing + leaked_per_request * requests - max(0.0, warm_up * (900 - second))
        found.append(Sample(second, requests, int(rss), 50, threads, 4 * MIB, 8 * MIB, 60 * MIB))
    return found


def test_noise_passes() -> None:
    assert not any(growth.too_much for growth in judge(samples(), [MEMORY, THREADS]))


def test_what_grows_until_it_is_warm_passes() -> None:
    assert not any(growth.too_much for growth in judge(samples(warm_up=60_000), [MEMORY]))


@pytest.mark.parametrize("leaked", [64, 1000])
def test_a_leak_of_one_small_object_a_request_is_found(leaked: int) -> None:
    (growth,) = judge(samples(leaked_per_request=leaked), [MEMORY])
    assert growth.too_much, growth


def test_one_thread_more_is_found() -> None:
    parts = [*islice(samples(), 800), *samples(threads=20)[800:]]
    assert judge(parts, [THREADS])[0].too_much


def test_too_few_samples_say_so() -> None:
    with pytest.raises(AssertionError, match="too few"):
        judge(samples()[:12], [MEMORY])


def test_samples_and_picture_are_kept(tmp_path: Path) -> None:
    taken = samples()
    write_csv(tmp_path / "samples.csv", taken)
    with (tmp_path / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(taken) and rows[1]["rss"] == str(taken[1].rss)
    picture = draw("A < B", taken, [MEMORY, THREADS])
    ElementTree.fromstring(picture)
    assert picture.count("<polyline") == 2 and len(picture) < 40_000
