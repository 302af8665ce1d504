"""What one repository offers to installers in one environment, read as it is asked for."""

import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Generic, Self, TypeVar

from orbitalreg.errors import Busy, NotFound, OrbitalError, Unresolved
from orbitalreg.interfaces import FormatAdapter, Source
from orbitalreg.model import File, Listing, Requirement

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

SECONDS = 600.0
"""So long an installation is worked out at most, upstreams' answers included."""
READERS = 6
"""So many threads read ahead: fewer than may wait for upstreams in a server (`Turns`)."""
BUSY_SECONDS = 0.5


class _Once(Generic[K, V]):
    """A function that is called once for each argument, by whoever comes first; others wait. Thread-safe."""

    def __init__(self, make: Callable[[K], V]) -> None:
        self._make = make
        self._lock = Lock()
        self._made: dict[K, Future[V]] = {}

    def __call__(self, key: K) -> V:
        with self._lock:
            known = self._made.get(key)
            if known is None:
                future = self._made[key] = Future()
        if known is not None:
            return known.result()
        try:
            future.set_result(self._make(key))
        except BaseException as error:
            future.set_exception(error)
        return future.result()


@dataclass(frozen=True, slots=True)
class Offer:
    """What there is of one package: `files` as the adapter's `offers` says; no `listing` where there is no page."""

    listing: Listing | None
    files: tuple[File, ...] = ()


class Offers:
    """The packages, candidates and requirements of one source in one environment, each read once. Thread-safe.

    What is read is that of one moment: whoever wants another makes another. Every method that reads raises
    `UpstreamFailed`, and `Unresolved` after `SECONDS`. To be closed, or used as a context.
    """

    def __init__(
        self,
        source: Source,
        adapter: FormatAdapter,
        environment: str,
        *,
        readers: int = READERS,
        seconds: float = SECONDS,
        told: Callable[[int], None] = lambda packages: None,
        left: Callable[[], None] = lambda: None,
    ) -> None:
        """`told` hears, in any thread, how many packages were read so far. `left` is called in each thread that read,
        when it has: it lets go of the thread's connection to the catalog.
        """
        self._source = source
        self.adapter = adapter
        self.environment = environment
        self._ends = time.monotonic() + seconds
        self._seconds = seconds
        self._told = told
        self._left = left
        self._pool = ThreadPoolExecutor(readers, "offers") if readers else None
        self._begun: set[tuple[str, str, tuple[str, ...]]] = set()
        self._offers = _Once(self._read)
        self._stated = _Once(self._read_stated)
        self._files: dict[str, File] = {}
        self._count = 0

    @property
    def address(self) -> str:
        return str(self._source.repository.address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Waits for what is being read."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def of(self, package: str) -> Offer:
        return self._offers(package)

    def key(self, file: File) -> Any:
        return self.adapter.version_key(file.version)

    def candidates(self, requirements: Sequence[Requirement], files: Sequence[File] | None = None) -> Sequence[File]:
        """What all of these requirements on one package allow, of its files or of some, the preferred first."""
        package = requirements[0].package
        return self.adapter.common_candidates(requirements, self.of(package).files if files is None else files)

    def allows(self, requirement: Requirement, file: File) -> bool:
        """Whether the file's version is one of those that the requirement names: it may be yanked, or a pre-release."""
        return bool(self.adapter.candidates(requirement, [replace(file, yanked=None)]))

    def requirements(self, file: File, extras: Sequence[str] = ()) -> Sequence[Requirement] | None:
        """What the file asks for; None where that cannot be read before it is built."""
        self._files[file.id] = file
        stated = self._stated(file.id)
        return None if stated is None else self.adapter.requirements(stated, self.environment, extras)

    def ahead(self, requirement: Requirement) -> None:
        """Begin to read what is needed where the preferred candidate is chosen, for this and all that follows.

        Does not wait. What fails is told to whoever asks for it.
        """
        place = (requirement.package, requirement.specifier, requirement.extras)
        if self._pool is None or not requirement.package or requirement.is_elsewhere or place in self._begun:
            return
        self._begun.add(place)
        try:
            self._pool.submit(copy_context().run, self._follow, requirement)
        except RuntimeError:  # it was closed meanwhile
            return

    def check_time(self) -> None:
        """Raises `Unresolved`."""
        if time.monotonic() > self._ends:
            raise Unresolved(
                f"{self.address}: no answer within {self._seconds:.0f} s; ask again, since what was read is kept, "
                "or ask for fewer packages, or for narrower versions of them"
            )

    def _follow(self, requirement: Requirement) -> None:
        try:
            for file in self.candidates([requirement])[:1]:
                for wanted in self.requirements(file, requirement.extras) or ():
                    self.ahead(wanted)
        except OrbitalError:
            return
        finally:
            self._left()

    def _read(self, package: str) -> Offer:
        try:
            listing = self._patiently(lambda: self._source.listing(package))
        except NotFound:
            return Offer(None)
        self._count += 1
        self._told(self._count)
        return Offer(listing, tuple(self.adapter.offers(listing, self.environment)))

    def _read_stated(self, file_id: str) -> tuple[str, ...] | None:
        file = self._files[file_id]
        try:
            return tuple(
                self._patiently(
                    lambda: self.adapter.stated_requirements(file, lambda kind: self._source.document(file, kind))
                )
            )
        except NotFound:
            return None

    def _patiently(self, ask: Callable[[], V]) -> V:
        """Where too many wait for upstreams already, it waits too."""
        while True:
            self.check_time()
            try:
                return ask()
            except Busy:
                time.sleep(BUSY_SECONDS)
