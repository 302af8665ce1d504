"""The built-in blob store passes the kit."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from orbitalreg.blobs import FilesystemBlobStore
from orbitalreg.testing import BaseBlobStoreContract, StoreUnderTest

pytest_plugins = ["orbitalreg.testing"]


class RawFolder:
    """The store's folder, read without the store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keys(self) -> Iterable[str]:
        return [path.name for path in self._folder.rglob("*") if path.is_file()]

    def read(self, key: str) -> bytes:
        return self._path(key).read_bytes()

    def remove(self, key: str) -> None:
        self._path(key).unlink()

    def _path(self, key: str) -> Path:
        (path,) = self._folder.rglob(key)
        return path


class TestFilesystem(BaseBlobStoreContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> StoreUnderTest:
        return StoreUnderTest(lambda: FilesystemBlobStore(tmp_path, {}), RawFolder(tmp_path / "blobs"))
