"""Plugins: which are found, which are imported, and what is said of those that do not fit."""

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path

import pytest

from orbitalreg import config, plugins
from orbitalreg.assembly import Registry, assemble, check_plugins, default_settings
from orbitalreg.blobs import FilesystemBlobStore
from orbitalreg.cli.template import starting_file
from orbitalreg.config import Settings
from orbitalreg.errors import ConfigError, PluginError
from orbitalreg.plugins import Plugins, installed

Install = Callable[..., None]

BROKEN = "raise RuntimeError('imported!')"
CUPBOARD = """
from orbitalreg.blobs import FilesystemBlobStore
from orbitalreg.errors import ConfigError
from orbitalreg.hookspecs import hookimpl

class Cupboard(FilesystemBlobStore):
    name = "cupboard"

    def __init__(self, data, options):
        super().__init__(data, {})
        self.options = dict(options)
        if "lock" in self.options:
            raise ConfigError(["storage.lock: a cupboard has none"])

@hookimpl
def blob_stores():
    return [Cupboard]
"""


def settings(text: str, folder: Path) -> Settings:
    file = folder / "orbitalreg.toml"
    file.write_text(f'[data]\npath = "data"\n{text}')
    return config.load(file)


@pytest.fixture
def assembled(tmp_path: Path) -> Iterator[Callable[[str], Registry]]:
    made: list[Registry] = []

    def make(text: str) -> Registry:
        made.append(assemble(settings(text, tmp_path)))
        return made[-1]

    yield make
    for registry in made:
        registry.close()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing were installed beside the host."""

    def only_the_host(group: str) -> EntryPoints:
        return EntryPoints(point for point in entry_points(group=group) if point.value.startswith("orbitalreg."))

    monkeypatch.setattr(plugins, "entry_points", only_the_host)


def repository(format_name: str) -> str:
    return f"[projects.acme.repositories.things]\nformat = '{format_name}'\nkind = 'local'\n"


def test_an_installed_plugin_that_nothing_names_is_not_imported(install: Install, tmp_path: Path) -> None:
    install("broken", BROKEN)
    enabled = check_plugins(settings(repository("toy"), tmp_path))
    assert "toy" in enabled
    assert "broken" not in enabled


def test_a_plugins_table_enables_it(install: Install, tmp_path: Path) -> None:
    install("extra", "")
    assert "extra" in check_plugins(settings("[plugins.extra]\n", tmp_path))


def test_an_import_that_fails_names_the_plugin_and_its_distribution(install: Install, tmp_path: Path) -> None:
    install("broken", BROKEN)
    with pytest.raises(PluginError, match="plugin 'broken' of orbitalreg-broken cannot be imported: imported!"):
        check_plugins(settings("[plugins.broken]\n", tmp_path))


def test_two_plugins_of_one_name_are_an_error_that_names_both_distributions(install: Install) -> None:
    install("twin", "", "first-twin")
    install("twin", "", "second-twin")
    with pytest.raises(PluginError, match=r"two plugins are called 'twin'") as caught:
        Plugins.load(["toy"])
    assert "first-twin" in str(caught.value)
    assert "second-twin" in str(caught.value)


def test_a_misspelt_hook_is_an_error(install: Install) -> None:
    install("sloppy", "from orbitalreg.hookspecs import hookimpl\n@hookimpl\ndef blob_store():\n    return []\n")
    with pytest.raises(PluginError, match=r"hook that does not exist.*blob_store"):
        Plugins.load(["sloppy"])


@pytest.mark.parametrize("returned", ["[object()]", "[int]", "['toy']"])
def test_a_hook_that_returns_something_else_names_the_plugin(returned: str, install: Install) -> None:
    source = f"from orbitalreg.hookspecs import hookimpl\n@hookimpl\ndef blob_stores():\n    return {returned}\n"
    install("odd", source)
    with pytest.raises(PluginError, match="plugin 'odd': blob_stores must return classes of BlobStore"):
        Plugins.load(["odd", "filesystem"])


def test_a_hook_that_fails_names_the_plugin(install: Install) -> None:
    install("sick", "from orbitalreg.hookspecs import hookimpl\n@hookimpl\ndef blob_stores():\n    return 1 / 0\n")
    with pytest.raises(PluginError, match="plugin 'sick': blob_stores failed: division by zero"):
        Plugins.load(["sick", "filesystem"])


def test_an_adapter_that_is_not_whole_names_the_plugin(install: Install) -> None:
    source = """
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import FormatAdapter
class Half(FormatAdapter):
    name = "half"
