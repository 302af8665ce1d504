"""Publishers against the claims of a job: which match, and what failed in those that do not.

Claims are plain strings here, booleans and numbers too: GitLab writes ids and `ref_protected` as strings, and what is
kept of a token beside the one that was minted for it has nothing but strings. So both are judged alike.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from orbitalreg.model import Grant
from orbitalreg_oidc_gitlab.settings import PublisherSettings

Claims = Mapping[str, str]

MERGE_REQUESTS = ("merge_request_event", "external_pull_request_event")
"""Pipelines that run what somebody proposes, from a fork perhaps."""

WHOSE = ("project_path", "project_id", "namespace_path", "namespace_id")
"""Conditions that say of whom a publisher speaks; the others say of which of their jobs."""

KEPT = (
    *("iss", *WHOSE, "ref", "ref_type", "ref_protected", "environment", "environment_protected"),
    *("pipeline_source", "pipeline_id", "job_id", "sha", "ci_config_ref_uri", "user_id", "user_login"),
)
"""The claims of an origin: all that conditions look at, and what people ask for afterwards."""

LONGEST = 512
"""Characters of a claim that is believed: those of GitLab are names, ids and refs."""


def plain_claims(claims: Mapping[str, Any]) -> dict[str, str]:
    """Those that an origin has, as strings. What is neither text nor a number nor a boolean is left out."""
    return {name: text for name in KEPT if (text := plain_claim(claims.get(name))) is not None}


def plain_claim(value: Any) -> str | None:
    """A claim as text; None where there is none that could be compared."""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value) if isinstance(value, str | int) else ""
    return text if 0 < len(text) <= LONGEST and text.isprintable() else None


@dataclass(frozen=True, slots=True)
class Failure:
    """A claim that is not as a publisher wants it; `found` is None where it is missing."""

    claim: str
    found: str | None
    wanted: str

    def __str__(self) -> str:
        return f"{self.said}, must be {self.wanted}"

    @property
    def said(self) -> str:
        """What was found, and nothing of the configuration."""
        return f"{self.claim} is missing" if self.found is None else f"{self.claim} is {self.found!r}"


def failures(publisher: PublisherSettings, claims: Claims) -> list[Failure]:
    """Each condition of `publisher` that does not hold; nothing where it matches."""
    return [
        Failure(claim, claims.get(claim), wanted)
        for claim, wanted, holds in _conditions(publisher)
        if not holds(claims.get(claim))
    ]


def matching(publishers: Sequence[PublisherSettings], claims: Claims) -> tuple[Grant, ...]:
    """The union of the grants of all publishers that match."""
    granted = [publisher.grants for publisher in publishers if not failures(publisher, claims)]
    return tuple(dict.fromkeys(grant for grants in granted for grant in grants))


def near(publishers: Sequence[PublisherSettings], claims: Claims) -> list[Failure]:
    """What failed in the publishers that speak of the job's project: by path or id at the least."""
    found: dict[Failure, None] = {}
    for publisher in publishers:
        told = failures(publisher, claims)
        unmet = {failure.claim for failure in told}
        names = [key for key in WHOSE if getattr(publisher, key) is not None]
        if "iss" not in unmet and not unmet.issuperset(names):
            found.update(dict.fromkeys(told))
    return list(found)


Condition = tuple[str, str, Callable[[str | None], bool]]


def _conditions(publisher: PublisherSettings) -> Iterator[Condition]:
    """The claim, what it must be in words, and whether a value is that."""
    yield _exactly("iss", publisher.issuer)
    for claim in (*WHOSE, "environment", "ref_type"):
        wanted = getattr(publisher, claim)
        if wanted is not None:
            yield _exactly(claim, wanted)
    for claim in ("ref_protected", "environment_protected"):
        if getattr(publisher, claim):
            yield _exactly(claim, "true")
    if (pattern := publisher.ref) is not None:
        yield "ref", f"like {pattern!r}", lambda found: found is not None and fnmatchcase(found, pattern)
    yield _source(publisher)


def _source(publisher: PublisherSettings) -> Condition:
    """Unless the sources are written: no merge request's pipeline, and no child of one.

    Of a child nothing tells whose it is but its ref, which is not protected where a fork proposes it.
    """
    if (allowed := publisher.pipeline_sources) is not None:
        return "pipeline_source", " or ".join(map(repr, allowed)), lambda found: found in allowed
    if publisher.ref_protected:
        return "pipeline_source", "other than a merge request's", lambda found: found not in (None, *MERGE_REQUESTS)
    refused = (None, *MERGE_REQUESTS, "parent_pipeline")
    return "pipeline_source", "other than a merge request's or a child's", lambda found: found not in refused


def _exactly(claim: str, wanted: str) -> Condition:
    return claim, repr(wanted), lambda found: found == wanted


def summary(claims: Claims) -> str:
    """The origin in a line for people: `acme/my-lib, job 123, commit 0123456789ab, protected ref v1.2`."""
    protected = "protected ref" if claims.get("ref_protected") == "true" else "ref"
    parts = {"job": claims.get("job_id"), "commit": claims.get("sha", "")[:12], protected: claims.get("ref")}
    told = [f"{name} {value}" for name, value in parts.items() if value]
    return ", ".join([claims.get("project_path", "a project without a path"), *told])
