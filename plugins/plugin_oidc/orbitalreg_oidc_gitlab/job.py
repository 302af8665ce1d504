"""`orbitalreg-oidc-gitlab`: what a GitLab job runs. It needs Python's standard library alone.

Exit 0: done. 1: refused or failed; one line on stderr says why and what to do. 2: wrong usage. A token is printed on
stdout by `token`, and nowhere else.
"""

import argparse
import json
import os
import re
import ssl
import sys
from collections.abc import Mapping, Sequence
from email.message import Message
from http.client import HTTPException
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

PROGRAM = "orbitalreg-oidc-gitlab"
SECONDS = 30.0
MAX_BYTES = 1 << 20
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Failed(Exception):
    """One line for whoever reads the job's log."""


def main() -> None:
    sys.exit(run(sys.argv[1:], os.environ))


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The exit code."""
    options = _parser().parse_args(arguments)
    try:
        url = registry_url(options.url)
        opener = opener_of(environment)
        if options.command == "token":
            sys.stdout.write(exchanged(opener, url, options, environment) + "\n")
        else:
            burn(opener, url, sys.stdin.read(MAX_BYTES).strip())
    except Failed as failed:
        sys.stderr.write(f"{PROGRAM}: {_plain(str(failed))}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Short-lived tokens of OrbitalReg for GitLab jobs.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="token|burn")
    token = commands.add_parser(
        "token",
        help="exchange the job's ID token; the short-lived token alone is printed",
        description="Exchange the job's ID token; the short-lived token alone is printed, on stdout.",
    )
    burned = commands.add_parser(
        "burn",
        help="make a short-lived token, read from stdin, worthless at once",
        description="Make a short-lived token, read from stdin, worthless at once.",
    )
    for command in (token, burned):
        command.add_argument("--url", required=True, help="the registry's address: https://registry.example.com")
    token.add_argument("--audience", help="for whom the job's ID token is made; else the registry is asked")
    token.add_argument("--variable", help="the variable with the ID token; else <AUDIENCE>_ID_TOKEN")
    return parser


def registry_url(text: str) -> str:
    """The address without what follows the host. Raises `Failed`: a token never goes over the network in the clear."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or "@" in parts.netloc or parts.query or parts.fragment:
        raise Failed(f"--url {text} is no address of a registry: write https://registry.example.com")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise Failed(f"--url {text} is without TLS, and tokens would be readable on the way: write https://{host}")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def variable_of(audience: str) -> str:
    """The job's variable that holds the ID token, as uv and pdm look for it."""
    return re.sub(r"[^A-Z0-9]", "_", audience.upper()) + "_ID_TOKEN"


def exchanged(opener: OpenerDirector, url: str, options: argparse.Namespace, environment: Mapping[str, str]) -> str:
    """The short-lived token. Raises `Failed`."""
    audience = options.audience or _text(ask(opener, f"{url}/_/oidc/audience"), "audience", url)
    variable = options.variable or variable_of(audience)
    token = environment.get(variable, "").strip()
    if not token:
        raise Failed(
            f"the job has no variable {variable}; give it one in .gitlab-ci.yml: "
            f"id_tokens: {{{variable}: {{aud: {audience}}}}}"
        )
    return _text(ask(opener, f"{url}/_/oidc/mint-token", {"token": token}), "token", url)


def burn(opener: OpenerDirector, url: str, token: str) -> None:
    """Raises `Failed`."""
    if not token:
        raise Failed(
            'nothing came on stdin; write: printf %s "$TWINE_PASSWORD" | orbitalreg-oidc-gitlab burn --url ...'
        )
    ask(opener, f"{url}/_/oidc/burn-token", {"token": token})


def _text(answer: Any, key: str, url: str) -> str:
    value = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{1,4096}", value):
        raise Failed(f"{url} answers, but not as a registry that exchanges tokens: its answer has no {key}")
    return value


def ask(opener: OpenerDirector, url: str, body: object = None) -> Any:
    """The JSON that comes for a GET or, with `body`, a POST; None where nothing came. Raises `Failed`."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    request = Request(url, data, headers)  # noqa: S310  # registry_url lets http and https through alone
    try:
        with opener.open(request, timeout=SECONDS) as answer:
            return _json(answer.read(MAX_BYTES))
    except HTTPError as error:
        with error:
            raise Failed(_refusal(url, error)) from None
    except (OSError, HTTPException, ValueError) as error:
        raise Failed(f"{_origin(url)} cannot be reached: {_fault(error)}") from None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body) if body.strip() else None
    except (ValueError, RecursionError):
        return None


def _refusal(url: str, error: HTTPError) -> str:
    """What the registry said, in one line."""
    if 300 <= error.code < 400:
        return f"{_origin(url)} redirects to {error.headers.get('Location', 'nowhere')}: give that address as --url"
    try:
        told = _json(error.read(MAX_BYTES))
    except (OSError, HTTPException):
        told = None
    errors = told.get("errors") if isinstance(told, dict) else None
    reasons = [
        f"{part.get('description', 'no reason given')} ({part.get('code', 'no code')})"
        for part in (errors if isinstance(errors, list) else [])
        if isinstance(part, dict)
    ]
    if reasons:
        return f"{_origin(url)} refuses: {'; '.join(reasons)}"
    if error.code == 404:
        return f"{url} is not there: is --url a registry's address, and is an exchange of tokens enabled in it?"
    again = error.headers.get("Retry-After")
    return f"{url} answers {error.code} {error.reason}" + (f"; try again in {again} s" if again else "")


def _fault(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({reason.verify_message}); name its authority's file in SSL_CERT_FILE"
    return str(reason) or type(reason).__name__


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _plain(text: str) -> str:
    return "".join(char if " " <= char <= "~" else ascii(char)[1:-1] for char in text)


class _NoRedirects(HTTPRedirectHandler):
    """A token is given to the address that was written, and to no other."""

    def redirect_request(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str) -> None:
        return None


def opener_of(environment: Mapping[str, str]) -> OpenerDirector:
    """Trusts the file that REQUESTS_CA_BUNDLE or SSL_CERT_FILE names, else the system's. Raises `Failed`."""
    named = environment.get("REQUESTS_CA_BUNDLE") or environment.get("SSL_CERT_FILE")
    try:
        if named and os.path.isdir(named):
            context = ssl.create_default_context(capath=named)
        else:
            context = ssl.create_default_context(cafile=named or None)
    except OSError as error:
        raise Failed(f"{named} cannot be used: it holds no certificates that can be read") from error
    return build_opener(HTTPSHandler(context=context), _NoRedirects())
