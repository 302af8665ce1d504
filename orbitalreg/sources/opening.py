"""Opening one version for a time, over what a repository's rules by time withhold."""

from orbitalreg.errors import Malformed, Misplaced
from orbitalreg.model import Actor, Kind, now
from orbitalreg.publishing import Curator
from orbitalreg.sources.governed import GovernedSource
from orbitalreg.summaries import Opening
from orbitalreg.times import at

SECOND = 1_000_000
LONGEST = 366 * 86400
"""Seconds for which a version may be opened."""


def allow(
    curator: Curator, source: GovernedSource, package: str, version: str, seconds: int, reason: str, actor: Actor
) -> Opening:
    """Open `version` in the repository of `source`, there or not yet there; both names are in normal form.

    Raises `Misplaced` where that repository withholds nothing by time, and says which member does, so that nobody
    believes to have opened what stays closed; `Malformed` for a time that is too long or none.
    """
    repository = source.repository
    if not 0 < seconds <= LONGEST:
        raise Malformed(f"a version is allowed for at most {LONGEST // 86400}d, and for a second at least")
    if repository.kind is not Kind.LOCAL and repository.id not in {other.id for other in source.by_time}:
        others = " or ".join(str(other.address) for other in source.by_time)
        where = f"; allow it in {others}" if others else ", and nor does any of its members"
        raise Misplaced(f"{repository.address} has no min_age and no freeze{where}")
    until = now() + seconds * SECOND
    curator.allow(repository, package, version, until, reason, actor)
    return Opening(str(repository.address), package, version, at(until), reason)
