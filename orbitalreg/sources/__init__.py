"""Where listings come from: one raw source for each kind of repository, and the rules on top."""

from orbitalreg.sources.governed import GovernedSource
from orbitalreg.sources.local import LocalSource
from orbitalreg.sources.raw import RawSource

__all__ = ["GovernedSource", "LocalSource", "RawSource"]
