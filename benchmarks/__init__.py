"""OrbitalReg beside its peers: `make bench`."""
