"""Many callers, one call."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from scripted_upstream import within

from orbitalreg.upstream import SingleFlight


class Call:
    """Counts its runs, each of which lasts until `ends` is set."""

    def __init__(self) -> None:
        self.runs = 0
        self.ends = threading.Event()

    def __call__(self) -> object:
        self.runs += 1
        assert self.ends.wait(30)
        return self


def test_callers_at_the_same_time_share_one_result() -> None:
    flight, call = SingleFlight[object](), Call()
    with ThreadPoolExecutor(8) as threads:
        results = [threads.submit(flight.do, "key", call) for _ in range(8)]
        assert within(10, lambda: threads._work_queue.empty() and call.runs == 1)
        call.ends.set()
        assert {id(result.result()) for result in results} == {id(call)}
    assert call.runs == 1


def test_callers_at_the_same_time_share_one_exception() -> None:
    flight, call = SingleFlight[object](), Call()

    def fail() -> object:
        call()
        raise KeyError("gone")

    with ThreadPoolExecutor(4) as threads:
        results = [threads.submit(flight.do, "key", fail) for _ in range(4)]
        assert within(10, lambda: threads._work_queue.empty() and call.runs == 1)
        call.ends.set()
        for result in results:
            with pytest.raises(KeyError, match="gone"):
                result.result()
    assert call.runs == 1


def test_a_later_caller_starts_anew() -> None:
    flight = SingleFlight[int]()
    numbers = iter(range(9))
    assert [flight.do("key", lambda: next(numbers)) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        flight.do("key", lambda: 1 // 0)
    assert flight.do("key", lambda: next(numbers)) == 3


def test_other_keys_do_not_wait() -> None:
    flight, call = SingleFlight[object](), Call()
    with ThreadPoolExecutor(1) as threads:
        threads.submit(flight.do, "slow", call)
        assert within(10, lambda: call.runs == 1)
        assert flight.do("quick", lambda: 7) == 7
        call.ends.set()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_process_does_not_wait_for_its_parents_call() -> None:
    flight, call = SingleFlight[object](), Call()
    with ThreadPoolExecutor(1) as threads:
        threads.submit(flight.do, "key", call)
        assert within(10, lambda: call.runs == 1)
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            code = 1
            try:
                code = 0 if flight.do("key", lambda: 7) == 7 else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        call.ends.set()
