"""The Grafana dashboard and the example alerts speak of metrics that the server has."""

import json
import re
from pathlib import Path

import pytest

from orbitalreg.catalog import Catalog, statistics
from orbitalreg.metrics import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = [DEPLOY / "grafana" / "orbitalreg.json", DEPLOY / "prometheus" / "alerts.yml"]


@pytest.fixture
def exposed(tmp_path):
    """The names of all metrics of a server that has counted everything once."""
    metrics = Metrics()
    metrics.answered("/", "GET", 200, 0.1, 1)
    metrics.uploaded("created", 1)
    metrics.failed("Busy")
    others = [("free_bytes", "x", 1.0), ("catalog_log_bytes", "x", 1.0)]  # of the store and the catalog's file
    text = metrics.exposition([*statistics.numbers(Catalog(tmp_path).read()), *others]).decode()
    return set(re.findall(r"^(orbitalreg_\w+)", text, re.MULTILINE))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_metric_that_is_named_is_exposed(file, exposed):
    named = set(re.findall(r"\borbitalreg_\w+", file.read_text("utf-8")))
    assert named
    assert named <= exposed


def test_the_dashboard_is_json_with_panels_that_do_not_overlap():
    places = [panel["gridPos"] for panel in json.loads(FILES[0].read_text())["panels"]]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
