"""Commands that plugins bring: whose are there, with which configuration, and what is said of those that do not fit."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Cli = Callable[..., Result]
Install = Callable[..., None]

SOURCE = """
import click
from orbitalreg.errors import ConfigError, NotFound
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import Commands

class Garden(Commands):
    name = {name!r}

    def __init__(self, surroundings):
        self.plants = surroundings.options.get("plants", "none")
        if self.plants == 7:
            raise ConfigError(["plants: found 7; it must be a string"])

    def command(self):
        @click.command()
        @click.argument("tool")
        @click.option("--wet", is_flag=True, help="With water.")
        def tend(tool, wet):
            "Tend the plants."
            if tool == "saw":
                raise NotFound("there is no saw")
            click.echo(f"{{self.plants}} {{tool}} {{wet}}")

        return click.Group(self.name, commands=[tend], help="The garden.")

@hookimpl
def commands():
    return [Garden]
"""


@pytest.fixture
def garden(install: Install, tmp_path: Path) -> Path:
    """The configuration that enables it; not where it is found by itself."""
    install("garden", SOURCE.format(name="garden"))
    file = tmp_path / "conf" / "garden.toml"
    file.parent.mkdir()
    file.write_text('[data]\npath = "data"\n[plugins.garden]\nplants = "roses"\n')
    return file


def test_hook_commands(cli: Cli, garden: Path) -> None:
    result = cli("garden", "tend", "rake", "--wet", "--config", str(garden))
    assert (result.exit_code, result.stdout) == (0, "roses rake True\n")
    assert cli("garden", "tend", "rake", f"--config={garden}").stdout == "roses rake False\n"
    assert [path.name for path in garden.parent.iterdir()] == ["garden.toml"]


def test_the_environments_configuration_counts_too(cli: Cli, garden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBITALREG_CONFIG", str(garden))
    assert cli("garden", "tend", "hoe").stdout == "roses hoe False\n"
    assert "\n  garden  " in cli("--help").stdout


def test_help_tells_of_the_option_that_every_command_has(cli: Cli, garden: Path) -> None:
    shown = cli("garden", "tend", "--config", str(garden), "--help")
    assert shown.exit_code == 0
    assert "--config FILE" in shown.stdout and "--wet" in shown.stdout


def test_installed_is_not_enabled(cli: Cli, garden: Path, tmp_path: Path) -> None:
    (tmp_path / "orbitalreg.toml").write_text("[data]\npath = 'data'\n")
    result = cli("garden", "tend", "rake")
    assert result.exit_code == 2
    assert "No such command 'garden'" in result.stderr
    assert "garden" not in cli("--help").stdout


def test_what_a_command_refuses_is_one_line(cli: Cli, garden: Path) -> None:
    result = cli("garden", "tend", "saw", "--config", str(garden))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "orbitalreg: there is no saw\n")


def test_settings_that_are_wrong_have_their_path_and_help_is_still_shown(
    cli: Cli, garden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    garden.write_text("[plugins.garden]\nplants = 7\n")
    says = "plugins.garden: plants: found 7; it must be a string\n"
    result = cli("garden", "tend", "rake", "--config", str(garden))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"orbitalreg: {says}")
    monkeypatch.setenv("ORBITALREG_CONFIG", str(garden))
    shown = cli("--help")
    assert shown.exit_code == 0 and "\n  serve  " in shown.stdout
    assert shown.stderr == f"orbitalreg: plugins' commands are not shown: {says}"


def test_a_word_of_the_hosts_is_not_taken(cli: Cli, install: Install, tmp_path: Path) -> None:
    install("greedy", SOURCE.format(name="token"))
    file = tmp_path / "greedy.toml"
    file.write_text("[plugins.greedy]\n")
    result = cli("garden", "--config", str(file))
    assert (result.exit_code, result.stderr) == (
        1,
        "orbitalreg: plugin 'greedy' brings a command 'token', which is the host's\n",
    )


def test_what_follows_two_dashes_is_no_option(cli: Cli, garden: Path) -> None:
    result = cli("garden", "tend", "--", "--config")
    assert result.exit_code == 2


def test_the_hosts_own_commands_read_no_plugin(cli: Cli, install: Install, tmp_path: Path) -> None:
    install("broken", "raise RuntimeError('imported!')")
    (tmp_path / "orbitalreg.toml").write_text("[plugins.broken]\n")
    assert cli("plugins").exit_code == 0
