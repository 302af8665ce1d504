"""GitLab's ID tokens for OrbitalReg. `job` is a job's side and needs Python alone; all else is the registry's."""

__version__ = "0.1.0"
