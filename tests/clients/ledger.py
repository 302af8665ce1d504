"""What the run found, client by client and action by action, and the page that shows it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from environments import CLIENTS, pinned
from says import PUBLISH_ANONYMOUS, READ_ANONYMOUS, READ_REFUSED, REVOKED_REASON, refusal
from setups import SETUPS, Setup

from orbitalreg.model import Kind

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "clients.md"


class Action(StrEnum):
    """The rows of the table."""

    PUBLISH = "publish a wheel and an sdist"
    AGAIN = "publish the same files again: success, nothing changes"
    OTHER_BYTES = "publish other bytes under a name that is taken: refused"
    CHECK = "ask before publishing what is there already"
    INSTALL = "install, with dependencies"
    LOCK = "lock"
    SYNC = "install from the lock"
    HASHES = "refuse a file whose hash is not the expected one"
    DOWNLOAD = "download without installing"
    VERSIONS = "list the versions"
    BY_AGE = "leave out what was uploaded after a moment"
    RANGES = "read a wheel's metadata by range requests, given its address alone"
    YANKED_RANGE = "a range passes over a yanked version"
    YANKED_PIN = "a pin installs a yanked version"
    PUBLISH_REVOKED = "publish with a revoked token: refused"
    PUBLISH_ANONYMOUS = "publish without a token: refused"
    PUBLISH_FORBIDDEN = "publish with a token that may only read: refused"
    READ_REVOKED = "install with a revoked token: refused"
    READ_ANONYMOUS = "install without a token: refused"
    READ_HIDDEN = "install what the token may not read: not found"
    PUBLISH_REMOTE = "publish to a repository that takes no uploads: refused"
    CONFUSED = "a stranger's greater version of a private name: never offered, never installed"


PUBLISHERS = ("uv", "twine", "poetry", "pdm", "hatch", "flit")
READERS = ("pip", "uv", "poetry", "pdm", "hatch", "flit", "pipenv")
LOCKERS = ("pip", "uv", "poetry", "pdm", "pipenv")

OFFERED: Mapping[Action, tuple[str, ...]] = {
    Action.PUBLISH: PUBLISHERS,
    Action.AGAIN: PUBLISHERS,
    Action.OTHER_BYTES: PUBLISHERS,
    Action.CHECK: ("uv", "hatch"),
    Action.INSTALL: READERS,
    Action.LOCK: LOCKERS,
    Action.SYNC: LOCKERS,
    Action.HASHES: LOCKERS,
    Action.DOWNLOAD: ("pip",),
    Action.VERSIONS: ("pip",),
    Action.BY_AGE: ("pip", "uv", "poetry", "pdm"),
    Action.RANGES: ("pip", "uv"),
    Action.YANKED_RANGE: READERS,
    Action.YANKED_PIN: READERS,
    Action.PUBLISH_REVOKED: PUBLISHERS,
    Action.PUBLISH_ANONYMOUS: PUBLISHERS,
    Action.PUBLISH_FORBIDDEN: PUBLISHERS,
    Action.READ_REVOKED: READERS,
    Action.READ_ANONYMOUS: READERS,
    Action.READ_HIDDEN: READERS,
    Action.PUBLISH_REMOTE: PUBLISHERS,
    Action.CONFUSED: READERS,
}
"""The clients that offer each action: each of these is tested."""

_RECEIVERS = (Kind.LOCAL, Kind.VIRTUAL)
THROUGH: Mapping[Action, tuple[Kind, ...]] = dict.fromkeys(Action, tuple(Kind)) | {
    Action.PUBLISH: _RECEIVERS,
    Action.AGAIN: _RECEIVERS,
    Action.OTHER_BYTES: _RECEIVERS,
    Action.CHECK: _RECEIVERS,
    Action.PUBLISH_REVOKED: _RECEIVERS,
    Action.PUBLISH_ANONYMOUS: _RECEIVERS,
    Action.PUBLISH_FORBIDDEN: _RECEIVERS,
    Action.PUBLISH_REMOTE: (Kind.REMOTE,),
    Action.CONFUSED: (Kind.VIRTUAL,),
}
"""The kinds of repository that each action is tried on: a client finds the same on all of them."""

Entry = tuple[Action, str, Kind]

LEGEND = "`-`: the client has no command or option of its own for it."


@dataclass
class Ledger:
    """Every outcome of one run, with a footnote or none. What fails is not entered: the run is red anyway."""

    outcomes: dict[Entry, tuple[str, str]] = field(default_factory=dict)
    absent: bool = False
    """Whether a client or a build backend could not be had, so that something could not be tried."""
    file: Path | None = None
    """Where each outcome is kept too: a line of JSON, or `null` for what is absent. Several processes may share it."""

    @classmethod
    def of(cls, file: Path) -> "Ledger":
        """What is kept there."""
        found = cls()
        for line in map(json.loads, file.read_text("utf-8").splitlines()):
            if line is None:
                found.lacks()
            else:
                action, client, kind, word, note = line
                found.enter((Action(action), client, Kind(kind)), word, note)
        return found

    def lacks(self) -> None:
        """Something could not be had."""
        self.absent = True
        self._keep(None)

    def enter(self, entry: Entry, word: str, note: str) -> None:
        """What one kind shows must be what another has shown before: no client tells them apart."""
        action, client, kind = entry
        assert client in OFFERED[action], f"{client} is not said to offer: {action}"
        assert kind in THROUGH[action], f"a {kind} repository is not said to be tried: {action}"
        assert entry not in self.outcomes, f"{client} is entered twice for {kind}: {action}"
        self.outcomes[entry] = (word, note)
        assert self._found(action, client) == (word, note), f"{client} tells {kind} from other kinds: {action}"
        self._keep([*entry, word, note])

    def _keep(self, line: list[str] | None) -> None:
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(line)}\n")

    def _found(self, action: Action, client: str) -> tuple[str, str] | None:
        """What was found, on whichever kind."""
        found = (self.outcomes.get((action, client, kind)) for kind in THROUGH[action])
        return next((outcome for outcome in found if outcome), None)

    @property
    def missing(self) -> list[Entry]:
        """What is offered and was not entered."""
        every = [(action, client, kind) for action in Action for client in OFFERED[action] for kind in THROUGH[action]]
        return [entry for entry in every if entry not in self.outcomes]

    def table(self) -> str:
        """Markdown: actions down, with the kinds that each was tried on; clients across; footnotes below."""
        notes = list(dict.fromkeys(note for note in self._in_order() if note))
        head = ["action", "through", *(f"{client} {pinned(client)}" for client in CLIENTS)]
        first, *rows = (f"| {' | '.join(row)} |" for row in (head, *(self._row(action, notes) for action in Action)))
        below = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
        return "\n".join(["", first, "|---" * len(head) + "|", *rows, "", LEGEND, "", *below, "", ""])

    def _in_order(self) -> list[str]:
        found = [self._found(action, client) for action in Action for client in CLIENTS]
        return [note for _, note in filter(None, found)]

    def _row(self, action: Action, notes: list[str]) -> list[str]:
        through = "all kinds" if THROUGH[action] == tuple(Kind) else ", ".join(THROUGH[action])
        return [action, through, *(self._cell(action, client, notes) for client in CLIENTS)]

    def _cell(self, action: Action, client: str, notes: list[str]) -> str:
        found = self._found(action, client)
        if found is None:
            return "-"
        word, note = found
        return f"{word} ({notes.index(note) + 1})" if note else word


@dataclass(frozen=True)
class Entries:
    """What one test enters, of the kind of repository that it runs on."""

    ledger: Ledger
    kind: Kind

    def ok(self, action: Action, client: str, note: str = "") -> None:
        self.ledger.enter((action, client, self.kind), "ok", note)

    def no(self, action: Action, client: str, note: str) -> None:
        """The client does something else, and the footnote says what."""
        self.ledger.enter((action, client, self.kind), "no", note)


def messages() -> str:
    """Markdown: what each client prints to somebody who is refused."""
    rows = [f"| {' | '.join([client, *(_code(said) for said in _said(client))])} |" for client in CLIENTS]
    head = "| client | publish, revoked token | publish, no token | install, revoked token | install, no token |"
    return "\n".join(["", head, "|---" * 5 + "|", *rows, "", ""])


def _said(client: str) -> list[str]:
    publishes = client in PUBLISH_ANONYMOUS
    return [
        refusal(client, 401, "Unauthorized", REVOKED_REASON) if publishes else "",
        PUBLISH_ANONYMOUS.get(client, ""),
        READ_REFUSED.get(client, ""),
        READ_ANONYMOUS.get(client, ""),
    ]


def _code(said: str) -> str:
    return f"`{said.strip()}`" if said else "-"


def setups() -> str:
    """Markdown: how each client is configured."""
    return "\n" + "\n".join(_setup(client, SETUPS[client]) for client in CLIENTS) + "\n"


def _setup(client: str, setup: Setup) -> str:
    exports = [f'export {name}="{value}"' for name, value in {**setup.read, **setup.publish}.items()]
    parts = [f"### {client}\n"]
    if exports:
        parts += ["```text", *exports, "```\n"]
    if setup.lines:
        parts += [f"In `{setup.file}`:\n", "```text", setup.lines.rstrip(), "```\n"]
    if setup.remark:
        parts.append(f"{setup.remark}\n")
    return "\n".join(parts)


def rewritten(page: str, ledger: Ledger) -> str:
    """The page with what this run found."""
    for name, text in (("clients", ledger.table()), ("client-messages", messages()), ("client-setups", setups())):
        before, begin, rest = page.partition(f"<!-- generated: {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        assert begin and end, f"the page has no place for {name}"
        page = before + begin + text + end + after
    return page
