"""`[upkeep]`: when unused bytes go, and how often what is kept is read again."""

from pydantic import Field

from orbitalreg.config.values import Duration, Size, Table


class UpkeepSettings(Table):
    """`[upkeep]`: what the worker does of itself for the bytes that are held."""

    gc_grace: Duration = Field(
        86400,
        ge=1,
        description="How long bytes are kept after nothing refers to them; less than the longest upload is too little.",
    )
    verify_interval: Duration = Field(
        28 * 86400, description="How often all bytes are read again and compared with their digests; 0s is never."
    )
    verify_rate: Size = Field(
        16 << 20, ge=1 << 10, description="How many bytes a second are read for it at most, by the worker."
    )
