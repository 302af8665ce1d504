"""`[[policies]]`: what is taken, and what is said of what is not."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orbitalreg import config
from orbitalreg.config import PolicySettings
from orbitalreg.errors import ConfigError
from orbitalreg.model import Address, Severity
from orbitalreg.policy import Action, Judgement, Policy, PolicyException, Scope, Show
from orbitalreg.times import end_of

PROJECTS = {"acme": {"repositories": {"internal": {"format": "toy", "kind": "local"}}}}
WHOLE = """
[[policies]]
name = "release-gate"
repositories = ["acme/internal"]
action = "warn"
severity = "high"
unknown_severity = "allow"
scope = "transitive"
malicious = true
licenses_denied = ["AGPL-3.0", "LicenseRef-Ours"]
unscanned = "block"
grace = "3d"
show = "yanked"

[[policies.exceptions]]
id = "CVE-2020-28493"
reason = "not reachable from our code"
until = 2027-01-01
package = "Jinja2"
"""


def policies(text: str) -> tuple[PolicySettings, ...]:
    return config.from_dict({"projects": PROJECTS, **tomllib.loads(text)}, base=Path()).policies


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        policies(text)
    return list(caught.value.problems)


def test_a_whole_policy() -> None:
    [settings] = policies(WHOLE)
    assert settings.policy(str.lower) == Policy(
        "release-gate",
        Action.WARN,
        Severity.HIGH,
        Judgement.ALLOW,
        Scope.TRANSITIVE,
        True,
        ("AGPL-3.0-only", "LicenseRef-Ours"),
        Judgement.BLOCK,
        3 * 86400,
        Show.YANKED,
        (PolicyException("CVE-2020-28493", "not reachable from our code", end_of(date(2027, 1, 1)), "jinja2"),),
    )


def test_the_defaults_block_malware_and_nothing_else() -> None:
    [settings] = policies('[[policies]]\nname = "malware"\nprojects = ["acme"]')
    assert settings.policy(str.lower) == Policy("malware")
    assert settings.is_for(Address("acme", "whatever")) and not settings.is_for(Address("other", "internal"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('action = "deny"', "policies.0.action: found 'deny'; it must be one of: 'block' or 'warn'"),
        (
            'severity = "bad"',
            "policies.0.severity: found 'bad'; it must be one of: negligible, low",
        ),
        ('severity = "unknown"', "policies.0.severity: found 'unknown'; it must be one of"),
        ('severity = "malicious"', "policies.0.severity: found 'malicious'; it must be one of"),
        (
            'unknown_severity = "warn"',
            "policies.0.unknown_severity: found 'warn'; it must be one of: 'block' or 'allow'",
        ),
        ('unknown_severity = "block"', "policies.0.unknown_severity: counts beside severity alone; give that too"),
        ('scope = "all"', "policies.0.scope: found 'all'; it must be one of: 'direct' or 'transitive'"),
        ("malicious = 1", "policies.0.malicious: found 1; it must be true or false"),
        ("malicious = false", "policies.0: asks nothing of a file; give severity, malicious"),
        ('licenses_denied = ["GPL"]', "policies.0.licenses_denied.0: found 'GPL'; it must be an SPDX id of a license"),
        ('licenses_denied = ["MIT OR ISC"]', "policies.0.licenses_denied.0: found 'MIT OR ISC'; it must be an SPDX id"),
        ('unscanned = "warn"', "policies.0.unscanned: found 'warn'; it must be one of: 'block' or 'allow'"),
        ("grace = 3", "policies.0.grace: found 3; it must be a duration such as"),
        ('show = "no"', "policies.0.show: found 'no'; it must be one of: 'absent' or 'yanked'"),
        ('severty = "high"', "policies.0.severty: there is no such key; did you mean 'severity'?"),
        ('exceptions = [{ id = "CVE-1", reason = "why" }]', "policies.0.exceptions.0.until: is missing"),
        (
            'exceptions = [{ id = "CVE-1", reason = " ", until = 2027-01-01 }]',
            "exceptions.0.reason: found ' '",
        ),
        (
            'exceptions = [{ id = "", reason = "why", until = 2027-01-01 }]',
            "exceptions.0.id: found ''; it must",
        ),
        (
            'exceptions = [{ id = "CVE-1", reason = "why", until = "soon" }]',
            "until: found 'soon'; it must be a day",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_path(line: str, says: str) -> None:
    [problem] = problems(f'[[policies]]\nname = "gate"\nrepositories = ["acme/internal"]\n{line}')
    assert says in problem


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ([{}], "policies.0.repositories: is missing; name repositories or projects that the policy is for"),
        ([{"repositories": ["internal"]}], "policies.0.repositories.0: found 'internal'; it must be PROJECT/REPO"),
        (
            [{"repositories": ["acme/intern"]}],
            "repositories.0: found 'acme/intern'; there is no such repository; did you mean 'acme/internal'?",
        ),
        (
            [{"projects": ["acne"]}],
            "policies.0.projects.0: found 'acne'; there is no such project; did you mean",
        ),
        (
            [{"projects": ["acme"]}, {"projects": ["acme"]}],
            "policies.1.name: found 'gate' a second time; each policy has a name of its own",
        ),
    ],
)
def test_where_it_is_for_must_be_there(tables: list[dict[str, Any]], says: str) -> None:
    raw = {"projects": PROJECTS, "policies": [{"name": "gate", **table} for table in tables]}
    with pytest.raises(ConfigError) as caught:
        config.from_dict(raw, base=Path())
    assert len(caught.value.problems) == 1 and says in str(caught.value)


def test_an_exception_whose_day_is_over_is_warned_of() -> None:
    text = WHOLE.replace("2027-01-01", "2020-01-01") + WHOLE[WHOLE.index("[[policies.exceptions]]") :].replace(
        "2027-01-01", "2999-01-01"
    )
    found = config.from_dict({"projects": PROJECTS, **tomllib.loads(text)}, base=Path())
    assert found.warnings() == [
        "policies.0.exceptions.0: CVE-2020-28493 is let through no more, its day 2020-01-01 is over; "
        "remove it, or give it a later one"
    ]
