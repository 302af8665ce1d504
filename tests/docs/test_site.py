"""The site is built without warnings, whole, and needs nothing from elsewhere."""

import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pages import PAGES, TREE

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-d",
        folder / "state",
        "docs",
        folder / "html",
    ]
    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "html"


def test_every_page_is_there_and_in_the_navigation(site: Path) -> None:
    navigation = (site / "index.html").read_text()
    for page in PAGES:
        built = page.relative_to(TREE / "docs").with_suffix(".html")
        assert (site / built).exists()
        assert built.name == "index.html" or f'href="{built}"' in navigation


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in [*site.rglob("*.html"), *site.rglob("*.css")]:
        text = page.read_text()
        loaded = re.findall(r'<(?:script|img|link|iframe|source)\b[^>]*?(?:src|href)="((?:https?:)?//[^"]+)"', text)
        loaded += re.findall(r"""(?:url\(|@import\s+)["']?((?:https?:)?//[^"')\s]+)""", text)
        assert loaded == [], page.name


def test_no_diagram_is_left_as_text(site: Path) -> None:
    assert not [page.name for page in PAGES if "```mermaid" in page.read_text("utf-8")]
    assert sorted(path.name for path in (site / "_images").iterdir()) == [
        "apart.svg",
        "exposed.svg",
        "layers.svg",
        "request.svg",
    ]


@pytest.mark.parametrize("picture", sorted(TREE.glob("docs/pictures/*.svg")), ids=lambda path: path.name)
def test_a_picture_has_a_title_and_a_text_alternative(picture: Path) -> None:
    assert ElementTree.parse(picture).findtext(f"{SVG}title")
    alternatives = [
        alternative
        for page in PAGES
        for alternative, file in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text("utf-8"))
        if (page.parent / file).resolve() == picture
    ]
    assert alternatives and all(len(text) > 100 for text in alternatives)


def test_the_picture_of_the_layers_has_every_layer_in_its_place() -> None:
    contracts = tomllib.loads((TREE / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [re.findall(r"orbitalreg\.(\w+)", layer) for layer in contracts[0]["layers"]]
    rows = [
        (text.text or "").split(" · ")
        for text in ElementTree.parse(TREE / "docs" / "pictures" / "layers.svg").iter(f"{SVG}text")
        if text.get("class") == "name"
    ]
    row_of = {name: number for number, row in enumerate(rows) for name in row}
    places = [[row_of[name] for name in layer if name != "__main__"] for layer in layers]
    assert all(upper <= lower for above, below in itertools.pairwise(places) for upper in above for lower in below)
    assert set(row_of) == {name for layer in layers for name in layer} - {"__main__"}
