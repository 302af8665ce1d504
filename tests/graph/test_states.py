"""Any sequence of changes leaves the graphs as they would be, had they been built from nothing."""

import tempfile
from pathlib import Path
from typing import Any

from graphs import World, anew, content
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

TEXT = """
[projects.acme.repositories]
internal = { format = "pypi", kind = "local" }
vendor = { format = "pypi", kind = "local" }
mirror = { format = "pypi", kind = "remote", upstream = "http://127.0.0.1:1/simple" }
all-libs = { format = "pypi", kind = "virtual", members = ["internal", "vendor", "mirror"], guard = false }
slow = { format = "pypi", kind = "virtual", members = ["internal", "mirror"], min_age = "1d" }
[graph]
environments = ["cpython-3.12-linux-x86_64", "cpython-3.9-linux-x86_64"]
"""

PACKAGES = ("a", "b", "c", "d")
pins = st.builds("{}=={}".format, st.sampled_from(PACKAGES), st.sampled_from(["1.0", "1.1", "2.0b1", "2.0"]))
texts = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(PACKAGES),
    st.sampled_from(["", "", "[x]", "[y,x]"]),
    st.sampled_from(["", "", "<2", ">=1.1", "==1.0", "!=2.0,>1.0", ">9"]),
    st.sampled_from(["", "", "; extra == 'x'", "; extra == 'y'", "; python_version < '3.10'"]),
)
odd = st.sampled_from(["e @ https://127.0.0.1:1/e-1.tar.gz", "?? no requirement", "missing-lib", "missing-lib[z]>1"])
requirements = st.lists(st.one_of(texts, texts, texts, odd), max_size=4)
locals_ = st.sampled_from(["acme/internal", "acme/vendor"])


class Stops:
    """True from the so-manieth question on."""

    def __init__(self, count: int) -> None:
        self._left = count

    def __call__(self) -> bool:
        self._left -= 1
        return self._left < 0


class Graphs(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name), TEXT)
        self.held: set[tuple[str, str]] = set()
        self.told: set[str] = set()
        self.steps = 0

    def teardown(self) -> None:
        try:
            self.in_step()
        finally:
            self.world.close()
            self.folder.cleanup()

    def _local(self, data: Any) -> tuple[str, str]:
        return data.draw(st.sampled_from(sorted(self.held)))  # type: ignore[no-any-return]

    @rule(pin=pins, requirements=requirements, to=locals_)
    def publish(self, pin: str, requirements: list[str], to: str) -> None:
        if (pin, to) not in self.held:
            self.world.put(pin, *requirements, to=to)
            self.held.add((pin, to))

    @rule(pin=pins, requirements=requirements, document=st.booleans())
    def tell(self, pin: str, requirements: list[str], document: bool) -> None:
        self.world.tell(pin, *requirements, document=document)
        self.told.add(pin)

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def cache(self, data: Any) -> None:
        self.world.cache(data.draw(st.sampled_from(sorted(self.told))))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), reason=st.sampled_from(["", None]))
    def yank(self, data: Any, reason: str | None) -> None:
        pin, to = self._local(data)
        self.world.yank(pin, reason, to=to)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        pin, to = self._local(data)
        self.world.delete(pin, to=to)
        self.held.remove((pin, to))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), ids=st.lists(st.sampled_from(["CVE-2020-1", "CVE-2020-2"]), unique=True))
    def report(self, data: Any, ids: list[str]) -> None:
        pin, to = self._local(data)
        self.world.report(pin, *ids, to=to)

    @rule(pin=pins)
    def allow(self, pin: str) -> None:
        self.world.allow(pin, "acme/slow")

    @rule(count=st.integers(1, 12))
    def update_a_little(self, count: int) -> None:
        updater = self.world.registry.graph.updater
        updater.reconcile()
        updater.update(Stops(count))

    @rule()
    def in_step(self) -> None:
        self.world.update()
        assert content(self.world.registry) == anew(self.world)


TestGraphs = Graphs.TestCase
TestGraphs.settings = settings(
    max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
