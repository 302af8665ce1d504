"""The limit on failed attempts: how many, from whom, for how long, in how much memory, and in how many processes."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitalreg.errors import TooManyFailures
from orbitalreg.failures import LIMIT, WINDOW_SECONDS, FailureLimit, network_of

ADDRESS = "192.0.2.1"


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def failures(clock: Clock) -> FailureLimit:
    return FailureLimit(clock)


def refused(failures: FailureLimit, address: str = ADDRESS, account: str = "ann") -> int | None:
    """The seconds that a failure is told to wait; None where it is within the limit."""
    try:
        failures.count(address, account)
    except TooManyFailures as error:
        return error.retry_after
    return None


def exhaust(failures: FailureLimit, address: str = ADDRESS, account: str = "ann") -> None:
    assert [refused(failures, address, account) for _ in range(LIMIT)] == [None] * LIMIT


def test_the_twenty_first_failure_of_a_minute_is_refused(failures: FailureLimit) -> None:
    exhaust(failures)
    assert refused(failures) == WINDOW_SECONDS


@pytest.mark.parametrize(("address", "account"), [("192.0.2.2", "ann"), (ADDRESS, "bob")])
def test_others_are_not_refused(address: str, account: str, failures: FailureLimit) -> None:
    exhaust(failures)
    assert refused(failures, address, account) is None


def test_a_failure_counts_for_a_minute(failures: FailureLimit, clock: Clock) -> None:
    exhaust(failures)
    clock.at += WINDOW_SECONDS - 1
    assert refused(failures) == 1
    clock.at += 1
    assert refused(failures) is None


def test_what_was_refused_does_not_count_again(failures: FailureLimit, clock: Clock) -> None:
    exhaust(failures)
    for _ in range(100):
        refused(failures)
    clock.at += WINDOW_SECONDS
    exhaust(failures)


def test_the_minute_slides(failures: FailureLimit, clock: Clock) -> None:
    """At no time are there more than 20 in the last 60 seconds, wherever a minute is said to begin."""
    let_pass: list[float] = []
    for _ in range(600):
        if refused(failures) is None:
            let_pass.append(clock.at)
        clock.at += 1
    assert max(sum(start <= at < start + WINDOW_SECONDS for at in let_pass) for start in let_pass) == LIMIT


def test_a_clock_that_began_just_now_is_no_reason_to_refuse() -> None:
    clock = Clock()
    clock.at = 0.5
    exhaust(FailureLimit(clock))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "unix", False),
    ],
)
def test_who_has_one_address_has_its_network(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_address_and_account_are_survived(address: str, account: str) -> None:
    FAILURES.count(f"{address}{os.urandom(4).hex()}", account)


FAILURES = FailureLimit()


def test_the_memory_is_of_one_size_and_the_oldest_are_forgotten(failures: FailureLimit, clock: Clock) -> None:
    size = len(failures._slots)
    exhaust(failures)
    for number in range(20_000):
        clock.at += 0.001
        refused(failures, account=f"user{number}")
    assert len(failures._slots) == size < 1 << 20
    assert refused(failures, account="user19999") is None


def in_threads(count: int, work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_have_one_limit_between_them(failures: FailureLimit) -> None:
    let_pass: list[int] = []

    def fail() -> None:
        let_pass.extend(1 for _ in range(20) if refused(failures) is None)

    in_threads(8, fail)
    assert len(let_pass) == LIMIT


FORKING = """
import os, sys
from orbitalreg.errors import TooManyFailures
from orbitalreg.failures import FailureLimit

failures = FailureLimit()

def passed():
    try:
        failures.count("192.0.2.1", "ann")
    except TooManyFailures:
        return 0
    return 1

children = []
for _ in range(4):
    if (pid := os.fork()) == 0:
        os._exit(sum(passed() for _ in range(20)))
    children.append(pid)
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children], passed())
"""


def test_processes_have_one_limit_between_them() -> None:
    """In a process of its own, since no thread may run beside a fork."""
    told = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, check=True).stdout
    counts, last = told.rsplit(" ", 1)
    assert (sum(json.loads(counts)), int(last)) == (LIMIT, 0)
