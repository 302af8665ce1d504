"""What the command line relies on in the commands of a plugin."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import click
import pytest
from click.testing import CliRunner

from orbitalreg.errors import OrbitalError
from orbitalreg.interfaces import Commands
from orbitalreg.testing.checks import is_plain


@dataclass(frozen=True)
class CommandsUnderTest:
    """`make` makes an instance, as often as it is asked.

    `refused` are words after the name, with which a command ends in an error of `orbitalreg.errors`.
    """

    make: Callable[[], Commands]
    refused: list[list[str]] = field(default_factory=list)


class BaseCommandsContract:
    """Override `subject`."""

    @pytest.fixture
    def subject(self) -> CommandsUnderTest:
        raise NotImplementedError("override the fixture `subject`")

    def test_the_command_is_called_as_the_class_says(self, subject: CommandsUnderTest) -> None:
        made = subject.make()
        assert re.fullmatch(r"[a-z][a-z0-9-]*", made.name)
        assert made.command().name == made.name

    def test_every_command_says_what_it_does_and_what_its_options_mean(self, subject: CommandsUnderTest) -> None:
        for path, command in _all(subject.make().command()):
            assert command.get_short_help_str(), f"{path} has no help"
            options = [option for option in command.params if isinstance(option, click.Option)]
            assert [option.name for option in options if not option.help] == [], path

    def test_no_command_has_an_option_of_the_hosts(self, subject: CommandsUnderTest) -> None:
        for path, command in _all(subject.make().command()):
            assert [option.name for option in command.params if "--config" in option.opts] == [], path

    def test_help_is_shown_for_every_command(self, subject: CommandsUnderTest) -> None:
        for path, _ in _all(subject.make().command()):
            shown = CliRunner().invoke(subject.make().command(), [*path.split()[1:], "--help"])
            assert (shown.exit_code, shown.exception) == (0, None), path

    def test_what_is_refused_is_an_error_of_the_hosts_in_one_plain_line(self, subject: CommandsUnderTest) -> None:
        for words in subject.refused:
            done = CliRunner().invoke(subject.make().command(), words)
            assert isinstance(done.exception, OrbitalError), words
            assert is_plain(str(done.exception)), words

    def test_two_instances_do_not_share_a_command(self, subject: CommandsUnderTest) -> None:
        assert subject.make().command() is not subject.make().command()


def _all(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    path = f"{path} {command.name}".strip()
    yield path, command
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from _all(below, path)
