"""What the run found, client by client and action by action, and the page that shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from environments import CLIENTS, pinned
from says import PUBLISH_ANONYMOUS, READ_ANONYMOUS, READ_REFUSED, REVOKED_REASON, refusal
from setups import SETUPS, Setup

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
}
"""The clients that offer each action: each of these is tested."""


@dataclass
class Ledger:
    """Every outcome of one run, with a footnote or none. What fails is not entered: the run is red anyway."""

    outcomes: dict[tuple[Action, str], tuple[str, str]] = field(default_factory=dict)
    absent: bool = False
    """Whether a client or a build backend could not be had, so that something could not be tried."""

    def ok(self, action: Action, client: str, note: str = "") -> None:
        self._enter(action, client, "ok", note)

    def no(self, action: Action, client: str, note: str) -> None:
        """The client does something else, and the footnote says what."""
        self._enter(action, client, "no", note)

    def _enter(self, action: Action, client: str, word: str, note: str) -> None:
        assert client in OFFERED[action], f"{client} is not said to offer: {action}"
        assert (action, client) not in self.outcomes, f"{client} is entered twice: {action}"
        self.outcomes[action, client] = (word, note)

    @property
    def missing(self) -> list[tuple[Action, str]]:
        """What is offered and was not entered."""
        every = [(action, client) for action, clients in OFFERED.items() for client in clients]
        return [entry for entry in every if entry not in self.outcomes]

    def table(self) -> str:
        """Markdown: actions down, clients across, footnotes below."""
        notes = list(dict.fromkeys(note for note in self._in_order() if note))
        rows = [
            "| " + " | ".join(["action", *(f"{client} {pinned(client)}" for client in CLIENTS)]) + " |",
            "|---" * (len(CLIENTS) + 1) + "|",
            *(
                f"| {action} | {' | '.join(self._cell(action, client, notes) for client in CLIENTS)} |"
                for action in Action
            ),
        ]
        below = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
        return "\n".join(
            ["", *rows, "", "`-`: the client has no command or option of its own for it.", "", *below, "", ""]
        )

    def _in_order(self) -> list[str]:
        return [self.outcomes.get((action, client), ("", ""))[1] for action in Action for client in CLIENTS]

    def _row(self, action: Action, notes: list[str]) -> list[str]:
        return [self._cell(action, client, notes) for client in CLIENTS]

    def _cell(self, action: Action, client: str, notes: list[str]) -> str:
        if (action, client) not in self.outcomes:
            return "-"
        word, note = self.outcomes[action, client]
        return f"{word} ({notes.index(note) + 1})" if note else word


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
