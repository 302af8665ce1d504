"""What formats propose for a first start, in the file that is written and where there is none."""

import tomllib
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from orbitalreg_toy import ToyFormat

from orbitalreg.assembly import default_settings
from orbitalreg.cli.template import starting_file
from orbitalreg.interfaces import Proposal
from orbitalreg.model import Kind
from orbitalreg.plugins import Plugins

UPSTREAM = 'https://toys.example.com/a"b\\c/d\u00e9'


class Proposing(ToyFormat):
    def proposals(self) -> Sequence[Proposal]:
        return [
            Proposal("toys", Kind.LOCAL, "the team's toys"),
            Proposal("others", Kind.REMOTE, "the toys of others", {"upstream": UPSTREAM, "offline": True}),
            Proposal("all", Kind.VIRTUAL, "all toys", {"members": ["toys", "others"], "guard": False}),
        ]


PLUGINS: Any = SimpleNamespace(formats={"toy": Proposing()})


def test_the_first_file_has_the_settings_of_each_proposal() -> None:
    written = tomllib.loads(starting_file(PLUGINS))["projects"]["acme"]["repositories"]
    common = {"format": "toy", "anonymous_read": False}
    assert written == {
        "toys": {**common, "kind": "local"},
        "others": {**common, "kind": "remote", "upstream": UPSTREAM, "offline": True},
        "all": {**common, "kind": "virtual", "members": ["toys", "others"], "guard": False},
    }


def test_the_built_in_default_has_the_settings_of_each_proposal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plugins, "load_all", lambda: PLUGINS)
    found = {address.repository: settings for address, settings in default_settings().repositories()}
    assert (found["others"].kind, found["others"].upstream, found["others"].offline) == (Kind.REMOTE, UPSTREAM, True)
    assert (list(found["all"].members), found["all"].guard) == (["toys", "others"], False)
