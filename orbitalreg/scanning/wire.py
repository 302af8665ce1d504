"""What host and child say to each other: one line of JSON each way, in turn."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from orbitalreg.model import Component, Database, Report

READY = b"ready\n"


@dataclass(frozen=True, slots=True)
class Setup:
    """Which scanner a child is to make. Options may hold secrets, and what TOML has and JSON has not: it is pickled."""

    plugin: str
    scanner: str
    options: Mapping[str, Any]
    base: Path
    folder: Path
    idle_seconds: float


@dataclass(frozen=True, slots=True)
class Request:
    """`folder` is the target's; beside it lies `answer`, where raw output and documents go."""

    do: Literal["state", "scan", "judge"]
    components: tuple[Component, ...] = ()
    filename: str = ""
    sha256: str = ""
    folder: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """What a scanner judges by, and its version, where it tells one."""

    database: Database | None = None
    version: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """`failed` is what the scanner says of its failure, `fault` the kind of error that it did not foresee.

    `documents` are the kinds of those that lie in the folder `answer`, as `0`, `1` and so on, beside `raw`.
    """

    state: State = State()
    reports: tuple[Report, ...] = ()
    documents: tuple[str, ...] = ()
    failed: str | None = None
    fault: str | None = None


REQUEST = TypeAdapter(Request)
ANSWER = TypeAdapter(Answer)
