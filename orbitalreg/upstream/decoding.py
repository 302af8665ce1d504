"""Content codings, undone with a limit on what comes out."""

import zlib
from collections.abc import Iterable

from orbitalreg.upstream.wire import CUT_OFF, Refused, Trouble

CODINGS = "gzip, deflate"
_MEMBERS = 64
"""Of one gzip body: each costs work without giving a byte."""
_SLACK = 64 << 10


def decoded(body: Iterable[bytes], coding: str, max_bytes: int) -> bytes:
    """The whole body. `coding` is the Content-Encoding header, or empty.

    Raises `Refused` for one of more than `max_bytes`, before that much is held twice over, and for a coding that was
    not asked for or is damaged; `Trouble` where it is cut off.
    """
    match coding.strip().lower():
        case "" | "identity":
            return _plain(body, max_bytes)
        case "gzip" | "x-gzip":
            return _inflated(body, 16 + zlib.MAX_WBITS, max_bytes)
        case "deflate":
            return _inflated(body, None, max_bytes)
        case _:
            raise Refused("answered in a content coding that was not asked for")


def too_large(max_bytes: int) -> Refused:
    return Refused(f"answered with more than {max_bytes} bytes")


def _plain(body: Iterable[bytes], max_bytes: int) -> bytes:
    parts, size = [], 0
    for piece in body:
        size += len(piece)
        if size > max_bytes:
            raise too_large(max_bytes)
        parts.append(piece)
    return b"".join(parts)


def _inflated(body: Iterable[bytes], window: int | None, max_bytes: int) -> bytes:
    out = bytearray()
    inflate = None
    members = received = 0
    for piece in body:
        received += len(piece)
        if received > max_bytes + _SLACK:
            raise too_large(max_bytes)
        while piece:
            if inflate is None or inflate.eof:
                members += 1
                if members > (1 if window is None else _MEMBERS):
                    raise Refused("answered with a damaged body")
                inflate = zlib.decompressobj(window if window is not None else _deflate_window(piece))
            try:
                out += inflate.decompress(piece, max_bytes + 1 - len(out))
            except zlib.error as error:
                raise Refused("answered with a damaged body") from error
            if len(out) > max_bytes:
                raise too_large(max_bytes)
            piece = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
    if inflate is not None and not inflate.eof:
        raise Trouble(CUT_OFF)
    return bytes(out)


def _deflate_window(first: bytes) -> int:
    """`deflate` is zlib's format (RFC 9110, 8.4.1.2), which some servers send bare; their first bytes differ."""
    return zlib.MAX_WBITS if first[0] & 0x8F == 8 else -zlib.MAX_WBITS
