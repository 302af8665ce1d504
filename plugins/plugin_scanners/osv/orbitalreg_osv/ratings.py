"""Severities that records lend each other: most of those of the Python database have none, GitHub's of the same
vulnerability do."""

from collections.abc import Sequence

from orbitalreg.model import Severity
from orbitalreg_osv.records import Advisory

Rating = tuple[Severity, str | None]
"""A severity, and the vector that it comes from, where it comes from one."""


class Ratings:
    """Those that records of GitHub's give, by all ids of their vulnerabilities. Feed all records, then ask."""

    def __init__(self) -> None:
        self._by_id: dict[str, Rating] = {}
        self.unrated: list[tuple[str, ...]] = []
        """The ids of each record without a severity, its own first."""

    def add(self, advisory: Advisory) -> None:
        ids = (advisory.id, *advisory.aliases)
        if advisory.severity is Severity.UNKNOWN:
            self.unrated.append(ids)
        elif advisory.is_of_github:
            for one in ids:
                self._by_id[one] = max(self._by_id.get(one, (Severity.UNKNOWN, None)), _of(advisory), key=_level)

    def lent(self, ids: Sequence[str]) -> Rating | None:
        """The highest that is known of a vulnerability with these ids."""
        return max((self._by_id[one] for one in ids if one in self._by_id), key=_level, default=None)


def _of(advisory: Advisory) -> Rating:
    return advisory.severity, advisory.cvss


def _level(rating: Rating) -> int:
    return int(rating[0])
