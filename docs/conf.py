"""The documentation site: sphinx-build -W docs site. The pages are Markdown that a forge shows as it is."""

import re
from pathlib import Path

from sphinx.application import Sphinx

project = "OrbitalReg"
copyright = "the OrbitalReg authors"  # noqa: A001  # Sphinx' own name for it

extensions = ["myst_parser"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = "OrbitalReg"
html_copy_source = False
html_show_sphinx = False
templates_path: list[str] = []

_SECTION = re.compile(r"^## (?P<title>.+?)\n(?P<body>.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_PAGE = re.compile(r"^- \[[^\]]+\]\((?P<page>[^):#]+)\.md\)", re.MULTILINE)


def _contents(app: Sphinx, page: str, source: list[str]) -> None:
    """The site's navigation is what index.md lists, section by section; a page that is not listed fails the build."""
    if page != "index":
        return
    for section in _SECTION.finditer(Path(app.srcdir, "index.md").read_text("utf-8")):
        pages = "\n".join(_PAGE.findall(section["body"]))
        source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {section['title']}\n\n{pages}\n```\n"


def setup(app: Sphinx) -> None:
    app.connect("source-read", _contents)
