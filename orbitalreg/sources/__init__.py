"""Where listings come from: one Source for each kind of repository."""

from orbitalreg.sources.local import LocalSource

__all__ = ["LocalSource"]
