"""`[[policies]]`: what files must be like, and what becomes of those that are not."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Annotated, Any

from pydantic import Field

from orbitalreg.config.values import Duration, NameKey, Table, checked
from orbitalreg.errors import InvalidName
from orbitalreg.licenses import canonical
from orbitalreg.model import Address, Severity
from orbitalreg.policy import Action, Judgement, Policy, PolicyException, Scope, Show
from orbitalreg.times import end_of


def _address(text: Any) -> Address:
    if not isinstance(text, str):
        raise TypeError(text)
    return Address.parse(text)


def _severity(text: Any) -> Severity:
    found = Severity.parse(text) if isinstance(text, str) else Severity.UNKNOWN
    if found in (Severity.UNKNOWN, Severity.MALICIOUS):
        raise ValueError(text)
    return found


def _license(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError(text)
    return canonical(text)


def _id(text: Any) -> str:
    if not isinstance(text, str) or not text.strip() or not text.isascii() or not text.isprintable():
        raise ValueError(text)
    return text.strip()


def _reason(text: Any) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(text)
    return text


RepositoryAddress = Annotated[Address, checked(_address, 'PROJECT/REPO, for example "acme/internal"')]
Threshold = Annotated[Severity, checked(_severity, "one of: negligible, low, medium, high, critical")]
LicenseId = Annotated[str, checked(_license, 'an SPDX id of a license, such as "AGPL-3.0-only"')]
VulnerabilityId = Annotated[str, checked(_id, 'the id of a vulnerability, such as "CVE-2020-28493"')]

Reason = Annotated[str, checked(_reason, "some words")]


class PolicyExceptionSettings(Table):
    """`[[policies.exceptions]]`: a vulnerability that is put up with for a time."""

    id: VulnerabilityId = Field(description="The vulnerability, by any of its ids: CVE, GHSA, PYSEC or another.")
    reason: Reason = Field(description="Why, for those who read it later.")
    until: date = Field(description="The last day (UTC) on which it counts.")
    package: str | None = Field(None, description="Only in files of this package; without it, in those of every one.")


class PolicySettings(Table):
    """`[[policies]]`: one policy, and the repositories that it is for. Of several the strictest wins."""

    name: NameKey = Field(description="What the policy is called in refusals; each has a name of its own.")
    repositories: tuple[RepositoryAddress, ...] = Field(
        (), strict=False, description='The repositories that it is for, such as "acme/internal".'
    )
    projects: tuple[NameKey, ...] = Field(
        (), strict=False, description="Projects: it is for every repository of theirs."
    )
    action: Action = Field(
        Action.BLOCK,
        strict=False,
        description="block: the file is not offered, and its address answers 403. warn: it is offered, and told of.",
    )
    severity: Threshold | None = Field(
        None, description="Vulnerabilities of this severity and above break the policy; without it, none do."
    )
    unknown_severity: Judgement = Field(
        Judgement.BLOCK,
        strict=False,
        description="Whether vulnerabilities that nobody rated break it too: most PYSEC records carry no severity.",
    )
    scope: Scope = Field(
        Scope.DIRECT,
        strict=False,
        description="direct: what is in the file counts. transitive: what its dependencies bring, too.",
    )
    malicious: bool = Field(True, description="Whether packages that were made to do harm break it, at once.")
    licenses_denied: tuple[LicenseId, ...] = Field(
        (), strict=False, description="SPDX ids: files that cannot be had without accepting one of these break it."
    )
    unscanned: Judgement = Field(
        Judgement.ALLOW,
        strict=False,
        description="Whether files break it that a scanner for vulnerabilities or malware has not looked at.",
    )
    grace: Duration = Field(0, description="How long after it was published a vulnerability breaks nothing yet.")
    show: Show = Field(
        Show.ABSENT,
        strict=False,
        description="How pages show a blocked file: absent, or yanked with the reason.",
    )
    exceptions: tuple[PolicyExceptionSettings, ...] = Field(
        (), strict=False, description="Vulnerabilities that are put up with for a time."
    )

    def is_for(self, address: Address) -> bool:
        return address in self.repositories or address.project in self.projects

    @property
    def needs_scanners(self) -> bool:
        """Whether it asks for what scanners alone tell; of licenses alone, with the other defaults, it does not."""
        return self.severity is not None or self.unscanned is Judgement.BLOCK or not self.licenses_denied

    def policy(self, normalize: Callable[[str], str]) -> Policy:
        """As it is judged by; `normalize` is the adapter's. A name that it refuses is none, and matches no package."""
        return Policy(
            self.name,
            self.action,
            self.severity,
            self.unknown_severity,
            self.scope,
            self.malicious,
            tuple(sorted(set(self.licenses_denied))),
            self.unscanned,
            self.grace,
            self.show,
            tuple(
                PolicyException(one.id, one.reason, end_of(one.until), one.package and _normal(one.package, normalize))
                for one in self.exceptions
            ),
        )


class PolicyFile(Table):
    """A file that has policies alone."""

    policies: tuple[PolicySettings, ...] = Field((), strict=False)


def rule_faults(policy: PolicySettings, path: str) -> Iterator[str]:
    """What is wrong with the rules of one policy."""
    if policy.severity is None and "unknown_severity" in policy.model_fields_set:
        yield f"{path}.unknown_severity: counts beside severity alone; give that too"
    if not _asks_anything(policy):
        yield f"{path}: asks nothing of a file; give severity, malicious, licenses_denied or unscanned"


def _asks_anything(policy: PolicySettings) -> bool:
    return (
        policy.severity is not None
        or policy.malicious
        or bool(policy.licenses_denied)
        or policy.unscanned is Judgement.BLOCK
    )


def _normal(name: str, normalize: Callable[[str], str]) -> str:
    try:
        return normalize(name)
    except InvalidName:
        return name
