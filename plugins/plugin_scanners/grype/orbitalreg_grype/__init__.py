"""Known vulnerabilities for OrbitalReg, found by Grype."""

__version__ = "0.1.0"
