"""Blob stores with one fault each; `FAULTS` says which tests of the contract must find it."""

import io
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ulid import ULID

from orbitalreg.blobs import FilesystemBlobStore
from orbitalreg.errors import InvalidName, NotFound, StorageFailed

HELD = ["test_what_is_kept_lies_on_the_medium"]


class Sound(FilesystemBlobStore):
    """No fault: that it passes is shown beside this folder."""

    name = "sound"


class MemoryOnly(Sound):
    """Holds the bytes in memory."""

    def __init__(self, data: Path, options: Any) -> None:
        super().__init__(data, options)
        self.held: dict[str, bytes] = {}

    def keep(self, staged: Path, key: str) -> None:
        self._path(key)
        try:
            self.held[key] = staged.read_bytes()
        except OSError as error:
            raise StorageFailed(str(error)) from error
        staged.unlink()

    def open(self, key: str) -> BinaryIO:
        self._path(key)
        if key not in self.held:
            raise NotFound(key)
        return io.BytesIO(self.held[key])

    def delete(self, key: str) -> None:
        self.held.pop(key, None)

    def keys(self) -> Iterator[str]:
        yield from list(self.held)


class Copying(Sound):
    """Forgets to consume the staged file."""

    def keep(self, staged: Path, key: str) -> None:
        copy = self.staging.parent / "copy"
        try:
            shutil.copy(staged, copy)
        except OSError as error:
            raise StorageFailed(str(error)) from error
        super().keep(copy, key)


class Littering(Sound):
    """Leaves a temporary file beside the blobs."""

    def keep(self, staged: Path, key: str) -> None:
        super().keep(staged, key)
        (self._root / "temporary").write_bytes(b"")

    def keys(self) -> Iterator[str]:
        yield from (key for shard in self._root.iterdir() if shard.is_dir() for key in os.listdir(shard))


class StagingLitter(Sound):
    """Leaves a file in the staging folder."""

    def keep(self, staged: Path, key: str) -> None:
        super().keep(staged, key)
        (self.staging / f"{ULID()}.lock").touch()


class Trusting(Sound):
    """Makes a path of whatever it is given."""

    def _path(self, key: str) -> Path:
        if "\0" in key:
            raise InvalidName("NUL")
        (self._root / key[:2]).mkdir(exist_ok=True)
        return self._root / key[:2] / key


class NulTrusting(Sound):
    """Hands NUL to the system, which answers with a ValueError."""

    def _path(self, key: str) -> Path:
        return self._root / key[:2] / key if "\0" in key else super()._path(key)


class StagingAmongBlobs(Sound):
    """Stages where the blobs are."""

    @property
    def staging(self) -> Path:
        (self._root / "st").mkdir(exist_ok=True)
        return self._root / "st"


class StagingToBeMade(Sound):
    """Names a staging folder that is not there."""

    @property
    def staging(self) -> Path:
        return self._root.parent / "later"


class WanderingStaging(Sound):
    """Makes a staging folder for every question."""

    @property
    def staging(self) -> Path:
        place = super().staging / str(ULID())
        place.mkdir()
        return place


class RawErrors(Sound):
    """Lets an OSError out."""

    def keep(self, staged: Path, key: str) -> None:
        staged.stat()
        super().keep(staged, key)


class HalfHeld(Sound):
    """Holds an empty blob where keeping failed."""

    def keep(self, staged: Path, key: str) -> None:
        if not staged.exists():
            self._path(key).parent.mkdir(exist_ok=True)
            self._path(key).touch()
            raise StorageFailed("no staged file")
        super().keep(staged, key)


class Sulking(Sound):
    """Keeps nothing more under a key that it failed to keep."""

    def __init__(self, data: Path, options: Any) -> None:
        super().__init__(data, options)
        self.failed: set[str] = set()

    def keep(self, staged: Path, key: str) -> None:
        if key in self.failed:
            raise StorageFailed("again?")
        self.failed.add(key)
        super().keep(staged, key)
        self.failed.discard(key)


class Truncating(Sound):
    """Keeps no more than a megabyte."""

    def keep(self, staged: Path, key: str) -> None:
        if staged.exists():
            os.truncate(staged, min(staged.stat().st_size, 1 << 20))
        super().keep(staged, key)


class EmptyRefusing(Sound):
    """Refuses an empty file."""

    def keep(self, staged: Path, key: str) -> None:
        if staged.exists() and not staged.stat().st_size:
            staged.unlink()
            raise StorageFailed("empty")
        super().keep(staged, key)


class OnePosition(Sound):
    """All readers of a key share one position."""

    def __init__(self, data: Path, options: Any) -> None:
        super().__init__(data, options)
        self.opened: dict[str, BinaryIO] = {}

    def open(self, key: str) -> BinaryIO:
        if key not in self.opened or self.opened[key].closed:
            self.opened[key] = super().open(key)
        return self.opened[key]


