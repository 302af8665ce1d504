"""Users with passwords for OrbitalReg, from an htpasswd file."""

__version__ = "0.1.0"
