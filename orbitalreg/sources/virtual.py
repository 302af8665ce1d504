"""The raw source of a virtual repository: its members' packages under one address.

For each version of a package the first member that has it provides all of its files, whatever policy says of them
later: a file that is held back never yields its place to another member's. The name guard goes first: a name that a
local member holds or ever held, or that is one of the project's private names, is served by local members alone.

The first member that has the package at all decides its status. A member that has it quarantined is the last one
that counts: its files are held back, and those of the members after it are not looked at.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, groupby
from typing import BinaryIO, TypeVar

from orbitalreg.errors import NotFound, UpstreamFailed
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import File, Kind, Listing, Repository, Status, Withholding
from orbitalreg.sources.guard import NameGuard
from orbitalreg.sources.kept import Kept
from orbitalreg.sources.raw import RawSource

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failure:
    """What a member that is left out said instead of its listing."""

    text: str


@dataclass(frozen=True, slots=True)
class Composed:
    """A listing made of those of members, as it is kept."""

    listing: Listing

    @property
    def file_count(self) -> int:
        return len(self.listing.files)


class VirtualSource:
    """`RawSource` over ordered members, which are raw sources themselves, other virtual ones too. Thread-safe."""

    def __init__(
        self,
        repository: Repository,
        members: Sequence[RawSource],
        adapter: FormatAdapter,
        guard: NameGuard,
        tolerate_failures: bool = False,
        kept: Kept[Composed] | None = None,
    ) -> None:
        """`kept` is shared by all virtual sources, if it is given."""
        self._repository = repository
        self._members = tuple(members)
        self._adapter = adapter
        self._guard = guard
        self._tolerates = tolerate_failures
        self._not_local = tuple(member for member in self._members if member.repository.kind is not Kind.LOCAL)
        self._leaves = _leaves(self._members)
        self._holders: Mapping[str, RawSource] = {leaf.repository.id: leaf for leaf in self._leaves}
        self._kept = Kept[Composed]() if kept is None else kept

    @property
    def repository(self) -> Repository:
        return self._repository

    @property
    def members(self) -> Sequence[RawSource]:
        return self._members

    @property
    def leaves(self) -> Sequence[RawSource]:
        """The local and remote repositories in here, in order, each once."""
        return self._leaves

    @property
    def guard(self) -> NameGuard:
        return self._guard

    def guarded(self, package: str) -> str | None:
        """Why local members alone serve this name, or None where they do not. Asks no upstream."""
        return self._guard.reason(package, self._leaves)

    def reserves(self, package: str) -> bool:
        return any(leaf.reserves(package) for leaf in self._leaves)

    def reserved(self) -> Sequence[str]:
        return _union(leaf.reserved() for leaf in self._leaves)

    def names(self) -> Sequence[str]:
        """As long as the lists of all members together while it is made."""
        told = [self._asked(member, _names) for member in self._members]
        union = _union(names for names in told if not isinstance(names, Failure))
        hidden = self._guard.hidden_names(union, self._leaves)
        if not hidden:
            return union
        local = {name for leaf in self._leaves if leaf.repository.kind is Kind.LOCAL for name in leaf.names()}
        return [name for name in union if name not in hidden or name in local]

    def names_revision(self) -> str:
        told = [(member.repository.id, self._asked(member, _names_revision)) for member in self._members]
        return _digest(self._repository.id, self._guard.digest, *told)

    def revision(self, package: str, local_only: bool = False) -> str:
        return self._revision(package, self._ask(package, *self._scope(package, local_only), _revision))

    def listing(self, package: str, local_only: bool = False) -> Listing:
        known = self._kept.get(self.revision(package, local_only))
        if known is not None:
            return known.listing
        found = self._composed(package, self._listings(package, local_only))
        self._kept.put(found.revision, Composed(found))
        return found

    def sized(self, file: File) -> File:
        return self._holder(file).sized(file)

    def open(self, file: File, start: int = 0, length: int | None = None) -> BinaryIO:
        return self._holder(file).open(file, start, length)

    def document(self, file: File, kind: str) -> bytes:
        return self._holder(file).document(file, kind)

    def _holder(self, file: File) -> RawSource:
        try:
            return self._holders[file.holder]
        except KeyError:
            raise NotFound(f"{self._repository.address} has no file {file.filename}") from None

    def _listings(self, package: str, local_only: bool) -> list[tuple[RawSource, Listing | Failure]]:
        members, local_only = self._scope(package, local_only)
        told = self._ask(package, members, local_only, _listing)
        if not local_only and self.guarded(package) is not None:  # a first upload came between
            return self._ask(package, self._members, True, _listing)
        return told

    def _scope(self, package: str, local_only: bool) -> tuple[Sequence[RawSource], bool]:
        """The members that may have the package, and whether local repositories alone are asked for it.

        A name that the guard watches and no local repository ever held is in none of them.
        """
        if local_only or not self._guard.watches(package):
            return self._members, local_only
        return (self._members, True) if self.guarded(package) is not None else (self._not_local, False)

    def _ask(
        self, package: str, members: Sequence[RawSource], local_only: bool, ask: Callable[[RawSource, str, bool], T]
    ) -> list[tuple[RawSource, T | Failure]]:
        """What each of the members that has the package says, in order; a failure that is tolerated is among them.

        Raises `NotFound` where none has it.
        """
        told: list[tuple[RawSource, T | Failure]] = []
        for member in members:
            try:
                told.append((member, self._asked(member, lambda asked: ask(asked, package, local_only))))
            except NotFound:  # absent there, which is no word on the others
                continue
        if all(isinstance(answer, Failure) for _, answer in told):
            raise NotFound(f"{self._repository.address} has no package {package}")
        return told

    def _asked(self, member: RawSource, ask: Callable[[RawSource], T]) -> T | Failure:
        try:
            return ask(member)
        except UpstreamFailed as error:
            failure = error.about(str(member.repository.address))
            if self._tolerates:
                return Failure(failure.public)
            raise failure from error

    def _revision(self, package: str, told: Sequence[tuple[RawSource, str | Failure]]) -> str:
        return _digest(self._repository.id, package, *((member.repository.id, answer) for member, answer in told))

    def _composed(self, package: str, told: Sequence[tuple[RawSource, Listing | Failure]]) -> Listing:
        said = [(member, answer if isinstance(answer, Failure) else answer.revision) for member, answer in told]
        listings = [answer for _, answer in told if isinstance(answer, Listing)]
        counted = list(_up_to_a_quarantine(listings))
        faults = [answer.text if isinstance(answer, Failure) else answer.stale for _, answer in told]
        files: list[File] = []
        withheld: dict[str, Withholding] = {}
        for file, listing in self._first_of_each_version(counted):
            files.append(file)
            if (reason := self._withheld(file, listing)) is not None:
                withheld[file.filename] = reason
        ends = [listing.valid_until for listing in counted if listing.valid_until is not None]
        return Listing(
            package,
            tuple(files),
            self._revision(package, said),
            counted[0].status,
            withheld,
            min(ends, default=None),
            "; ".join(fault for fault in faults if fault) or None,
        )

    def _first_of_each_version(self, listings: Sequence[Listing]) -> Iterator[tuple[File, Listing]]:
        """The files of the first listing that has their version, by the order of the listings; each filename once."""
        key = cache(self._adapter.version_key)
        provider: dict[Hashable, Listing] = {}
        filenames: set[str] = set()
        for listing in listings:
            for file in listing.files:
                group = key(file.version) if file.version else None  # those whose version is not known are a group
                if provider.setdefault(group, listing) is listing and file.filename not in filenames:
                    filenames.add(file.filename)
                    yield file, listing

    def _withheld(self, file: File, listing: Listing) -> Withholding | None:
        """Why the member holds this file back, and which it is."""
        reason = listing.withheld.get(file.filename) or quarantine(listing.status)
        return replace(reason, by=str(self._holder(file).repository.address)) if reason and not reason.by else reason


def quarantine(status: Status) -> Withholding | None:
    """What a package's status means for each of its files."""
    if status.offers_files:
        return None
    return Withholding("the package is quarantined" + (f": {status.reason}" if status.reason else ""))


def _up_to_a_quarantine(listings: Iterable[Listing]) -> Iterator[Listing]:
    for listing in listings:
        yield listing
        if not listing.status.offers_files:
            return


def _leaves(members: Iterable[RawSource]) -> Sequence[RawSource]:
    """The local and remote sources in here, in order, each once."""
    found: dict[str, RawSource] = {}
    for member in members:
        for leaf in member.leaves if isinstance(member, VirtualSource) else (member,):
            found.setdefault(leaf.repository.id, leaf)
    return tuple(found.values())


def _union(lists: Iterable[Sequence[str]]) -> list[str]:
    """Of lists in byte order, in byte order. Sorting runs that are in order is a merge."""
    return [name for name, _ in groupby(sorted(chain.from_iterable(lists)))]


def _digest(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()[:32]


def _names(member: RawSource) -> Sequence[str]:
    return member.names()


def _names_revision(member: RawSource) -> str:
    return member.names_revision()


def _revision(member: RawSource, package: str, local_only: bool) -> str:
    return member.revision(package, local_only)


def _listing(member: RawSource, package: str, local_only: bool) -> Listing:
    return member.listing(package, local_only)
