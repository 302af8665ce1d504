"""Entries of the audit log, sent to whoever is configured to be told: signed, at least once, in no promised order.

The job that links the log hands them out afterwards: a cursor for each receiver says up to which link it has been given
its deliveries, and moves in the transaction that enqueues them. So `audit.record` knows no receiver, nothing is lost
with a process, and a process that still has an older configuration passes nothing over. Each delivery is a job of its
own; the wire is that of Standard Webhooks (https://www.standardwebhooks.com).
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from pydantic import TypeAdapter
from sqlite_utils import Database

from orbitalreg import jobs
from orbitalreg.audit import told
from orbitalreg.audit.entries import DONE
from orbitalreg.catalog import Catalog, audit_entries, audit_links, webhook_cursors
from orbitalreg.catalog.audit_entries import EntryRow
from orbitalreg.config import Settings
from orbitalreg.config.webhooks import WebhookSettings
from orbitalreg.errors import ConfigError, InvalidName, UpstreamFailed
from orbitalreg.jobs import BrokenOff, Handler, Later, Task
from orbitalreg.summaries import AuditEntry
from orbitalreg.upstream import Client, Upstream

DELIVER = "webhook.deliver"
BATCH = 500
SECONDS = 10.0
"""So long one delivery may take."""
ATTEMPTS = 33
"""With pauses from 5 seconds doubled up to an hour: about a day."""
AT_ONCE = 3

_ENTRY = TypeAdapter(AuditEntry)


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One receiver. Its `id` is made of its address, which may hold a secret and is written nowhere."""

    upstream: Upstream
    settings: WebhookSettings = field(repr=False)
    key: bytes = field(repr=False)

    @property
    def id(self) -> str:
        return hashlib.sha256(self.settings.url.encode()).hexdigest()[:16]

    def wants(self, entry: EntryRow) -> bool:
        if entry.outcome != DONE and not self.settings.refused:
            return False
        if self.settings.projects is not None and entry.project not in self.settings.projects:
            return False
        return any(fnmatchcase(entry.action, pattern) for pattern in self.settings.events)


def subscribers(settings: Settings) -> list[Subscriber]:
    """Those configured. Raises `ConfigError` with a line for each that cannot be used."""
    found, problems = [], []
    for number, wanted in enumerate(settings.webhooks):
        try:
            upstream = Upstream(wanted.url, ca_bundle=wanted.ca_bundle, total_seconds=SECONDS, connect_seconds=5.0)
            found.append(Subscriber(upstream, wanted, wanted.key()))
        except InvalidName as error:
            problems.append(f"webhooks.{number}.url: {error}")
        except ConfigError as error:
            problems += [f"webhooks.{number}.secret_file: {line}" for line in error.problems]
    if problems:
        raise ConfigError(problems)
    return found


class Webhooks:
    """Hands out and delivers for one configuration. Thread-safe."""

    def __init__(self, catalog: Catalog, receivers: Sequence[Subscriber], client: Client | None = None) -> None:
        self._catalog = catalog
        self._receivers = {receiver.id: receiver for receiver in receivers}
        self._client = client or Client([receiver.upstream.origin for receiver in receivers])

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return {DELIVER: Handler(self._deliver, attempts=ATTEMPTS, at_once=AT_ONCE)}

    def hand_out(self, task: Task) -> None:
        """Enqueue what each receiver has not been given yet of what is linked. Not within a transaction."""
        for receiver in self._receivers.values():
            seen = BATCH
            while seen == BATCH:
                if task.stopping():
                    raise BrokenOff
                with self._catalog.write() as db:
                    seen = _hand_out(db, receiver)

    def close(self) -> None:
        self._client.close()

    def _deliver(self, task: Task) -> None:
        receiver = self._receivers.get(task.subject)
        found = audit_entries.entry(self._catalog.read(), task.payload["entry"])
        if receiver is None or found is None:
            return  # the receiver is configured no more
        body = body_of(*found)
        sent = signed(receiver.key, found[0].id, int(time.time()), body)
        try:
            self._client.post(receiver.upstream, body, {"Content-Type": "application/json", **sent})
        except UpstreamFailed as error:
            raise Later(str(error).replace("the upstream", "the receiver", 1), error.retry_after or 0.0) from error


def _hand_out(db: Database, receiver: Subscriber) -> int:
    """Writes: a batch. How many entries were looked at."""
    last = audit_links.last(db)
    start = webhook_cursors.position(db, receiver.id, last.number if last else 0)
    events = audit_links.events_after(db, start, BATCH)
    for number, entry in events:
        if receiver.wants(entry):
            jobs.enqueue(db, DELIVER, receiver.id, {"entry": entry.id, "number": number})
    if events:
        webhook_cursors.move(db, receiver.id, events[-1][0])
    return len(events)


def body_of(entry: EntryRow, number: int | None, digest: str | None) -> bytes:
    """What is sent of an entry: the same bytes each time."""
    summary = told(entry, number, digest)
    moment = summary.at.isoformat().replace("+00:00", "Z").encode()
    return b'{"type":"%s","timestamp":"%s","data":%s}' % (entry.action.encode(), moment, _ENTRY.dump_json(summary))


def signed(key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a message: its id, which is the same each time, and the moment and signature of this attempt."""
    content = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    signature = base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}
