"""One polite HTTP client for everything that is asked of other servers.

    client = Client(configured=[Origin.parse("https://files.example.org")])
    mirror = Upstream("https://files.example.org/", token="...")
    answer = client.fetch(mirror, "list?page=2", etag=kept.etag, max_bytes=1 << 20)
    with client.stream(mirror, url, start=1024) as stream:
        for piece in stream:
            ...

A server that is written in the configuration may stand anywhere; whatever it redirects to or names elsewhere must have
public addresses, which are looked up here, checked, and connected to as they were checked. It knows no format and
no catalog.
"""

from orbitalreg.upstream.address import Origin, Url
from orbitalreg.upstream.client import Client
from orbitalreg.upstream.flight import SingleFlight
from orbitalreg.upstream.pool import authorities
from orbitalreg.upstream.values import Answer, Stream, Upstream
from orbitalreg.upstream.vetting import Connector, Resolver, is_public

__all__ = [
    "Answer",
    "Client",
    "Connector",
    "Origin",
    "Resolver",
    "SingleFlight",
    "Stream",
    "Upstream",
    "Url",
    "authorities",
    "is_public",
]
