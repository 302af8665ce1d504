"""Each hook, from a plugin to what the host makes of it."""

import orbitalreg_toy
import orbitalreg_toy_scanner
import orbitalreg_toy_signin

from orbitalreg import blobs, proxy_headers
from orbitalreg.plugins import Plugins


def test_hook_format_adapters() -> None:
    formats = Plugins({"toy": orbitalreg_toy, "filesystem": blobs}).formats
    assert {name: type(adapter) for name, adapter in formats.items()} == {"toy": orbitalreg_toy.ToyFormat}


def test_hook_blob_stores() -> None:
    stores = Plugins({"toy": orbitalreg_toy, "filesystem": blobs}).blob_stores
    assert stores == {"filesystem": blobs.FilesystemBlobStore}


def test_hook_authenticators() -> None:
    plugins = Plugins({"toy-signin": orbitalreg_toy_signin, "proxy-headers": proxy_headers})
    assert {name: (brought.cls, brought.plugin) for name, brought in plugins.authenticators.items()} == {
        "toy-words": (orbitalreg_toy_signin.ToyAuthenticator, "toy-signin"),
        "proxy-headers": (proxy_headers.ProxyHeaders, "proxy-headers"),
    }


def test_hook_token_exchangers() -> None:
    exchangers = Plugins({"toy": orbitalreg_toy, "toy-signin": orbitalreg_toy_signin}).token_exchangers
    assert {name: brought.cls for name, brought in exchangers.items()} == {"toy": orbitalreg_toy_signin.ToyExchanger}


def test_hook_scanners() -> None:
    scanners = Plugins({"toy": orbitalreg_toy, "toy-scanner": orbitalreg_toy_scanner}).scanners
    assert {name: (brought.cls, brought.plugin) for name, brought in scanners.items()} == {
        "toy-scanner": (orbitalreg_toy_scanner.ToyScanner, "toy-scanner")
    }
