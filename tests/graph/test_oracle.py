"""Exposures of whole repositories against a plain search: what adapter, graph and reading say together.

The search below shares nothing with them but `packaging`. Every day goes through a few repositories, `make stress`
through 1,000 (ORBITALREG_GRAPHS says how many).
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from ulid import ULID

from orbitalreg import config
from orbitalreg.assembly import Registry, assemble
from orbitalreg.catalog import blobs, files, reports, repositories
from orbitalreg.exposures import KnownExposures
from orbitalreg.findings import Exposure
from orbitalreg.graph.explaining import Change, Outlook, Outlooks
from orbitalreg.model import Address, File, Finding, Report, ReportStatus, Severity, now

EXAMPLES = int(os.environ.get("ORBITALREG_GRAPHS", "20"))

MARKERS: dict[str, dict[str, str]] = {
    "cpython-3.12-linux-x86_64": {"sys_platform": "linux", "python_version": "3.12", "python": "3.12.13"},
    "cpython-3.9-linux-x86_64": {"sys_platform": "linux", "python_version": "3.9", "python": "3.9.25"},
    "cpython-3.12-windows-x86_64": {"sys_platform": "win32", "python_version": "3.12", "python": "3.12.13"},
}
CONFIGURATION = f"""
[data]
path = "data"

[graph]
environments = {sorted(MARKERS)!r}

