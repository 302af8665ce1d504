"""`[graph]`: for which environments dependencies are followed, and how far into upstreams."""

from pydantic import Field

from orbitalreg.config.values import Table


class GraphSettings(Table):
    """`[graph]`: the dependencies of what repositories show, and what vulnerabilities come through them."""

    environments: tuple[str, ...] | None = Field(
        None,
        strict=False,
        description="The environments that things are installed in; an empty list turns the graph off.",
    )
    upstream_depth: int = Field(
        10,
        ge=0,
        le=100,
        description="How many steps beyond what is held here dependencies are followed into upstreams.",
    )
    upstream_packages: int = Field(
        5000, ge=0, description="How many packages of upstreams are followed in one repository at most."
    )
    upstream_rate: int = Field(
        5, ge=1, le=1000, description="How many questions a second upstreams are asked for it at most."
    )
