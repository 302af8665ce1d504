"""What a scanner implements, and what it is handed.

A scanner lives in child processes of the host: it may hang, crash or eat memory, and is ended with all that it started.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Protocol

from orbitalreg.interfaces.signin import Surroundings
from orbitalreg.model import Component, Database, Report, Scan


class Capability(StrEnum):
    """What a scanner looks for."""

    VULNERABILITY = "vulnerability"
    MALWARE = "malware"
    LICENSE = "license"
    SBOM = "sbom"


@dataclass(frozen=True, slots=True)
class ToolRun:
    """How a program ended, and what it printed."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Runner(Protocol):
    """Runs a tool that the scanner relies on."""

    def __call__(
        self,
        arguments: Sequence[str],
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] = {},
        seconds: float = 300.0,
        max_output: int = 64 << 20,
    ) -> ToolRun:
        """The end of `arguments[0]`, which ran in `folder` without a terminal or input.

        Of this process' environment it is given what programs need (PATH, HOME, locale), and `environment` beside
        that. After `seconds`, or with more than `max_output` bytes printed or written into one file, it is ended with
        all that it started.
        Raises `ScannerFailed` for that, and where it cannot be started.
        """


@dataclass(frozen=True, slots=True)
class Tool:
    """A program whose version is its scanner's, and how it is asked for it: it prints it with these `arguments`.

    `environment` is what it needs beside what programs get. `program` is absolute.
    """

    program: Path
    arguments: Sequence[str] = ("--version",)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """One file, made ready to be scanned; its bytes are never among it.

    `folder` is the scanner's to write in, and gone afterwards. In it lie the staged documents by their paths, each
    component's metadata where its format's tools look for it, and `bom.json`: the components as CycloneDX 1.6. The
    first of `components` is the file's own package. `run` runs tools, in `folder` unless told otherwise.
    """

    filename: str
    sha256: str
    folder: Path
    components: tuple[Component, ...]
    run: Runner

    @property
    def component(self) -> Component:
        return self.components[0]

    @property
    def bom(self) -> Path:
        return self.folder / "bom.json"


class Scanner(ABC):
    """Looks at files for what is known to be wrong with them.

    Made anew in each child process; one call at a time. What it raises is a report with the status `error`; a
    `ScannerFailed` is told in its own words. What it prints is passed on to the log.
    """

    name: ClassVar[str]
    vendor: ClassVar[str] = ""
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.VULNERABILITY})

    @abstractmethod
    def __init__(self, surroundings: Surroundings) -> None:
        """Raises `ConfigError`, each problem with the key's path below `plugins.<name>`; a tool that is not there is
        one, and the words say how to get it. Quick, and changes nothing on disk: the server makes one to check.
        """

    @abstractmethod
    def database(self) -> Database | None:
        """What it judges by at this moment; None for a scanner without a database. Asked often, and so quick.

        Raises `ScannerFailed` where there is none yet: the words say how to get it.
        """

    @abstractmethod
    def scan(self, target: Target) -> Scan:
        """What is known of the file. Its report is `ok` only where it proves in `packages_seen` what was looked at.

        Raises `ScannerFailed`.
        """

    @property
    def version(self) -> str:
        """Its own version; empty where it tells none, or its `tool` does. Another one means that files are looked at
        anew. Asked as often as `database`, and so quick.
        """
        return ""

    @property
    def tool(self) -> Tool | None:
        """The program whose version is the scanner's, where `version` is empty. The host asks it, and again where the
        program's file is another: one that is upgraded in place has files looked at anew. Quick, and starts nothing.
        """
        return None

    @property
    def deep(self) -> bool:
        """Whether it wants everything staged: what is bundled in the file too."""
        return False

    @property
    def judges_names(self) -> bool:
        """Whether `judge` may be asked: whether a name and a version are enough, without network, in milliseconds."""
        return False

    def judge(self, components: Sequence[Component]) -> Sequence[Report]:
        """A report for each of these, in their order: asked before a file of them was ever here.

        Overridden by those that `judges_names`. Raises `ScannerFailed`.
        """
        raise NotImplementedError