[projects.acme.repositories]
internal = {{ format = "pypi", kind = "local" }}
"""

State = tuple[str, str, tuple[str, ...]]
Pin = tuple[str, str]


@dataclass(frozen=True)
class Released:
    """One version, of which there is one file."""

    requirements: tuple[str, ...] = ()
    requires_python: str = ""
    tag: str = "py3-none-any"
    is_yanked: bool = False
    faults: tuple[tuple[str, ...], ...] = ()


Repo = dict[Pin, Released]

# What is drawn

NAMES = ("a", "b", "c", "d-e")
VERSIONS = ("1.0", "1.1", "2.0", "2.1a1", "3.0")
SPECIFIERS = (
    "",
    "",
    "",
    ">=1.1",
    "<2",
    "<=1.1",
    "==1.0",
    "==2.0",
    "==2.1a1",
    "!=3.0",
    "<1",
    ">9",
    ">=2.1a1",
    "~=1.0",
    "==2.*",
)
CONDITIONS = (
    "",
    "",
    "",
    'sys_platform == "win32"',
    'python_version < "3.10"',
    'extra == "x"',
    'extra == "y"',
    'extra == "x" and sys_platform == "linux"',
)
FAULTS = (("CVE-1",), ("CVE-1", "GHSA-1"), ("GHSA-1",), ("CVE-2",))


@st.composite
def requirement_texts(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from((*NAMES, *NAMES, "missing")))
    extras = draw(st.sampled_from(("", "", "", "[x]", "[x,y]")))
    specifier, condition = draw(st.sampled_from(SPECIFIERS)), draw(st.sampled_from(CONDITIONS))
    if draw(st.integers(0, 20)) == 20:
        return draw(st.sampled_from((f"{name} @ https://example.org/{name}.whl", "what is this?", f"{name} (")))
    return f"{name}{extras}{specifier}" + (f"; {condition}" if condition else "")


released = st.builds(
    Released,
    st.lists(requirement_texts(), max_size=3, unique=True).map(tuple),
    st.sampled_from(("", "", "", ">=3.10", "<3.10")),
    st.sampled_from(("py3-none-any", "py3-none-any", "py3-none-any", "py3-none-win_amd64")),
    st.sampled_from((False, False, False, True)),
    st.sampled_from(((), (), (), (), *((ids,) for ids in FAULTS), (FAULTS[1], FAULTS[3]))),
)
repos = st.dictionaries(st.tuples(st.sampled_from(NAMES), st.sampled_from(VERSIONS)), released, min_size=6, max_size=16)


# The plain search


class Plain:
    """What follows from a repository, found the long way."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo

    def requirements(self, state: State, environment: str) -> list[tuple[str, Requirement]]:
        """Those that count and can be read, with their words."""
        found = []
        for text in self.repo[state[:2]].requirements if state[:2] in self.repo else ():
            try:
                parsed = Requirement(text)
            except InvalidRequirement:
                continue
            known = {**MARKERS[environment], "extra": ""}
            wanted = [known, *({**known, "extra": extra} for extra in state[2])]
            if parsed.marker is None or any(parsed.marker.evaluate(one) for one in wanted):
                found.append((text, parsed))
        return found

    def allowed(self, package: str, specifier: SpecifierSet, environment: str) -> list[str]:
        """The versions that an installer may take, the greatest first."""
        there = []
        for (name, version), one in self.repo.items():
            fits = one.tag == "py3-none-any" or MARKERS[environment]["sys_platform"] == "win32"
            python = SpecifierSet(one.requires_python).contains(MARKERS[environment]["python"])
            if name == package and fits and python and specifier.contains(version, prereleases=True):
                there.append(Version(version))
        if not any(part.version.endswith("a1") for part in specifier):
            there = [one for one in there if not one.is_prerelease] or there
        good = [one for one in there if not self.repo[(package, str(one))].is_yanked]
        if not good and any(part.operator == "==" and "*" not in part.version for part in specifier):
            good = there
        return [str(one) for one in sorted(good, reverse=True)]

    def candidates(self, state: State, one: Requirement, environment: str) -> list[str]:
        if one.url:
            return []
        return [state[1]] if one.name == state[0] else self.allowed(one.name, one.specifier, environment)

    def steps(self, state: State, environment: str, taken: Pin | None = None) -> Iterator[tuple[str, State]]:
        """What each requirement leads to, where one version is taken whoever asks for its package."""
        for text, one in self.requirements(state, environment):
            extras = tuple(sorted(one.extras))
            if taken is not None and one.name == taken[0] and not one.url:
                yield text, (one.name, taken[1], extras)
            elif versions := self.candidates(state, one, environment):
                yield text, (one.name, versions[0], extras)

    def reached(self, start: State, environment: str, taken: Pin | None = None) -> dict[State, int]:
        """With the number of steps, at least one."""
        found: dict[State, int] = {}
        level, steps = {start}, 0
        while level:
            steps += 1
            level = {after for state in level for _, after in self.steps(state, environment, taken)} - found.keys()
            found |= dict.fromkeys(level, steps)
        return found

    def groups(self, package: str | None) -> list[set[str]]:
        """Ids that are one vulnerability: in one package, or wherever."""
        groups: list[set[str]] = []
        for (name, _), one in self.repo.items():
            for ids in one.faults if package in (None, name) else ():
                joined = [group for group in groups if group & set(ids)]
                groups = [group for group in groups if group not in joined] + [set(ids).union(*joined)]
        return groups

    def exposures(self, start: Pin) -> dict[tuple[str, frozenset[str]], dict[str, int]]:
        """By affected package and vulnerability, the length of the shortest path in each environment."""
        found: dict[tuple[str, frozenset[str]], dict[str, int]] = {}
        for environment in MARKERS:
            for state, steps in self.reached((*start, ()), environment).items():
                if state[:2] == start or state[:2] not in self.repo:
                    continue
                for ids in self.repo[state[:2]].faults:
                    [group] = [group for group in self.groups(state[0]) if group & set(ids)]
                    lengths = found.setdefault((state[0], frozenset(group)), {})
                    lengths[environment] = min(steps, lengths.get(environment, steps))
        return found

    def affected(self, ids: set[str]) -> set[Pin]:
        [group] = [group for group in self.groups(None) if group & ids]
        return {pin for pin, one in self.repo.items() if any(group & set(fault) for fault in one.faults)}

    def unavoidable(self, affected: set[Pin], environment: str) -> set[State]:
        """The least fixpoint over everything there is."""
        extras = ((), ("x",), ("x", "y"))
        found: set[State] = set()
        while True:
            more = {
                state
                for pin in self.repo
                for state in [(*pin, some) for some in extras]
                if state not in found and any(self._all_bad(state, affected, found, environment))
            }
            if not more:
                return found
            found |= more

    def _all_bad(self, state: State, affected: set[Pin], found: set[State], environment: str) -> Iterator[bool]:
        for _, one in self.requirements(state, environment):
            versions = self.candidates(state, one, environment)
            after = [(one.name, version, tuple(sorted(one.extras))) for version in versions]
            yield bool(after) and all(each[:2] in affected or each in found for each in after)

    def upgrade(self, start: Pin, exposure: Exposure, affected: set[Pin]) -> tuple[str, str, Change] | None:
        """The first change that clears it, in the order of the docs."""
        where = exposure.environments
        for version in self._later(start, where):
            pin = (start[0], version)
            reached = [state[:2] for environment in MARKERS for state in self.reached((*pin, ()), environment)]
            if not affected & {pin, *reached}:
                return *pin, Change.ITSELF
        hops = [(asker, hop) for asker, hop in _askers(start, exposure) if hop.package != start[0]]
        for asker, hop in hops:
            for version in self._later((hop.package, hop.version), where):
                if self._clears(start, (hop.package, version), affected):
                    is_allowed = version in self._common(asker, hop.stated, where)
                    return hop.package, version, Change.ALLOWED if is_allowed else Change.WIDEN
        for asker, hop in hops:
            for version in self._common(asker, hop.stated, where):
                lower = Version(version) < Version(hop.version)
                if lower and self._clears(start, (hop.package, version), affected):
                    return hop.package, version, Change.HOLD
        return None

    def _later(self, pin: Pin, where: Sequence[str]) -> list[str]:
        lists = [self.allowed(pin[0], SpecifierSet(), environment) for environment in where]
        later = [one for one in reversed(lists[0]) if Version(one) > Version(pin[1])]
        return [one for one in later if all(one in some for some in lists)]

    def _common(self, asker: State, text: str, where: Sequence[str]) -> list[str]:
        lists = [self.candidates(asker, Requirement(text), environment) for environment in where]
        return [one for one in lists[0] if all(one in some for some in lists)]

    def _clears(self, start: Pin, taken: Pin, affected: set[Pin]) -> bool:
        for environment in MARKERS:
            reached = {state[:2] for state in self.reached((*start, ()), environment, taken)}
            if (reached - {start}) & affected:
                return False
        return True


