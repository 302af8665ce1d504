"""Links that scanners give, which others wrote."""

import re

_PART = r"(?:[a-z0-9._~:/?@!$&'()*+,;=-]|%[0-9a-f]{2})*"
_HOST = r"(?:(?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*|[0-9]{1,3}(?:\.[0-9]{1,3}){3})"
_ADDRESS = re.compile(rf"https?://{_HOST}(?::[0-9]{{1,4}})?(?:[/?]{_PART})?(?:#{_PART})?", re.ASCII | re.IGNORECASE)


def is_web(link: str) -> bool:
    """Whether it is an address that a person can open: a URI of RFC 3986 and nothing else, as both schemas ask for."""
    return _ADDRESS.fullmatch(link) is not None
