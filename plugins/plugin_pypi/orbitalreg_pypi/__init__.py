"""The format `pypi`: Python packages as their installers and publishers know them."""

__version__ = "0.1.0"
