"""`[scanning]`: what scanners may use, and how often they are asked what they know."""

from pydantic import Field

from orbitalreg.config.values import Duration, Size, Table


class ScanningSettings(Table):
    """`[scanning]`: bounds for all scanners; a scanner is enabled by its own table, `[plugins.NAME]`."""

    time_limit: Duration = Field(300, ge=1, description="How long one scan of one file may take.")
    memory_limit: Size = Field(
        2 << 30, ge=64 << 20, description="How much memory one scanner and the tools that it runs may take together."
    )
    disk_limit: Size = Field(
        4 << 30,
        ge=128 << 20,
        description="How much one scanner and its tools may hold in scratch folders in the course of one scan.",
    )
    watch_interval: Duration = Field(
        300,
        ge=1,
        description="How often scanners are asked for another database or version, which has files looked at anew.",
    )
