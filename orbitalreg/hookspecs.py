"""Every hook, and nothing else. The marker and the entry-point group are both `orbitalreg`.

Collecting hooks return classes; the host makes the instances.
"""

from collections.abc import Sequence

import pluggy

from orbitalreg.interfaces import Authenticator, BlobStore, Commands, FormatAdapter, Scanner, TokenExchanger

GROUP = "orbitalreg"

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def format_adapters() -> Sequence[type[FormatAdapter]]:  # type: ignore[empty-body]
    """The formats that this plugin speaks. An adapter's `name` is what a repository's `format` says."""


@hookspec
def blob_stores() -> Sequence[type[BlobStore]]:  # type: ignore[empty-body]
    """The blob stores of this plugin. A store's `name` is what `[storage] backend` says."""


@hookspec
def authenticators() -> Sequence[type[Authenticator]]:  # type: ignore[empty-body]
    """The ways in which this plugin knows users. They are asked in the order of their names."""


@hookspec
def token_exchangers() -> Sequence[type[TokenExchanger]]:  # type: ignore[empty-body]
    """Those that turn signed tokens of others into short-lived ones of this registry."""


@hookspec
def commands() -> Sequence[type[Commands]]:  # type: ignore[empty-body]
    """The commands that this plugin adds to `orbitalreg`. The class's `name` is the word after `orbitalreg`."""


@hookspec
def scanners() -> Sequence[type[Scanner]]:  # type: ignore[empty-body]
    """The scanners of this plugin. Each file is looked at by every one that is enabled."""
