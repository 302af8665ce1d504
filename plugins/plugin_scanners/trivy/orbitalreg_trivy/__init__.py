"""Known vulnerabilities for OrbitalReg, found by Trivy."""

__version__ = "0.1.0"
