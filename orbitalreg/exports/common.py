"""What the documents share: they are written piece by piece, since a repository may have any number of findings."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def begun(members: Mapping[str, Any], last: str) -> str:
    """The text of a JSON object up to the list that is its member `last`."""
    return f"{json.dumps(members)[:-1]}{', ' if members else ''}{json.dumps(last)}: ["


def listed(items: Iterable[Any]) -> Iterator[str]:
    """The items of a JSON list, one a line."""
    between = "\n"
    for item in items:
        yield between + json.dumps(item)
        between = ",\n"


def ended(members: Mapping[str, Any]) -> str:
    """What follows the list of `begun`: the end of the object, with these `members` that were not known before."""
    return f"\n], {json.dumps(members)[1:]}"