@hookimpl
def format_adapters():
    return [Half]
"""
    install("half", source)
    with pytest.raises(PluginError, match=r"'half'.*abstract: it lacks component, inspect, normalize"):
        Plugins.load(["half"])


def test_two_plugins_that_bring_one_store_are_an_error_that_names_both(install: Install) -> None:
    install("cupboard", CUPBOARD)
    install("cellar", CUPBOARD)
    with pytest.raises(PluginError, match="plugins 'cellar' and 'cupboard' both bring BlobStore 'cupboard'"):
        Plugins.load(["cupboard", "cellar"])


def test_what_is_installed_is_listed_from_its_metadata_alone(install: Install) -> None:
    install("broken", BROKEN)
    listed = {plugin.name: plugin for plugin in installed(["toy"])}
    assert (listed["broken"].distribution, listed["broken"].version) == ("orbitalreg-broken", "2.5")
    assert {name: listed[name].enabled for name in ("broken", "toy", "filesystem")} == {
        "broken": False,
        "toy": True,
        "filesystem": False,
    }


def test_a_format_that_nobody_speaks_names_the_package_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_plugins(settings(repository("klingon"), tmp_path))
    assert caught.value.problems == (
        "projects.acme.repositories.things.format: found 'klingon'; no installed plugin speaks it: "
        "pip install orbitalreg-klingon",
    )


def test_a_backend_that_nobody_brings_names_the_package_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"storage\.backend: found 'attic'; .*pip install orbitalreg-attic"):
        check_plugins(settings("[storage]\nbackend = 'attic'\n", tmp_path))


def test_a_table_of_no_plugin_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"plugins\.nothing: no such plugin is installed"):
        check_plugins(settings("[plugins.nothing]\n", tmp_path))


def test_every_missing_plugin_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_plugins(settings(repository("klingon") + "[storage]\nbackend = 'attic'\n[plugins.nothing]\n", tmp_path))
    assert len(caught.value.problems) == 3


@pytest.mark.usefixtures("alone")
def test_the_host_alone_starts_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    registry = assemble(default_settings())
    registry.close()
    assert registry.repositories == {}
    assert registry.formats == {}


@pytest.mark.usefixtures("alone")
def test_the_host_alone_writes_a_first_file_that_it_can_read(tmp_path: Path) -> None:
    file = tmp_path / "orbitalreg.toml"
    file.write_text(starting_file(Plugins.load_all()))
    assert list(config.load(file).repositories()) == []


def test_the_default_has_what_the_installed_formats_propose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    proposed = {str(address): settings.format for address, settings in default_settings().repositories()}
    assert proposed["acme/toys"] == "toy"


def test_the_filesystem_store_is_registered_by_its_entry_point() -> None:
    assert plugins.installed_entry_points()["filesystem"].value == "orbitalreg.blobs"
    assert Plugins.load(["filesystem"]).blob_stores == {"filesystem": FilesystemBlobStore}
    assert Plugins.load(["toy"]).blob_stores == {}


def test_another_store_is_selected_and_gets_its_options(install: Install, assembled: Callable[[str], Registry]) -> None:
    install("cupboard", CUPBOARD)
    registry = assembled("[storage]\nbackend = 'cupboard'\ndrawer = 3\n[storage.labels]\nred = true\n")
    assert registry.store.name == "cupboard"
    assert vars(registry.store)["options"] == {"drawer": 3, "labels": {"red": True}}


def test_a_stores_own_fault_is_told(install: Install, assembled: Callable[[str], Registry]) -> None:
    install("cupboard", CUPBOARD)
    with pytest.raises(ConfigError, match=r"storage\.lock: a cupboard has none"):
        assembled("[storage]\nbackend = 'cupboard'\nlock = true\n")


def test_the_filesystem_store_takes_no_options(assembled: Callable[[str], Registry]) -> None:
    with pytest.raises(ConfigError, match=r"storage\.drawer: the filesystem backend has no such key"):
        assembled("[storage]\ndrawer = 3\n")
