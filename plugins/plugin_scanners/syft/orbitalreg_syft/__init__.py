"""Bills of materials for OrbitalReg, made by Syft."""

__version__ = "0.1.0"
