"""The documentation against the code."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from orbitalreg import config

TREE = Path(__file__).parents[2]
PAGES = sorted([*TREE.glob("*.md"), *TREE.glob("docs/**/*.md"), *TREE.glob("plugins/*/*.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def _name(page: Path) -> str:
    return str(page.relative_to(TREE))


def _fences(language: str) -> list[object]:
    return [
        pytest.param(match[2], id=f"{_name(page)}-{number}")
        for page in PAGES
        for number, match in enumerate(FENCE.finditer(page.read_text("utf-8")))
        if match[1] == language
    ]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_relative_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("text", _fences("toml"))
def test_every_piece_of_configuration_is_valid(text, monkeypatch):
    monkeypatch.setenv("PARTNER_PASSWORD", "a secret")
    monkeypatch.setenv("HOOK_SECRET", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    config.from_dict(tomllib.loads(text), base=Path())


@pytest.mark.parametrize("page", sorted(TREE.glob("docs/reference/*.md")), ids=_name)
def test_reference_pages_say_what_the_code_says(page):
    spec = importlib.util.spec_from_file_location("reference", TREE / "tools" / "reference.py")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    assert reference.rewritten(page.read_text("utf-8")) == page.read_text("utf-8"), "run: python tools/reference.py"


@pytest.mark.parametrize("name", ["exposed.svg", "apart.svg"])
def test_pictures_of_dependencies_are_what_the_command_draws(name):
    spec = importlib.util.spec_from_file_location("pictures", TREE / "tools" / "pictures.py")
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    drawn = pictures.svg(pictures.PICTURES[name]())
    assert drawn == (TREE / "docs" / "pictures" / name).read_text("utf-8"), "run: python tools/pictures.py"


def test_the_tutorials_scanner_has_under_sixty_lines() -> None:
    page = (TREE / "docs/tutorial/first-scanner.md").read_text("utf-8")
    [code] = re.findall(r"^```python file=licenses/orbitalreg_licenses.py\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(code.splitlines()) < 60


def test_every_command_that_the_docs_name_exists():
    known = {"--help", "--version", "oidc", "osv", *_help("")}  # two of plugins that are not enabled here
    for page in PAGES:
        for command in re.findall(r"(?:`|\$ |^)orbitalreg ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE):
            assert command in known, f"{_name(page)}: orbitalreg {command}"


def _help(command: str) -> set[str]:
    shown = subprocess.run(
        [sys.executable, "-m", "orbitalreg", *command.split(), "--help"], capture_output=True, text=True, check=True
    )
    return set(re.findall(r"^  ([a-z-]+) ", shown.stdout, re.MULTILINE))


def test_the_readme_has_exactly_two_commands_to_start_with_and_both_are_targets():
    readme = (TREE / "README.md").read_text("utf-8")
    section = readme.split("## Try it")[1].split("\n## ")[0]
    commands = [match[2].strip() for match in FENCE.finditer(section)]
    assert commands == ["make serve", "make test"]
    makefile = (TREE / "Makefile").read_text("utf-8")
    assert all(re.search(rf"^{command.split()[1]}:", makefile, re.MULTILINE) for command in commands)
    assert "make test" in (TREE / ".ci" / "run").read_text("utf-8")
