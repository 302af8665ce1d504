"""The raw source of a remote repository: another server's packages, asked for, kept, and shown on when it fails."""

from orbitalreg.sources.remote.asking import Asker, Turns
from orbitalreg.sources.remote.pages import DecodedPage
from orbitalreg.sources.remote.source import FILES, RemoteSource
from orbitalreg.sources.remote.watch import Relay, RemoteWatch

__all__ = ["FILES", "Asker", "DecodedPage", "Relay", "RemoteSource", "RemoteWatch", "Turns"]
