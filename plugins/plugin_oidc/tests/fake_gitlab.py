"""A GitLab as far as its ID tokens go: discovery, keys and tokens, over TLS by an authority of its own."""

import json
import ssl
import threading
import time
import uuid
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jwt
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm
from orbitalreg_oidc_gitlab.exchanger import GitLabExchanger

Make = Callable[..., GitLabExchanger]
"""Makes an exchanger whose first publisher is changed; a fixture of `conftest`."""


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/oauth/discovery/keys"


def key(number: int, bits: int = 2048) -> rsa.RSAPrivateKey:
    """To make one takes a while, and any will do."""
    return _made(number, bits)


@cache
def _made(number: int, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def kid_of(number: int) -> str:
    return f"kewiQq9jiC84CvSsJYOB-N6A8WFLSV20Mb-y7IlWDS{number}"


def jwk_of(number: int, bits: int = 2048) -> dict[str, Any]:
    shown = RSAAlgorithm.to_jwk(key(number, bits).public_key(), as_dict=True)
    return {"kty": "RSA", "kid": kid_of(number), "e": shown["e"], "n": shown["n"], "use": "sig", "alg": "RS256"}


def public_pem(number: int = 0) -> bytes:
    return key(number).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def claims_of_a_job(issuer: str, audience: str = "orbitalreg") -> dict[str, Any]:
    """What GitLab 17 says of a job that a protected tag started."""
    now = int(time.time())
    return {
        "namespace_id": "72",
        "namespace_path": "acme",
        "project_id": "42",
        "project_path": "acme/my-lib",
        "user_id": "1",
        "user_login": "ada",
        "user_email": "ada@acme.example",
        "user_access_level": "maintainer",
        "pipeline_id": "574",
        "pipeline_source": "push",
        "job_id": "302",
        "ref": "v1.2",
        "ref_type": "tag",
        "ref_path": "refs/tags/v1.2",
        "ref_protected": "true",
        "groups_direct": ["acme", "acme/tools"],
        "runner_id": 1,
        "runner_environment": "self-hosted",
        "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        "project_visibility": "private",
        "ci_config_ref_uri": "gitlab.example.com/acme/my-lib//.gitlab-ci.yml@refs/tags/v1.2",
        "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        "jti": str(uuid.uuid4()),
        "iss": issuer,
        "iat": now,
        "nbf": now - 5,
        "exp": now + 3600,
        "sub": "project_path:acme/my-lib:ref_type:tag:ref:v1.2",
        "aud": audience,
    }


FORK_MERGE_REQUEST = {
    "project_id": "42",
    "pipeline_source": "merge_request_event",
    "ref": "improve",
    "ref_type": "branch",
    "ref_path": "refs/heads/improve",
    "ref_protected": "false",
}
"""What differs in the pipeline of a fork's merge request that a member runs in the project itself."""


class FakeGitLab:
    """On loopback, as long as the `with` lasts. `asked` are the paths that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.keys = [0]
        self.failing = False
        self.slow = threading.Event()
        self.slow.set()
        self.discovery: dict[str, Any] = {}
        self._authority = trustme.CA()
        self.ca_file = folder / "gitlab-ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))

    def __enter__(self) -> Self:
        gitlab = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                gitlab.asked.append(self.path)
                gitlab.slow.wait(20)
                body = json.dumps(gitlab.answer(self.path)).encode()
                self.send_response(503 if gitlab.failing else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert("localhost").configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> Any:
        if path == DISCOVERY:
            return {"issuer": self.url, "jwks_uri": f"{self.url}{KEYS}"} | self.discovery
        return self.jwks()

    def jwks(self) -> dict[str, Any]:
        return {"keys": [jwk_of(number) for number in self.keys]}

    def token(self, number: int = 0, headers: dict[str, Any] | None = None, **changes: Any) -> str:
        """Signed with the key of this number; a claim that is changed to None is left out."""
        claims = claims_of_a_job(self.url) | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key(number), "RS256", {"kid": kid_of(number)} | (headers or {}))
