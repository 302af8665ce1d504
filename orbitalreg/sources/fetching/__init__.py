"""One fetch of a file from an upstream, for any number of readers, in this process and in others on the same folder."""

from orbitalreg.sources.fetching.fetch import Observer
from orbitalreg.sources.fetching.fetches import Fetches
from orbitalreg.sources.fetching.order import Expected, Order, Stream, WrongFile
from orbitalreg.sources.fetching.reader import GrowingReader

__all__ = ["Expected", "Fetches", "GrowingReader", "Observer", "Order", "Stream", "WrongFile"]
