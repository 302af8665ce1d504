"""`[plugins.osv]`."""

from pathlib import Path
from typing import Any

import pytest
from orbitalreg_osv import settings

from orbitalreg.errors import ConfigError

BASE = Path("/srv/orbitalreg")


def test_without_any_key_osv_dev_is_asked() -> None:
    found = settings.read({}, BASE)
    assert (found.has_dump, found.server, found.refresh, found.max_age) == (
        False,
        "https://api.osv.dev",
        86_400,
        30 * 86_400,
    )


@pytest.mark.parametrize(
    ("dump", "path", "url"),
    [
        ("all.zip", BASE / "all.zip", None),
        ("/var/osv", Path("/var/osv"), None),
        ("https://mirror.example.com/osv/all.zip", None, "https://mirror.example.com/osv/all.zip"),
        ("osv.dev", None, settings.PUBLIC_DUMP),
    ],
)
def test_a_dump_is_a_path_or_an_address(dump: str, path: Path | None, url: str | None) -> None:
    found = settings.read({"dump": dump}, BASE)
    assert (found.dump, found.dump_url, found.has_dump) == (path, url, True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dmup": "all.zip"}, "dmup: there is no such key; did you mean dump?"),
        ({"dump": ""}, "dump: is empty"),
        ({"dump": 7}, "dump: must be a file, a folder, an address"),
        ({"dump": "https://mirror.example.com"}, "dump: 'https://mirror.example.com' is no address of a file"),
        ({"max_age": 30}, "max_age: must be a duration"),
        ({"max_age": "a month"}, "max_age: 'a month' is no duration"),
        ({"max_age": "0d"}, "max_age: '0d' is no duration"),
        ({"refresh": "0s"}, "refresh: '0s' is no duration"),
        ({"server": "api.osv.dev"}, "server: 'api.osv.dev' is no address"),
        ({"server": True}, "server: must be the address"),
        ({"ca_bundle": 1}, "ca_bundle: must be a file"),
        ({"deep": "yes"}, "deep: must be true or false"),
    ],
)
def test_a_faulty_table_is_told(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settings.read(options, BASE)
    assert any(problem.startswith(says) for problem in refused.value.problems)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        settings.read({"dump": 1, "deep": 1, "x": 1}, BASE)
    assert len(refused.value.problems) == 3
