"""`[groups]`, `[[grants]]` and `[tokens]`: who may do what, as far as the configuration says it."""

from typing import Annotated

from pydantic import Field

from orbitalreg.config.values import Duration, Table, checked
from orbitalreg.model import Grant, valid_name

_KINDS = ("user", "service", "group")


def _principal(text: object) -> str:
    kind, colon, name = str(text).partition(":")
    if not colon or kind not in _KINDS:
        raise ValueError(text)
    valid_name(name, "name")
    return str(text)


Principal = Annotated[str, checked(_principal, '"user:NAME", "service:NAME" or "group:NAME"')]
GrantText = Annotated[
    Grant,
    checked(lambda text: Grant.parse(str(text)), '"PROJECT[/REPO[/PATTERN]]:RIGHT", such as "acme/internal:read"'),
]


class GrantSettings(Table):
    """`[[grants]]`: what somebody may do, beside what commands and the API gave them. Read-only elsewhere."""

    to: Principal = Field(description="Who: user:NAME, service:NAME or group:NAME.")
    grants: tuple[GrantText, ...] = Field(
        strict=False, description="What: PROJECT[/REPO[/PATTERN]]:RIGHT, each of them.", min_length=1
    )


class TokenSettings(Table):
    """`[tokens]`: how long tokens are good for."""

    max_lifetime: Duration | None = Field(
        None,
        ge=60,
        description="How long a token is good for at most, counted from when it was made; also those made before.",
    )
    exchanged_lifetime: Duration = Field(
        900, ge=60, le=3600, description="How long a token is good for that was had in exchange for another's."
    )
