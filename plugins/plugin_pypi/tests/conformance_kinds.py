"""The kinds of repositories that the conformance suite goes through, and what cannot hold for one of them.

A kind joins by lines in `FRONT`, which configures the server that is read, and one in `KINDS`.
"""

from collections.abc import Mapping

from conformance_site import Server, Site

LOCALS = ("internal", "open", "reusing")
"""The first is read with credentials, the second by anybody, and the third uses deleted filenames again."""

BEHIND = """
[server]
max_upload = "2MiB"

[data]
path = "data"

[projects.acme.repositories.internal]
format = "pypi"
kind = "local"

[projects.acme.repositories.open]
format = "pypi"
kind = "local"
anonymous_read = true

[projects.acme.repositories.reusing]
format = "pypi"
kind = "local"
reuse_deleted_filenames = true
"""

FRONT = """
[projects.acme.repositories.remote-{local}]
format = "pypi"
kind = "remote"
upstream = "{behind}/pypi/acme/{local}/simple/"
username = "__token__"
password = "{password}"
listing_ttl = "0s"
negative_ttl = "0s"
{reading}

[projects.acme.repositories.html-{local}]
format = "pypi"
kind = "remote"
upstream = "{html}/pypi/acme/{local}/simple"
username = "__token__"
password = "{password}"
listing_ttl = "0s"
negative_ttl = "0s"
{reading}

[projects.acme.repositories.virtual-{local}]
format = "pypi"
kind = "virtual"
members = ["{local}"]
upload_to = "{local}"
{reading}

[projects.acme.repositories.inner-{local}]
format = "pypi"
kind = "virtual"
members = ["remote-{local}"]

[projects.acme.repositories.outer-{local}]
format = "pypi"
kind = "virtual"
members = ["inner-{local}"]
{reading}
"""

# Of each kind: the prefix of the repository that is read; the server of the local one behind it; the prefix of the
# repository that takes the uploads there.
KINDS = {
    "local": ("", "front", ""),
    "remote": ("remote-", "behind", ""),
    "remote of HTML": ("html-", "behind", ""),
    "virtual": ("virtual-", "front", "virtual-"),
    "virtual of virtual": ("outer-", "behind", ""),
}

EVERY_DAY = "virtual of virtual"
"""It goes through all that the others do: a remote, its members, members of members."""

_REMOTE = ("remote", "remote of HTML", "virtual of virtual")
_WITHHELD = "what a status takes back is withheld here, cached copies included: 403 and the reason instead of 404"
_SDIST = "an upstream offers the metadata of wheels alone, and an sdist is not fetched for a page"
_SIZE = "no page of HTML tells a size, so that it is known from the first download on"

_FEDERATED = (*_REMOTE, "virtual")
_MOVES = "an upstream may replace a file, and a name may move between members: it is asked for again, and is a 304"

EXCEPTIONS: Mapping[str, Mapping[str, str]] = {
    "test_quarantined_offers_no_files": dict.fromkeys(_REMOTE, _WITHHELD),
    "test_a_file_is_kept_for_ever": dict.fromkeys(_FEDERATED, _MOVES),
    "test_a_json_file_has_every_key_and_no_other": {"remote of HTML": _SIZE},
    "test_a_json_file_has_its_filename_hashes_and_size": {"remote of HTML": _SIZE},
    "test_the_files_are_those_of_the_simple_page": {"remote of HTML": _SIZE},
    "test_an_sdist_alone_tells_its_metadata": dict.fromkeys(_REMOTE, _SDIST),
}
"""The sentences that cannot hold for a kind, by the test and the kind, with the reason: there the test must fail."""


def site_of(servers: Mapping[str, Server], kind: str, local: str) -> Site:
    read, server, publish = KINDS[kind]
    return Site(
        servers["front"],
        f"acme/{read}{local}",
        servers[server],
        f"acme/{local}",
        f"acme/{publish}{local}",
        is_open=local == "open",
    )
