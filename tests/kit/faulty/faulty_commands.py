"""Commands with one fault each; `FAULTS` says which tests of the contract must find it."""

import click

from orbitalreg.errors import NotFound
from orbitalreg.interfaces import Commands, Surroundings


@click.group("sound", help="Sounds.")
def kept() -> None:
    return


class Sound(Commands):
    """No fault: that it passes is shown beside this folder."""

    name = "sound"
    help: str | None = "Play a sound."
    text = "there is no such sound; see: orbitalreg sound --help"

    def __init__(self, surroundings: Surroundings | None = None) -> None:
        self.surroundings = surroundings

    def play(self, loud: bool, tune: str) -> None:
        raise NotFound(self.text)

    def command(self) -> click.Command:
        loud = click.Option(["--loud"], is_flag=True, help="Wake everybody.")
        tune = click.Argument(["tune"])
        play = click.Command("play", callback=self.play, params=[loud, tune], help=self.help)
        return click.Group(self.name, commands=[play], help="Sounds.")


class AnotherName(Sound):
    def command(self) -> click.Command:
        made = super().command()
        made.name = "noise"
        return made


class OddName(Sound):
    name = "--sound"


class Silent(Sound):
    help = None


class SilentOption(Sound):
    def command(self) -> click.Command:
        made = super().command()
        made.params.append(click.Option(["--long"]))
        return made


class OwnConfig(Sound):
    def command(self) -> click.Command:
        made = super().command()
        made.params.append(click.Option(["--config"], help="Mine."))
        return made


class Helpless(Sound):
    def command(self) -> click.Command:
        made = super().command()
        made.context_settings["help_option_names"] = ["--usage"]
        made.add_help_option = False
        return made


class RawErrors(Sound):
    def play(self, loud: bool, tune: str) -> None:
        raise KeyError(tune)


class Shared(Sound):
    def command(self) -> click.Command:
        return kept


CONTROL = "test_two_instances_do_not_share_a_command"
"""A test that finds nothing in what was made for another."""

FAULTS: dict[type[Commands], list[str]] = {
    AnotherName: ["test_the_command_is_called_as_the_class_says"],
    OddName: ["test_the_command_is_called_as_the_class_says"],
    Silent: ["test_every_command_says_what_it_does_and_what_its_options_mean"],
    SilentOption: ["test_every_command_says_what_it_does_and_what_its_options_mean"],
    OwnConfig: ["test_no_command_has_an_option_of_the_hosts"],
    Helpless: ["test_help_is_shown_for_every_command"],
    RawErrors: ["test_what_is_refused_is_an_error_of_the_hosts_in_one_plain_line"],
    Shared: ["test_two_instances_do_not_share_a_command"],
}
