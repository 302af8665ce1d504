"""The configuration file that `orbitalreg init` writes."""

import json

from orbitalreg.config import DEFAULT_PROJECT
from orbitalreg.plugins import Plugins

_HEAD = """\
# The configuration of OrbitalReg. After a change: orbitalreg check, then send SIGHUP to the server.
# Relative paths are relative to this file. ${NAME} in a value is an environment variable.

[server]
listen = "127.0.0.1:8080"
# The public address, where it differs from what clients send as Host:
# url = "https://orbitalreg.example.com"
# The largest file that may be uploaded:
# max_upload = "1GiB"
# Proxies in front whose X-Forwarded-* headers are believed:
# trusted_proxies = ["127.0.0.1"]

[data]
path = "orbitalreg-data"

[storage]
backend = "filesystem"
"""

_REPOSITORY = """
# {comment}
[projects.{project}.repositories.{name}]
format = "{format}"
kind = "{kind}"
{settings}anonymous_read = false
"""

_PRIVATE = """
# Names that are your own: no upstream is ever asked about them, and nothing of an upstream takes their place.
# [projects.{project}]
# private_names = ["{project}-*"]
"""

_NO_FORMAT = """
# No format is installed yet. After `pip install orbitalreg-FORMAT`:
#
# [projects.{project}.repositories.internal]
# format = "FORMAT"
# kind = "local"
"""


def starting_file(plugins: Plugins) -> str:
    """The text, with the repositories that the installed formats propose."""
    repositories = [
        _REPOSITORY.format(
            comment=proposal.comment[:1].upper() + proposal.comment[1:] + ".",
            project=DEFAULT_PROJECT,
            name=proposal.name,
            format=adapter.name,
            kind=proposal.kind,
            settings="".join(f"{key} = {json.dumps(value)}\n" for key, value in proposal.settings.items()),
        )
        for adapter in plugins.formats.values()
        for proposal in adapter.proposals()
    ]
    rest = (_PRIVATE if repositories else _NO_FORMAT).format(project=DEFAULT_PROJECT)
    return _HEAD + "".join(repositories) + rest
