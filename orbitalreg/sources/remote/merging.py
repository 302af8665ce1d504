"""What becomes of a stored page when its upstream tells another. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ulid import ULID

from orbitalreg.catalog.remotes import Entry, Fact
from orbitalreg.model import Microseconds, RemoteFile

REMOVED = "the upstream has removed it"
REPLACED = "the upstream offers other bytes under its name"


@dataclass(frozen=True, slots=True)
class Merged:
    """`dropped` are entries of before that are none any more, each with the reason.

    `outdated` are the documents (file id, kind) that were learnt and of which the upstream states another digest.
    """

    entries: tuple[Entry, ...]
    dropped: tuple[tuple[Entry, str], ...]
    outdated: tuple[tuple[str, str], ...]


def merge(
    before: Sequence[Entry],
    told: Iterable[RemoteFile],
    facts: Mapping[str, Fact],
    documents: Mapping[str, Mapping[str, str]],
    staying: Collection[str],
    at: Microseconds,
) -> Merged:
    """The page as the upstream tells it at `at`, each file under the id and first-seen time that it had before.

    A file is the same where its digest is: stated, or learnt before (`facts`). Where it was never known or is not
    stated any more, the address decides. `staying` are the ids that stay although nothing is told of them;
    `documents` the digests of what was learnt, by file id and kind.
    """
    old = {entry.told.filename: entry for entry in before}
    entries: dict[str, Entry] = {}
    dropped: list[tuple[Entry, str]] = []
    for file in told:
        if file.filename in entries:
            continue  # two of one name: the first counts
        former = old.pop(file.filename, None)
        if former is not None and _is_same(former, facts.get(former.id), file):
            entries[file.filename] = Entry(former.id, former.first_seen, _carried(former.told, file))
        else:
            entries[file.filename] = Entry(str(ULID()), at, file)
            if former is not None:
                dropped.append((former, REPLACED))
    for entry in old.values():
        if entry.id in staying:
            entries[entry.told.filename] = replace(entry, is_gone=True)
        else:
            dropped.append((entry, REMOVED))
    return Merged(tuple(entries.values()), tuple(dropped), tuple(_outdated(entries.values(), documents)))


def _is_same(former: Entry, fact: Fact | None, told: RemoteFile) -> bool:
    known = former.told.sha256 or (fact.sha256 if fact else None)
    if known is not None and told.sha256 is not None:
        return known == told.sha256
    return _place(former.told.url) == _place(told.url)


def _place(url: str) -> str:
    """Without the query, which may be a signature of the hour."""
    return url.partition("#")[0].partition("?")[0]


def _carried(former: RemoteFile, told: RemoteFile) -> RemoteFile:
    """What is told, with what is not told any more of the same file."""
    return replace(
        told,
        sha256=told.sha256 or former.sha256,
        size=former.size if told.size is None else told.size,
        uploaded_at=former.uploaded_at if told.uploaded_at is None else told.uploaded_at,
    )


def _outdated(entries: Iterable[Entry], documents: Mapping[str, Mapping[str, str]]) -> Iterable[tuple[str, str]]:
    for entry in entries:
        for kind, learnt in documents.get(entry.id, {}).items():
            if entry.told.documents.get(kind, "") not in ("", learnt):
                yield entry.id, kind
