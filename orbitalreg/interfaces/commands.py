"""What a plugin implements that adds to the command line."""

from abc import ABC, abstractmethod
from typing import ClassVar

import click

from orbitalreg.interfaces.signin import Surroundings


class Commands(ABC):
    """A word after `orbitalreg`, with all that may follow it. Made for one call of the command line."""

    name: ClassVar[str]

    @abstractmethod
    def __init__(self, surroundings: Surroundings) -> None:
        """Raises `ConfigError`, each problem with the key's path below `plugins.<name>`. Changes nothing on disk."""

    @abstractmethod
    def command(self) -> click.Command:
        """A command called `name`, or a group of some. The host adds `--config FILE` to each of them.

        What is raised of `orbitalreg.errors` is one line on stderr, and exit code 1. The catalog is not opened.
        """
