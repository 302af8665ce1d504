"""The API's page against the document that a server serves: every operation has one example, and every example runs."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from archives_corpus import make_wheel
from harness import CONFIG, Registry
from pages import TREE
from reported import finding, put_beside, report

from orbitalreg.model import Severity

PAGE = (TREE / "docs" / "reference" / "api.md").read_text("utf-8")
OPERATION = re.compile(r"^### `([A-Z]+) (\S+)`\n\n(.*?)\n\n```bash\n(.*?)```", re.DOTALL | re.MULTILINE)
EXAMPLES = [(match[1], match[2], match[3], match[4]) for match in OPERATION.finditer(PAGE)]
REMOTE = """
[projects.acme.repositories.pypi-remote]
format = "pypi"
kind = "remote"
upstream = "http://127.0.0.1:9/simple/"
offline = true
min_age = "7d"

[groups]
developers = ["ann"]
"""
WHEEL = make_wheel("my-pkg", "1.2")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("registry")
    (folder / "orbitalreg.toml").write_text(CONFIG.format(max_upload="1MiB") + REMOTE)
    with Registry(folder) as running:
        running.token = running.new_token("docs", "acme:admin")
        yield running
        assert running.faults() == []


def scanned(registry: Registry) -> None:
    """The wheel has a report, with what a tool put out and a bill of materials."""
    found = finding("CVE-2020-1", "my-pkg", "1.2", severity=Severity.HIGH)
    documents = {"cyclonedx": b"{}"}
    put_beside(registry.config, "acme/internal", WHEEL[0], report("grype", found), raw=b"{}", documents=documents)


@pytest.fixture(scope="module")
def document(registry: Registry) -> Any:
    return registry.get(f"{registry.url}/api/v1/openapi.json").json()


def test_every_operation_has_one_example(document: Any) -> None:
    told = [(method, path) for method, path, _, _ in EXAMPLES]
    served = [(method.upper(), path) for path, operations in document["paths"].items() for method in operations]
    assert told == served


def test_the_page_says_what_the_document_says(document: Any) -> None:
    for method, path, text, _ in EXAMPLES:
        operation = document["paths"][path][method.lower()]
        assert text.startswith(operation["summary"])
        assert f"Right: `{operation['x-right']}`." in text


def test_every_status_that_the_document_names_is_explained(document: Any) -> None:
    named = {
        status
        for operations in document["paths"].values()
        for operation in operations.values()
        for status in operation["responses"]
        if status.startswith("4")
    }
    table = PAGE.split("## Tokens")[0]
    assert all(re.search(rf"^\|[^|]*\b{status}\b", table, re.MULTILINE) for status in named)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example[0]} {example[1]}")
def test_every_example_runs(example: tuple[str, str, str, str], registry: Registry, tmp_path: Path) -> None:
    _, _, _, command = example
    assert registry.upload(*WHEEL).status == 200
    if example[1].endswith(("/raw", "/sbom")):
        scanned(registry)
    if "reservation" in example[1]:
        assert registry.upload(*make_wheel("old-pkg", "1.0")).status == 200
        registry.cli("delete", "acme/internal/old-pkg==1.0", "--yes")
    if "grants" in example[1]:
        registry.cli("grant", "add", "user:ann", "acme/internal:publish")
    spare = registry.new_token("docs", "acme/internal:read")[6:14]
    done = subprocess.run(
        ["bash", "-euc", command.replace("https://registry.example.com", registry.url)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "ORBITALREG_TOKEN": registry.token, "TOKEN_ID": spare},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert isinstance(json.loads(done.stdout), dict)