def _askers(start: Pin, exposure: Exposure) -> list[tuple[State, Any]]:
    found, asker = [], (*start, ())
    for hop in exposure.path:
        found.append((asker, hop))
        asker = (hop.package, hop.version, hop.extras)
    return found


# What is held against it


@dataclass
class World:
    """A registry in which each repository that is drawn has names of its own."""

    registry: Registry
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def repository_id(self) -> str:
        return self.registry.repository(Address("acme", "internal")).id

    def publish(self, repo: Repo) -> None:
        with self.registry.catalog.write(lasting=False) as db:
            for (package, version), one in repo.items():
                row = repositories.ensure_package(db, self.repository_id, package)
                file = _file(package, version, one)
                blobs.hold(db, file.sha256 or "", file.sha256 or "", 1)
                files.insert(db, self.repository_id, row.id, file, "tester")
                if one.is_yanked:
                    files.set_yanked(db, [file.id], "")
                found = [Finding(ids[0], package, version, Severity.HIGH, ids[1:]) for ids in one.faults]
                reports.put(db, file.id, Report("eye", ReportStatus.OK, tuple(found)))
                reports.changed(db, "pypi", package)
                repositories.package_changed(db, row.id, +1)
        self.registry.graph.updater.reconcile()
        assert self.registry.graph.updater.update()


def _file(package: str, version: str, one: Released) -> File:
    filename = f"{package.replace('-', '_')}-{version}-{one.tag}.whl"
    attributes = {"filetype": "bdist_wheel", "requires_python": one.requires_python or None}
    return File(str(ULID()), package, version, filename, 1, str(ULID()), now(), attributes, one.requirements)


def renamed(repo: Repo, number: int) -> Repo:
    """With names and ids that no other repository has."""

    def told(text: str) -> str:
        return text if text.startswith("what") else f"p{number}-{text}"

    return {
        (f"p{number}-{package}", version): Released(
            tuple(map(told, one.requirements)),
            one.requires_python,
            one.tag,
            one.is_yanked,
            tuple(tuple(f"{name}-{number}" for name in ids) for ids in one.faults),
        )
        for (package, version), one in repo.items()
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("oracle")
    (folder / "orbitalreg.toml").write_text(CONFIGURATION)
    registry = assemble(config.load(folder / "orbitalreg.toml"))
    yield World(registry)
    registry.close()
    registry.catalog.close()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(repos)
@pytest.mark.timeout(3600)
def test_exposures_are_those_that_a_plain_search_finds(world: World, drawn: Repo) -> None:
    repo = renamed(drawn, next(world.numbers))
    world.publish(repo)
    plain, known = Plain(repo), KnownExposures(world.registry.catalog)
    views = [view for view in world.registry.graph.views if view.repository.id == world.repository_id]
    outlooks = Outlooks(world.registry.catalog, views)
    for package in sorted({package for package, _ in repo}):
        told = known.of(world.repository_id, package)
        for name, version in repo:
            if name == package:
                _hold(plain, outlooks, (package, version), told.get(version, ()))


def _hold(plain: Plain, outlooks: Outlooks, start: Pin, told: Sequence[Exposure]) -> None:
    expected = plain.exposures(start)
    assert len(told) == len(expected)
    for exposure in told:
        ids, package = set(exposure.vulnerability.ids), exposure.path[-1].package
        [group] = [group for group in plain.groups(package) if group & ids]
        lengths = expected.pop((package, frozenset(group)))
        assert (len(exposure.path), exposure.environments) == (min(lengths.values()), tuple(sorted(lengths)))
        _is_real(plain, start, exposure)
        _is_well_explained(plain, start, exposure, outlooks.of(*start, exposure))
    assert not expected


def _is_real(plain: Plain, start: Pin, exposure: Exposure) -> None:
    """Each step is what the one before asks for, in one environment, and the last has the vulnerability."""
    assert any(
        all(
            (hop.stated, (hop.package, hop.version, hop.extras)) in plain.steps(asker, environment)
            for asker, hop in _askers(start, exposure)
        )
        for environment in exposure.environments
    )
    last = exposure.path[-1]
    faults = plain.repo[(last.package, last.version)].faults
    assert any(set(ids) == set(exposure.vulnerability.ids) for ids in faults)


def _is_well_explained(plain: Plain, start: Pin, exposure: Exposure, outlook: Outlook) -> None:
    affected = plain.affected(set(exposure.vulnerability.ids))
    unavoidable = any((*start, ()) in plain.unavoidable(affected, one) for one in exposure.environments)
    assert outlook.is_unavoidable == unavoidable
    upgrade = outlook.upgrade and (outlook.upgrade.package, outlook.upgrade.version, outlook.upgrade.change)
    assert upgrade == plain.upgrade(start, exposure, affected)