class Unseekable(Sound):
    """Opens a stream that only goes forward."""

    def open(self, key: str) -> BinaryIO:
        class Forward(io.BytesIO):
            def seekable(self) -> bool:
                return False

        with super().open(key) as stream:
            return Forward(stream.read())


class AbsentIsEmpty(Sound):
    """Opens nothing for an absent key."""

    def open(self, key: str) -> BinaryIO:
        try:
            return super().open(key)
        except NotFound:
            return io.BytesIO()


class AbsentIsFault(Sound):
    """Fails to delete what is absent."""

    def delete(self, key: str) -> None:
        self._path(key).unlink()


class Undeleting(Sound):
    """Hides a deleted blob and leaves its bytes."""

    def __init__(self, data: Path, options: Any) -> None:
        super().__init__(data, options)
        self.deleted: set[str] = set()

    def delete(self, key: str) -> None:
        self.deleted.add(key)

    def open(self, key: str) -> BinaryIO:
        if key in self.deleted:
            raise NotFound(key)
        return super().open(key)

    def keys(self) -> Iterator[str]:
        held = super().keys()
        yield from (key for key in held if key not in self.deleted)


class ByDigest(Sound):
    """Takes two keys of one digest for one blob."""

    def delete(self, key: str) -> None:
        for other in list(self.keys()):
            if other.partition(".")[0] == key.partition(".")[0]:
                super().delete(other)


class Remembering(Sound):
    """Lists what it remembers."""

    def __init__(self, data: Path, options: Any) -> None:
        super().__init__(data, options)
        self.known = set(super().keys())

    def keep(self, staged: Path, key: str) -> None:
        super().keep(staged, key)
        self.known.add(key)

    def delete(self, key: str) -> None:
        super().delete(key)
        self.known.discard(key)

    def keys(self) -> Iterator[str]:
        yield from list(self.known)


class OneTemporaryName(Sound):
    """Every keep goes through a file of the same name, with a pause in which others come."""

    def keep(self, staged: Path, key: str) -> None:
        self._path(key)
        common = self.staging.parent / "common"
        try:
            shutil.copy(staged, common)
        except OSError as error:
            raise StorageFailed(str(error)) from error
        staged.unlink()
        time.sleep(0.005)
        super().keep(common, key)


class NegativeRoom(Sound):
    """Has less than no room."""

    def free_bytes(self) -> int:
        return -1


class OddName(Sound):
    """Cannot be written in the configuration."""

    name = "My Store"


CONTROL = "test_free_bytes_are_a_number_or_none"
"""A test that finds nothing in what was made for another."""

FAULTS: dict[type[FilesystemBlobStore], list[str]] = {
    MemoryOnly: [*HELD, "test_another_store_on_the_medium_sees_the_same", "test_keys_are_those_held"],
    Copying: ["test_keep_consumes_the_staged_file"],
    Littering: [*HELD, "test_keys_are_those_held"],
    StagingLitter: [*HELD, "test_open_seeks"],
    Trusting: ["test_a_hostile_key_reaches_nothing"],
    NulTrusting: ["test_a_hostile_key_reaches_nothing"],
    StagingAmongBlobs: ["test_what_is_staged_is_not_held"],
    StagingToBeMade: ["test_staging_is_a_folder_that_can_be_written"],
    WanderingStaging: ["test_staging_stays_where_it_is"],
    RawErrors: ["test_a_keep_without_its_staged_file_fails_and_holds_nothing"],
    HalfHeld: ["test_a_keep_without_its_staged_file_fails_and_holds_nothing"],
    Sulking: ["test_after_a_keep_that_failed_the_next_one_holds"],
    Truncating: ["test_a_large_blob_is_kept_whole", "test_open_reads_ranges_of_a_large_blob"],
    EmptyRefusing: ["test_nothing_at_all_can_be_kept"],
    OnePosition: ["test_open_starts_at_the_first_byte_each_time"],
    Unseekable: ["test_open_seeks"],
    AbsentIsEmpty: ["test_an_absent_key_is_not_found", "test_a_blob_that_the_medium_lost_is_not_found_and_not_listed"],
    AbsentIsFault: ["test_deleting_what_is_absent_is_no_error"],
    Undeleting: ["test_a_deleted_blob_is_gone_from_the_medium"],
    ByDigest: ["test_one_digest_under_two_keys_is_two_blobs"],
    Remembering: ["test_a_blob_that_the_medium_lost_is_not_found_and_not_listed"],
    OneTemporaryName: ["test_threads_keep_open_and_delete_at_once"],
    NegativeRoom: ["test_free_bytes_are_a_number_or_none"],
    OddName: ["test_its_name_can_stand_in_the_configuration"],
}
