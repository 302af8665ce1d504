"""OrbitalReg: a self-hosted registry for teams. The host knows no format, no scanner and no cloud."""

__version__ = "0.1.0"
