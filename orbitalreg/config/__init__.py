"""TOML to typed settings. Every fault is reported at once, each with the key's path, what was found and what is right.

The settings' classes are the reference: their fields' descriptions are the documentation of the keys.
A new table is a class in `settings` (or a module beside it), a field of `Settings`, and its check in `checks`.
"""

from orbitalreg.config.graph import GraphSettings
from orbitalreg.config.loading import DEFAULT_FILE, ENVIRONMENT, find_file, from_dict, load, load_policies
from orbitalreg.config.people import GrantSettings, TokenSettings
from orbitalreg.config.policies import PolicyExceptionSettings, PolicySettings
from orbitalreg.config.repositories import DEFAULT_PROJECT, ProjectSettings, RepositorySettings, keys_by_kind
from orbitalreg.config.scanning import ScanningSettings
from orbitalreg.config.settings import DataSettings, ServerSettings, Settings, StorageSettings
from orbitalreg.config.upkeep import UpkeepSettings
from orbitalreg.config.values import Network, parse_listen, parse_network, within
from orbitalreg.config.webhooks import WebhookSettings
from orbitalreg.model import parse_duration, parse_size

__all__ = [
    "DEFAULT_FILE",
    "DEFAULT_PROJECT",
    "ENVIRONMENT",
    "DataSettings",
    "GrantSettings",
    "GraphSettings",
    "Network",
    "PolicyExceptionSettings",
    "PolicySettings",
    "ProjectSettings",
    "RepositorySettings",
    "ScanningSettings",
    "ServerSettings",
    "Settings",
    "StorageSettings",
    "TokenSettings",
    "UpkeepSettings",
    "WebhookSettings",
    "find_file",
    "from_dict",
    "keys_by_kind",
    "load",
    "load_policies",
    "parse_duration",
    "parse_listen",
    "parse_network",
    "parse_size",
    "within",
]
