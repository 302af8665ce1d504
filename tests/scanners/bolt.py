"""A bbolt file (https://github.com/etcd-io/bbolt), written once: what Trivy's database is.

One leaf page for each bucket, however large, so that there are no branches. Everything is little-endian.
"""

import struct
from collections.abc import Mapping
from pathlib import Path

PAGE = 4096
MAGIC, VERSION = 0xED0CDAED, 2
LEAF, META, FREELIST = 0x02, 0x04, 0x10
IS_BUCKET = 1

Tree = Mapping[str, "bytes | Tree"]
"""A bucket: its keys, and for each the value or a further bucket."""


def write(path: Path, root: Tree) -> None:
    """The file of these buckets. No key may be empty, and no bucket have more than 65,535 of them."""
    pages = [b""] * 3  # two metas, and the list of free pages
    pgid = _bucket(pages, root)
    pages[2] = _page(2, FREELIST, 0, b"")
    for number in (0, 1):
        meta = struct.pack("<IIIIQQQQQ", MAGIC, VERSION, PAGE, 0, pgid, 0, 2, len(pages), number)
        pages[number] = _page(number, META, 0, meta + struct.pack("<Q", _fnv(meta)))
    path.write_bytes(b"".join(pages))


def _bucket(pages: list[bytes], tree: Tree) -> int:
    """The number of the leaf that holds `tree`; its inner buckets come before it."""
    items = []
    for key, value in sorted((key.encode(), value) for key, value in tree.items()):
        if isinstance(value, bytes):
            items.append((0, key, value))
        else:
            items.append((IS_BUCKET, key, struct.pack("<QQ", _bucket(pages, value), 0)))
    elements, data = b"", b""
    for index, (flags, key, value) in enumerate(items):
        position = (len(items) - index) * 16 + len(data)
        elements += struct.pack("<IIII", flags, position, len(key), len(value))
        data += key + value
    pgid = len(pages)
    leaf = _page(pgid, LEAF, len(items), elements + data)
    pages.append(leaf)
    pages.extend([b""] * (len(leaf) // PAGE - 1))  # the pages that it overflows into
    return pgid


def _page(pgid: int, flags: int, count: int, body: bytes) -> bytes:
    size = -(-(16 + len(body)) // PAGE)
    return (struct.pack("<QHHI", pgid, flags, count, size - 1) + body).ljust(size * PAGE, b"\0")


def _fnv(data: bytes) -> int:
    """FNV-1a of 64 bits: what a meta page is checked by."""
    found = 0xCBF29CE484222325
    for byte in data:
        found = ((found ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return found
