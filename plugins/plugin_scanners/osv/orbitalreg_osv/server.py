"""OSV.dev, or a server that speaks like it (https://google.github.io/osv.dev/api/): asked in batches, politely."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from orbitalreg.errors import ScannerFailed, UpstreamFailed
from orbitalreg.interfaces import HttpClient
from orbitalreg_osv.records import ID

BATCH = 1000
PAGES = 1000
"""So many pages are asked for in one call: a server that has ever more of them is not to be believed."""
ANSWER_BYTES = 32 << 20
TRIES = 5
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds before the second try, doubled with each; and what a server may ask for at most."""


@dataclass(frozen=True, slots=True)
class Question:
    """A package as OSV calls its ecosystem and itself, and a version."""

    ecosystem: str
    name: str
    version: str

    def query(self, token: str | None) -> dict[str, Any]:
        asked = {"package": {"ecosystem": self.ecosystem, "name": self.name}, "version": self.version}
        return asked | ({"page_token": token} if token is not None else {})


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that concerns a version. Another `modified` is another text."""

    id: str
    modified: str


class Server:
    """One of them."""

    def __init__(self, address: str, client: HttpClient) -> None:
        self._address = address
        self._client = client

    def hits(self, questions: Sequence[Question]) -> list[list[Hit]]:
        """The records for each question, in their order. Raises `ScannerFailed`."""
        found: list[list[Hit]] = [[] for _ in questions]
        waiting: list[tuple[int, str | None]] = [(number, None) for number in range(len(questions))]
        for _ in range(PAGES):
            if not waiting:
                return found
            asked, waiting = waiting[:BATCH], waiting[BATCH:]
            results = self._batch([questions[number].query(token) for number, token in asked])
            for (number, _), (hits, token) in zip(asked, results, strict=True):
                found[number] += hits
                if token is not None:
                    waiting.append((number, token))
        raise ScannerFailed(f"{self._address} has more than {PAGES} pages about {len(questions)} packages")

    def record(self, id_: str) -> Any | None:
        """The record of this id as JSON; None where the server has it no more. Raises `ScannerFailed`."""
        url = f"{self._address}/v1/vulns/{quote(id_, safe='')}"
        try:
            return self._json(lambda: self._client.get(url, max_bytes=ANSWER_BYTES, accept="application/json"))
        except _Absent:
            return None

    def _batch(self, queries: Sequence[Any]) -> list[tuple[list[Hit], str | None]]:
        body = json.dumps({"queries": queries}).encode()
        url = f"{self._address}/v1/querybatch"
        try:
            answer = self._json(lambda: self._client.post(url, body, max_bytes=ANSWER_BYTES))
        except _Absent as error:
            raise ScannerFailed(f"{self._address} has no /v1/querybatch: is it a server of OSV?") from error
        results = answer.get("results") if isinstance(answer, dict) else None
        if not isinstance(results, list) or len(results) != len(queries):
            raise self._nonsense("not one result for each query")
        return [self._result(result) for result in results]

    def _result(self, result: Any) -> tuple[list[Hit], str | None]:
        """Of one query: a page may hold nothing but the token of the next."""
        if not isinstance(result, dict):
            raise self._nonsense("a result that is none")
        entries, token = result.get("vulns") or [], result.get("next_page_token") or None
        if not isinstance(entries, list) or not (token is None or isinstance(token, str)):
            raise self._nonsense("a result that is none")
        return [self._hit(entry) for entry in entries], token

    def _hit(self, entry: Any) -> Hit:
        id_, modified = (entry.get("id"), entry.get("modified")) if isinstance(entry, dict) else (None, None)
        if not isinstance(id_, str) or ID.fullmatch(id_) is None:
            raise self._nonsense("a record without an id")
        return Hit(id_, modified if isinstance(modified, str) else "")

    def _json(self, ask: Callable[[], bytes]) -> Any:
        text = self._tried(ask)
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._nonsense("what is no JSON") from error

    def _tried(self, ask: Callable[[], bytes]) -> bytes:
        """Again after a while, where that may help: as long as the server asks for, else longer each time."""
        for number in range(TRIES):
            try:
                return ask()
            except UpstreamFailed as error:
                if error.status in (404, 410):
                    raise _Absent from error
                wait = max(error.retry_after or 0.0, FIRST_WAIT * 2**number)
                if not _may_pass(error) or wait > LONGEST_WAIT or number == TRIES - 1:
                    raise ScannerFailed(f"{self._address} cannot be asked: {error}") from error
            time.sleep(wait)
        raise AssertionError("the last try raises")

    def _nonsense(self, what: str) -> ScannerFailed:
        return ScannerFailed(f"{self._address} answered {what}: is it a server of OSV?")


class _Absent(Exception):
    """The server has nothing there."""


def _may_pass(error: UpstreamFailed) -> bool:
    return error.status is None or error.status == 429 or error.status >= 500
