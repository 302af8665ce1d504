"""Each hook, from a plugin to what the host makes of it."""

import orbitalreg_toy

from orbitalreg import blobs
from orbitalreg.plugins import Plugins


def test_hook_format_adapters() -> None:
    formats = Plugins({"toy": orbitalreg_toy, "filesystem": blobs}).formats
    assert {name: type(adapter) for name, adapter in formats.items()} == {"toy": orbitalreg_toy.ToyFormat}


def test_hook_blob_stores() -> None:
    stores = Plugins({"toy": orbitalreg_toy, "filesystem": blobs}).blob_stores
    assert stores == {"filesystem": blobs.FilesystemBlobStore}
