"""Which public packages the first upload of a name to a local repository would hide."""

from collections.abc import Sequence

from orbitalreg.errors import Busy, NotFound, UpstreamFailed
from orbitalreg.model import Kind, Repository
from orbitalreg.publishing import HiddenByUpload
from orbitalreg.sources.patience import connecting_within
from orbitalreg.sources.raw import RawSource
from orbitalreg.sources.virtual import VirtualSource

CONNECT_SECONDS = 1.0
"""An upload waits for its answer: where the outside cannot be reached, it must not take longer each time."""


class Siblings:
    """`publishing.NameWatch` over every virtual repository. Thread-safe; asks upstreams, so call it outside writes."""

    def __init__(self, virtuals: Sequence[VirtualSource]) -> None:
        self._virtuals = tuple(virtuals)

    def hidden_by_upload(self, repository: Repository, package: str) -> HiddenByUpload:
        siblings: dict[str, RawSource] = {}
        for virtual in self._virtuals:
            if _would_hide(virtual, repository, package):
                siblings |= {leaf.repository.id: leaf for leaf in virtual.leaves if _is_remote(leaf)}
        serving, unknown = [], []
        for sibling in siblings.values():
            try:
                with connecting_within(CONNECT_SECONDS):
                    sibling.revision(package)
                serving.append(str(sibling.repository.address))
            except NotFound:
                continue
            except (UpstreamFailed, Busy) as error:
                unknown.append(f"{sibling.repository.address}: {error}")
        return HiddenByUpload(tuple(serving), tuple(unknown))


def _would_hide(virtual: VirtualSource, repository: Repository, package: str) -> bool:
    """Whether holding the name in `repository` is what would make the guard of `virtual` keep remotes from it.

    A private name is kept from them already, and so is one that another local member holds.
    """
    inside = any(leaf.repository.id == repository.id for leaf in virtual.leaves)
    return inside and virtual.guard.watches(package) and virtual.guarded(package) is None


def _is_remote(leaf: RawSource) -> bool:
    return leaf.repository.kind is Kind.REMOTE
