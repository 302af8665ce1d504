"""What policies would make of a build before they are switched on: the files that a lock file allows, one by one."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from orbitalreg.errors import InvalidName, NotFound
from orbitalreg.model import File, Locked
from orbitalreg.policy import Action, Policy
from orbitalreg.sources.governed import GovernedSource
from orbitalreg.summaries import TriedFile

MISSING, PASSED = "missing", "pass"


def tried(source: GovernedSource, policies: Sequence[Policy], locked: Iterable[Locked]) -> Iterator[TriedFile]:
    """A row for each file of the repository that the lock allows, and for each version of which there is none.

    What the configuration says of the repository is not asked: these policies alone count. Raises `UpstreamFailed`.
    """
    trial = source.under(policies)
    for pin in locked:
        files = list(_allowed(trial, pin))
        if not files:
            reason = f"{source.repository.address} has no such file"
            yield TriedFile(pin.package, pin.version, None, pin.place, MISSING, None, None, reason)
        for file in files:
            yield _judged(trial, pin, file)


def _allowed(trial: GovernedSource, pin: Locked) -> Iterator[File]:
    try:
        listing = trial.raw.listing(pin.package)
        key = cache(trial.version_key)
        wanted = key(pin.version)
    except (NotFound, InvalidName):
        return
    for file in listing.files:
        if key(file.version) == wanted and (not pin.sha256 or file.sha256 in pin.sha256):
            yield file


def _judged(trial: GovernedSource, pin: Locked, file: File) -> TriedFile:
    verdict = trial.verdict(file)
    if not verdict.breaches:
        return TriedFile(pin.package, pin.version, file.filename, pin.place, PASSED, None, None, None)
    first = verdict.breaches[0]
    action = str(Action.BLOCK if verdict.is_blocked else Action.WARN)
    return TriedFile(
        pin.package, pin.version, file.filename, pin.place, action, first.policy, str(first.rule), first.text
    )
