"""The only caller of pluggy: finds plugins, enables those that the configuration asks for, types what they return.

Installed is not enabled: an entry point is imported only when a repository's `format`, the storage `backend` or a
`[plugins.<name>]` table names it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

import pluggy

from orbitalreg import hookspecs
from orbitalreg.errors import PluginError
from orbitalreg.interfaces import Authenticator, BlobStore, Commands, FormatAdapter, Scanner, TokenExchanger

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin that is on this machine, by its metadata alone: nothing of it was imported."""

    name: str
    distribution: str
    version: str
    enabled: bool


def installed_entry_points() -> dict[str, EntryPoint]:
    """Every installed plugin by its name. Raises `PluginError` where two distributions claim one name."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=hookspecs.GROUP):
        other = found.setdefault(point.name, point)
        if other is not point and (other.value, _distribution(other)) != (point.value, _distribution(point)):
            raise PluginError(
                f"two plugins are called {point.name!r}: one from {_distribution(other)}, one from "
                f"{_distribution(point)}; uninstall one of them"
            )
    return found


def installed(enabled: Iterable[str]) -> list[Installed]:
    """What `orbitalreg plugins` lists, in the order of the names."""
    wanted = set(enabled)
    return [
        Installed(name, _distribution(point), point.dist.version if point.dist else "", name in wanted)
        for name, point in sorted(installed_entry_points().items())
    ]


@dataclass(frozen=True, slots=True)
class Brought(Generic[T]):
    """A class, and the name of the plugin that brought it: that of its table of settings too."""

    cls: type[T]
    plugin: str


class Plugins:
    """The enabled plugins of one configuration. Made at start; read by any thread afterwards."""

    def __init__(self, enabled: Mapping[str, object]) -> None:
        """`enabled` maps a plugin's name to its module or object. Raises `PluginError`."""
        self._manager = pluggy.PluginManager(hookspecs.GROUP)
        self._manager.add_hookspecs(hookspecs)
        for name, plugin in enabled.items():
            self._manager.register(plugin, name)
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise PluginError(f"a plugin has a hook that does not exist: {error}") from error
        formats = self._collect("format_adapters", FormatAdapter)  # type: ignore[type-abstract]
        self._formats = {name: brought.cls() for name, brought in formats.items()}
        stores = self._collect("blob_stores", BlobStore)  # type: ignore[type-abstract]
        self._stores = {name: brought.cls for name, brought in stores.items()}
        self.authenticators = self._collect("authenticators", Authenticator)  # type: ignore[type-abstract]
        self.token_exchangers = self._collect("token_exchangers", TokenExchanger)  # type: ignore[type-abstract]
        self.commands = self._collect("commands", Commands)  # type: ignore[type-abstract]
        self.scanners = self._collect("scanners", Scanner)  # type: ignore[type-abstract]

    @classmethod
    def load(cls, names: Iterable[str]) -> "Plugins":
        """Import and register the installed plugins of these names; a name that is not installed is passed over.

        What needs an absent plugin says so where it is needed (`format`, `blob_store`).
        """
        points = installed_entry_points()
        return cls({name: _import(points[name]) for name in sorted(set(names)) if name in points})

    @classmethod
    def load_all(cls) -> "Plugins":
        """Everything that is installed: for the proposals of a first start."""
        return cls.load(installed_entry_points())

    def __contains__(self, name: object) -> bool:
        """Whether the plugin of this name is enabled."""
        return isinstance(name, str) and self._manager.has_plugin(name)

    @property
    def formats(self) -> Mapping[str, FormatAdapter]:
        """The adapters by the name that a repository's `format` uses."""
        return self._formats

    @property
    def blob_stores(self) -> Mapping[str, type[BlobStore]]:
        """The stores by the name that `[storage] backend` uses."""
        return self._stores

    def _collect(self, hook: str, kind: type[T]) -> Mapping[str, "Brought[T]"]:
        """Call a collecting hook on one plugin at a time, so that a fault names the plugin it is in."""
        found: dict[str, Brought[T]] = {}
        for plugin_name, plugin in self._manager.list_name_plugin():  # in the order of their registration
            others = [other for other in self._manager.get_plugins() if other is not plugin]
            caller: Any = self._manager.subset_hook_caller(hook, others)
            for cls in _called(caller, plugin_name, hook):
                name = _checked_name(cls, kind, plugin_name, hook)
                other = found.setdefault(name, Brought(cls, plugin_name))
                if other.plugin != plugin_name:
                    raise PluginError(
                        f"plugins {other.plugin!r} and {plugin_name!r} both bring {kind.__name__} {name!r}"
                    )
        return found


def _called(caller: Any, plugin_name: str, hook: str) -> list[Any]:
    try:
        return [cls for returned in caller() for cls in returned]
    except Exception as error:  # foreign code: whatever it raises, the operator must learn which plugin it was
        raise PluginError(f"plugin {plugin_name!r}: {hook} failed: {error}") from error


def _checked_name(cls: Any, kind: type, plugin_name: str, hook: str) -> str:
    """The name of a class that a hook returned. Raises `PluginError` for anything else, and for half a class."""
    if not (isinstance(cls, type) and issubclass(cls, kind)):
        raise PluginError(f"plugin {plugin_name!r}: {hook} must return classes of {kind.__name__}")
    lacking = [*sorted(getattr(cls, "__abstractmethods__", ())), *([] if hasattr(cls, "name") else ["name"])]
    if lacking:
        raise PluginError(f"plugin {plugin_name!r}: {cls.__name__} is abstract: it lacks {', '.join(lacking)}")
    return str(cls.name)  # type: ignore[attr-defined]  # every kind has one


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "?"


def _import(point: EntryPoint) -> object:
    try:
        return point.load()
    except Exception as error:  # foreign code: whatever its import raises, the operator must learn which plugin it was
        raise PluginError(f"plugin {point.name!r} of {_distribution(point)} cannot be imported: {error}") from error
