"""The name guard: which names a virtual repository takes from its local members alone.

Without it an upload to a public upstream could outbid a company's own package by a greater version number.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orbitalreg.sources.patterns import Patterns
from orbitalreg.sources.raw import RawSource


@dataclass(frozen=True, slots=True)
class NameGuard:
    """`private` are the project's private names, `lifted` those for which it is off; `enabled` False is off for all."""

    private: Patterns
    lifted: Patterns
    enabled: bool = True

    def watches(self, package: str) -> bool:
        """Whether a local member that holds this name keeps it to the local ones."""
        return self.enabled and package not in self.lifted

    def reason(self, package: str, members: Sequence[RawSource]) -> str | None:
        """Why local members alone serve this name, or None where they do not. Asks no upstream."""
        if not self.watches(package):
            return None
        if package in self.private:
            return "the name is in private_names"
        holder = next((member for member in members if member.reserves(package)), None)
        return f"{holder.repository.address} holds the name" if holder else None

    def hidden_names(self, names: Iterable[str], members: Sequence[RawSource]) -> frozenset[str]:
        """Those of `names` that local members alone may serve."""
        if not self.enabled:
            return frozenset()
        reserved = {name for member in members for name in member.reserved()}
        return frozenset(
            name for name in names if (name in reserved or name in self.private) and name not in self.lifted
        )

    @property
    def digest(self) -> str:
        """Changes with the configuration."""
        said = f"{self.enabled}\n{self.private}\n{self.lifted}"
        return hashlib.sha256(said.encode()).hexdigest()[:16]
