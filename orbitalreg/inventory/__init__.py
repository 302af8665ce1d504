"""What one repository holds, told page by page: what the API and the command line show of it.

Every list takes the key of the last thing told, and goes on after it: a key never changes while its thing exists, so
that what is published or deleted meanwhile makes nobody miss what was there before.
"""

from collections.abc import Iterable

from orbitalreg.catalog import Catalog
from orbitalreg.graph.views import View
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.inventory.common import EVERYTHING, FIRST, SBOMS, START, Inventory
from orbitalreg.inventory.dependencies import ALL, Sought
from orbitalreg.inventory.local import LocalInventory
from orbitalreg.inventory.shown import ShownInventory
from orbitalreg.sources import GovernedSource, LocalSource

__all__ = ["ALL", "EVERYTHING", "FIRST", "SBOMS", "START", "Inventory", "Sought", "inventory_of"]


def inventory_of(
    catalog: Catalog, source: GovernedSource, adapter: FormatAdapter, views: Iterable[View] = ()
) -> Inventory:
    """Of the repository of `source`; of `views`, which graphs are made of, its own are taken.

    A local one that no policy touches withholds nothing, and its rows can be asked for by their keys.
    """
    own = [view for view in views if view.repository.id == source.repository.id]
    if isinstance(source.raw, LocalSource) and not source.is_policed:
        return LocalInventory(catalog, source.raw, adapter, source.judges, own)
    return ShownInventory(catalog, source, adapter, own)
