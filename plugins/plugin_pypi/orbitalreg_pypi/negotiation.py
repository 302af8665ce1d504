"""Which of its representations a client gets (PEP 691, and what real clients send)."""

from functools import lru_cache

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
LEGACY_HTML = "text/html"

_OFFERED = (JSON, HTML, LEGACY_HTML)  # in the order in which a tie is decided
_ALIASES = {
    "application/vnd.pypi.simple.latest+json": JSON,
    "application/vnd.pypi.simple.latest+html": HTML,
}


def choose(accept: str | None, override: str | None) -> str:
    """The media type to answer with; `override` is the query's `format`.

    Only a type that the client names is preferred to `text/html`: a wildcard alone means a program that reads HTML.
    Never a refusal, and never `application/json`, which pip skips.
    """
    wanted = (override or "").replace(" ", "+")  # an unescaped plus sign in a query
    wanted = _ALIASES.get(wanted, wanted)
    return wanted if wanted in _OFFERED else _by_accept(accept or "")


@lru_cache(maxsize=256)
def _by_accept(accept: str) -> str:
    qualities: dict[str, float] = {}
    for item in accept.split(","):
        media_type, _, parameters = item.partition(";")
        media_type = media_type.strip().lower()
        media_type = _ALIASES.get(media_type, media_type)
        qualities[media_type] = max(_quality(parameters), qualities.get(media_type, 0.0))
    named = [media_type for media_type in _OFFERED if qualities.get(media_type, 0.0) > 0]
    return max(named, key=lambda media_type: qualities[media_type]) if named else LEGACY_HTML


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
