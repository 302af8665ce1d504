"""`[[webhooks]]`: who is told of changes."""

import base64
import binascii
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from orbitalreg.config.repositories import read_secret
from orbitalreg.config.values import NameKey, Table, checked
from orbitalreg.errors import ConfigError

SECRET_PREFIX = "whsec_"
SECRET_FORM = (
    f'"{SECRET_PREFIX}" and 24 to 64 bytes in base64; make one: echo "{SECRET_PREFIX}$(openssl rand -base64 32)"'
)


def _url(text: Any) -> str:
    if not isinstance(text, str) or not re.fullmatch(r"https?://[^/?#\s@]+(/[^?#\s]*)?(\?[^#\s]*)?", text):
        raise ValueError
    return text


def _event(text: Any) -> str:
    if not isinstance(text, str) or not re.fullmatch(r"[a-z.*-]{1,64}", text):
        raise ValueError(text)
    return text


def parse_secret(text: Any) -> bytes:
    """The key that a secret stands for, as Standard Webhooks write it. Raises `ValueError`, which does not show it."""
    if not isinstance(text, str) or not text.startswith(SECRET_PREFIX):
        raise ValueError("no secret of a webhook")
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("no base64") from None
    if not 24 <= len(key) <= 64:
        raise ValueError("a key of another length")
    return key


def _secret(text: Any) -> str:
    parse_secret(text)
    return str(text)


WebhookUrl = Annotated[str, checked(_url, 'an address such as "https://hooks.example.com/orbitalreg"')]
Event = Annotated[str, checked(_event, 'an action of the audit log such as "file.publish", or "token.*", or "*"')]
Secret = Annotated[str, checked(_secret, SECRET_FORM)]


class WebhookSettings(Table):
    """`[[webhooks]]`: one receiver, to which the chosen entries of the audit log are sent."""

    url: WebhookUrl = Field(
        description="Where entries are sent, by POST. It is never shown: it may hold a secret.", repr=False
    )
    events: tuple[Event, ...] = Field(
        strict=False,
        description='Which: actions of the audit log, with * for any characters, such as "token.*".',
    )
    projects: tuple[NameKey, ...] | None = Field(
        None, strict=False, description="Only what is about these projects; without it, whatever it is about."
    )
    refused: bool = Field(False, description="Whether changes that were refused are sent too.")
    secret: Secret | None = Field(
        None,
        description='What signs them: whsec_ and base64, best as "${NAME}". This or `secret_file` is needed.',
        repr=False,
    )
    secret_file: Path | None = Field(None, strict=False, description="A file that holds the secret instead.")
    ca_bundle: Path | None = Field(
        None,
        strict=False,
        description="Certificates to trust for it; else what SSL_CERT_FILE or REQUESTS_CA_BUNDLE name.",
    )

    def key(self) -> bytes:
        """What signs, from wherever it is configured. Raises `ConfigError`."""
        written = self.secret if self.secret_file is None else read_secret(self.secret_file)
        try:
            return parse_secret(written)
        except ValueError:
            raise ConfigError([f"its first line must be {SECRET_FORM}"]) from None
