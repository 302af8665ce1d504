"""Known vulnerabilities and malicious packages for OrbitalReg, from a dump of OSV or from OSV.dev."""

__version__ = "0.1.0"
