"""What policies say of a file. Pure: the file, reports on it, policies and an instant go in, a verdict comes out."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from orbitalreg.findings import Exposure, Hop, Order, Vulnerability, vulnerabilities
from orbitalreg.licenses import denied_by
from orbitalreg.model import Microseconds, Report, Severity

SECOND = 1_000_000
HOPS_TOLD = 3
"""So many steps of a longer path are named."""


class Action(StrEnum):
    """What a policy does with a file that breaks it: hold it back, or say so."""

    BLOCK = "block"
    WARN = "warn"


class Judgement(StrEnum):
    """What becomes of a file where nothing is known: of a severity, or of the file at all."""

    BLOCK = "block"
    ALLOW = "allow"


class Scope(StrEnum):
    """Whose vulnerabilities count: those in the file, or those that come with its dependencies too."""

    DIRECT = "direct"
    TRANSITIVE = "transitive"


class Show(StrEnum):
    """How a page shows a file that is blocked: not at all, or yanked with the reason."""

    ABSENT = "absent"
    YANKED = "yanked"


class Rule(StrEnum):
    """What of a policy is broken."""

    MALICIOUS = "malicious"
    SEVERITY = "severity"
    UNKNOWN_SEVERITY = "unknown_severity"
    LICENSES_DENIED = "licenses_denied"
    UNSCANNED = "unscanned"


@dataclass(frozen=True, slots=True)
class PolicyException:
    """A vulnerability, by any of its ids, that breaks nothing before `until`.

    Where `package` is given, in its files alone, and where it comes from there into others.
    """

    id: str
    reason: str
    until: Microseconds
    package: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What files must be like. `severity` None asks for none; `grace` is in seconds.

    `licenses_denied` are ids as `licenses.canonical` gives them, package names in normal form.
    """

    name: str
    action: Action = Action.BLOCK
    severity: Severity | None = None
    unknown_severity: Judgement = Judgement.BLOCK
    scope: Scope = Scope.DIRECT
    malicious: bool = True
    licenses_denied: tuple[str, ...] = ()
    unscanned: Judgement = Judgement.ALLOW
    grace: int = 0
    show: Show = Show.ABSENT
    exceptions: tuple[PolicyException, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a file.

    `scanners` are the names of those that look for vulnerabilities or malware: each of them has looked, or the file is
    unscanned. `license` is the SPDX expression that the file states. `exposures` are vulnerabilities that come with
    its dependencies, and the path of each. `order` is that of the format's versions: without it, fixes that differ are
    none.
    """

    reports: Sequence[Report] = ()
    scanners: Collection[str] = ()
    license: str | None = None
    exposures: Sequence[Exposure] = ()
    order: Order | None = None


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing in which a file breaks one policy; `text` says it without the policy's name.

    Where the vulnerability comes with a dependency, `path` leads there; else it is empty.
    """

    policy: str
    action: Action
    rule: Rule
    text: str
    vulnerability: Vulnerability | None = None
    show: Show = Show.ABSENT
    path: tuple[Hop, ...] = ()


@dataclass(frozen=True, slots=True)
class Excepted:
    """What would break a policy, if it were not excepted there."""

    policy: str
    text: str
    exception: PolicyException
    vulnerability: Vulnerability


@dataclass(frozen=True, slots=True)
class Verdict:
    """What policies say of one file, and why: the strictest first.

    `changes_at` is when time alone makes it another: a grace or an exception ends.
    """

    breaches: tuple[Breach, ...] = ()
    excepted: tuple[Excepted, ...] = ()
    changes_at: Microseconds | None = None

    @property
    def is_blocked(self) -> bool:
        return any(breach.action is Action.BLOCK for breach in self.breaches)

    @property
    def is_shown(self) -> bool:
        """Whether pages have the file: as yanked where it is blocked."""
        return all(breach.show is Show.YANKED for breach in self.breaches if breach.action is Action.BLOCK)

    @property
    def text(self) -> str:
        """For a person: what the strictest breach is, and how many others there are; empty where there is none."""
        if not self.breaches:
            return ""
        first = self.breaches[0]
        others = len({one.text for one in self.breaches if one.action is first.action}) - 1
        said = "blocked" if first.action is Action.BLOCK else "warned of"
        return f"{said} by policy {first.policy}: {first.text}" + (f" (and {others} more)" if others else "")


CLEAN = Verdict()


def decide(package: str, evidence: Evidence, policies: Iterable[Policy], instant: Microseconds) -> Verdict:
    """The verdict on a file of `package` (a name in normal form) at that instant. Of several policies each counts."""
    policies = tuple(policies)
    if not (evidence.reports or evidence.exposures or evidence.license) and all(map(_asks_no_scan, policies)):
        return CLEAN  # most files: ten thousand of them are judged while somebody waits
    case = _Case(package, evidence, policies)
    breaches, excepted = case.judged(instant)
    turns = sorted(turn for turn in case.turns() if turn > instant)
    changes_at = next((turn for turn in turns if case.judged(turn) != (breaches, excepted)), None)
    return Verdict(breaches, excepted, changes_at)


@dataclass(slots=True)
class _Case:
    """One file before its judges."""

    package: str
    evidence: Evidence
    policies: tuple[Policy, ...]
    found: tuple[Vulnerability, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.found = vulnerabilities(self.evidence.reports, self.evidence.order) if self.evidence.reports else ()

    def judged(self, instant: Microseconds) -> tuple[tuple[Breach, ...], tuple[Excepted, ...]]:
        found: dict[tuple[str, Rule, str], Breach] = {}
        opened: dict[tuple[str, str], Excepted] = {}
        for policy in self.policies:
            for said in self._of(policy, instant):
                if isinstance(said, Breach):
                    found.setdefault((said.policy, said.rule, said.text), said)
                else:
                    opened.setdefault((said.policy, said.text), said)
        return (
            tuple(sorted(found.values(), key=_strictest_first)),
            tuple(opened[key] for key in sorted(opened)),
        )

    def turns(self) -> Iterator[Microseconds]:
        packages = {None, self.package, *(one.path[-1].package for one in self.evidence.exposures)}
        for policy in self.policies:
            yield from (one.until for one in policy.exceptions if one.package in packages)
            if policy.grace:
                for one, _ in self._counted(policy):
                    if one.published_at is not None:
                        yield one.published_at + policy.grace * SECOND

    def _of(self, policy: Policy, instant: Microseconds) -> Iterator[Breach | Excepted]:
        for one, path in self._counted(policy):
            rule = _rule(policy, one)
            if rule is None or (rule is not Rule.MALICIOUS and _is_young(policy, one, instant)):
                continue
            text = _told(one, path)
            if (exception := self._exception(policy, one, path, instant)) is not None:
                yield Excepted(policy.name, text, exception, one)
            else:
                yield Breach(policy.name, policy.action, rule, text, one, policy.show, path)
        if self.evidence.license is not None and policy.licenses_denied:
            denied = denied_by(self.evidence.license, policy.licenses_denied)
            if denied is not None:
                yield _breach(policy, Rule.LICENSES_DENIED, f"its license {denied} is denied")
        if policy.unscanned is Judgement.BLOCK and (why := self._unscanned()) is not None:
            yield _breach(policy, Rule.UNSCANNED, why)

    def _counted(self, policy: Policy) -> Iterator[tuple[Vulnerability, tuple[Hop, ...]]]:
        """Each with the path on which it comes: empty for what is in the file itself."""
        yield from ((one, ()) for one in self.found)
        if policy.scope is Scope.TRANSITIVE:
            yield from ((one.vulnerability, one.path) for one in self.evidence.exposures)

    def _exception(
        self, policy: Policy, one: Vulnerability, path: Sequence[Hop], instant: Microseconds
    ) -> PolicyException | None:
        """The exception that opens it; of several the one that lasts longest."""
        ids = {name.upper() for name in (one.id, *one.ids)}
        packages = {None, self.package, *(hop.package for hop in path[-1:])}
        opening = [e for e in policy.exceptions if instant < e.until and e.id.upper() in ids and e.package in packages]
        return max(opening, key=lambda e: (e.until, e.reason), default=None)

    def _unscanned(self) -> str | None:
        """Why the file counts as one that nobody looked at."""
        if not self.evidence.scanners:
            return "it is not scanned: no scanner is enabled"
        by_name = {report.scanner: report for report in self.evidence.reports}
        for name in sorted(self.evidence.scanners):
            report = by_name.get(name)
            if report is None:
                return f"it is not scanned yet by {name}"
            if not report.status.has_looked:
                return f"{name} did not scan it ({report.status})" + (f": {report.reason}" if report.reason else "")
        return None


def _asks_no_scan(policy: Policy) -> bool:
    return policy.unscanned is Judgement.ALLOW


def _rule(policy: Policy, one: Vulnerability) -> Rule | None:
    """Which rule of the policy it breaks, its time and exceptions aside."""
    if one.severity is Severity.MALICIOUS:
        if policy.malicious:
            return Rule.MALICIOUS
        return Rule.SEVERITY if policy.severity is not None else None
    if policy.severity is None:
        return None
    if one.severity is Severity.UNKNOWN:
        return Rule.UNKNOWN_SEVERITY if policy.unknown_severity is Judgement.BLOCK else None
    return Rule.SEVERITY if one.severity >= policy.severity else None


def _is_young(policy: Policy, one: Vulnerability, instant: Microseconds) -> bool:
    """Whether its grace still runs; where nobody tells when it was published, there is none."""
    return bool(policy.grace) and one.published_at is not None and instant < one.published_at + policy.grace * SECOND


def _told(one: Vulnerability, path: Sequence[Hop]) -> str:
    """`CVE-2019-10906 (high) in jinja2 2.10, which comes through mid-lib 1.0, fixed in 2.10.1`."""
    rated = "unknown severity" if one.severity is Severity.UNKNOWN else str(one.severity)
    place = f"{one.package} {one.version}"
    if one.is_bundled:
        place += ", which is bundled" + (f" in {path[-1].package} {path[-1].version}" if path else "")
    return f"{one.id} ({rated}) in {place}{_way(path)}" + (
        f", fixed in {one.fixed_in}" if one.fixed_in else ", no fix is known"
    )


def _way(path: Sequence[Hop]) -> str:
    """How it comes to the last of the path, by what lies between."""
    between = [f"{hop.package} {hop.version}" for hop in path[:-1]]
    if not between:
        return ", which it requires" if path else ""
    if len(between) > HOPS_TOLD + 1:
        between[HOPS_TOLD:] = [f"{len(between) - HOPS_TOLD} more"]
    *first, last = between
    return f", which comes through {', '.join(first)}{' and ' if first else ''}{last}"


def _breach(policy: Policy, rule: Rule, text: str) -> Breach:
    return Breach(policy.name, policy.action, rule, text, None, policy.show)


_RULES = tuple(Rule)


def _strictest_first(breach: Breach) -> tuple[int, int, int, int, str, str]:
    severity = breach.vulnerability.severity if breach.vulnerability is not None else Severity.UNKNOWN
    return (
        breach.action is not Action.BLOCK,
        breach.show is not Show.ABSENT,
        _RULES.index(breach.rule),
        -severity,
        breach.policy,
        breach.text,
    )
