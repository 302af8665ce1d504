"""What each client prints where it is refused. The tests hold it, and the page shows it: `{reason}` is our own word."""

from collections.abc import Mapping

from orbitalreg.model import Kind

EXISTS_REASON = "was published with other bytes; publish a new version"
REVOKED_REASON = "the token 'gone' is revoked; make a new one"
ANONYMOUS_REASON = "credentials are needed: user name __token__ and a token as password"
FORBIDDEN_REASON: Mapping[Kind, str] = {
    Kind.LOCAL: "this token has no right to publish in acme/internal",
    Kind.VIRTUAL: "this token has no right to publish in acme/internal, which takes the uploads to acme/all-libs",
}
REMOTE_REASON = "acme/mirror is remote and takes no uploads; send them to a local repository"

REASON = {
    "uv": "Server says: {reason}",
    "twine": "{reason}",
    "poetry": "HTTP Error {status}: {reason}",
    "hatch": "Client error '{status} {reason}'",
    "flit": "{status} Client Error: {reason}",
}
NO_WORDS = "the client shows the status, and not our words"
STATUS_ALONE = {"pdm": "Client error '{status} {phrase}'"}

PUBLISH_REFUSED: Mapping[str, str] = REASON | STATUS_ALONE

PUBLISH_ANONYMOUS: Mapping[str, str] = {
    "uv": "Missing credentials for: ",
    "twine": "Enter your username:",
    "poetry": f"HTTP Error 401: {ANONYMOUS_REASON}",
    "pdm": "Username and password are required",
    "hatch": "Username for ",
    "flit": "Could not find username for upload.",
}

READ_REFUSED: Mapping[str, str] = {
    "flit": "No matching distribution found for flit_core",
    "pip": "401 Error, Credentials not correct for",
    "uv": "could not be queried due to a lack of valid authentication credentials (401 Unauthorized)",
    "poetry": "Source (internal): Authorization error accessing",
    "pdm": "Unable to find candidates for orbdemo-app.",
    "hatch": "401 Error, Credentials not correct for",
    "pipenv": "No matching distribution found for orbdemo-app",
}

READ_ANONYMOUS: Mapping[str, str] = READ_REFUSED | {
    "pip": "No matching distribution found for orbdemo-app",
    "hatch": "No matching distribution found for orbdemo-app",
}

READ_HIDDEN: Mapping[str, str] = {
    "pip": "No matching distribution found for orbdemo-app",
    "uv": "orbdemo-app was not found in the package registry",
    "poetry": "depends on orbdemo-app (*) which doesn't match any versions",
    "pdm": "Unable to find candidates for orbdemo-app.",
    "hatch": "No matching distribution found for orbdemo-app",
    "flit": "No matching distribution found for flit_core",
    "pipenv": "No matching distribution found for orbdemo-app",
}

YANKED: Mapping[str, str] = {
    "pip": "Reason for being yanked: eats the data",
    "uv": '`orbdemo-yanked==1.1` is yanked (reason: "eats the data")',
    "poetry": "Reason for being yanked: eats the data",
    "hatch": "Reason for being yanked: eats the data",
    "flit": "Reason for being yanked: eats the data",
}
"""The clients that warn."""


def refusal(client: str, status: int, phrase: str, reason: str) -> str:
    """What the client prints of a refused upload."""
    return PUBLISH_REFUSED[client].format(status=status, phrase=phrase, reason=reason)
