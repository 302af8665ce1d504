"""What the docs have for a .gitlab-ci.yml, held against the components of which it speaks."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

TREE = Path(__file__).parents[2]
sys.path.insert(0, str(TREE / "tests" / "e2e"))

from components import TEMPLATES, Component  # noqa: E402  # from the path above

PAGES = [TREE / "docs" / "how-to" / "publish-from-gitlab.md", TREE / "plugins" / "plugin_oidc" / "README.md"]
BLOCKS = [
    (page.name, number, text)
    for page in PAGES
    for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL))
]
WORDS = {"stage", "image", "rules", "environment", "id_tokens", "variables", "extends", "before_script", "script"}
"""Of a job, as far as the docs use them."""


def pipeline(text: str) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """What is included, and the jobs."""
    found = yaml.safe_load(text)
    return found.pop("include", []), found


def included(text: str) -> dict[str, dict[str, Any]]:
    """The jobs that come with what is included, whose inputs are checked as GitLab does."""
    jobs: dict[str, dict[str, Any]] = {}
    for include in pipeline(text)[0]:
        assert include.keys() == {"component", "inputs"}
        match = re.fullmatch(r"\$CI_SERVER_FQDN/tools/orbitalreg/([a-z-]+)@[0-9]+", include["component"])
        assert match is not None
        component = Component.read(match[1])
        assert include["inputs"].keys() <= component.spec.keys()
        jobs |= component.jobs(**{name.replace("-", "_"): value for name, value in include["inputs"].items()})
    return jobs


def test_there_are_blocks_for_every_component_on_both_pages() -> None:
    names = {path.stem for path in TEMPLATES.glob("*.yml")}
    for page in PAGES:
        told = "".join(text for name, _, text in BLOCKS if name == page.name)
        assert {name for name in names if f"/{name}@" in told} == names


@pytest.mark.parametrize(("page", "number", "text"), BLOCKS)
def test_a_block_includes_what_is_there_and_adds_to_jobs_that_are(page: str, number: int, text: str) -> None:
    _, own = pipeline(text)
    theirs = included(text)
    assert own or theirs
    for name, job in own.items():
        assert job.keys() <= WORDS
        assert "script" in job or name in theirs, f"{name} does nothing"
        assert "extends" not in job or job["extends"] in theirs


@pytest.mark.parametrize(("page", "number", "text"), BLOCKS)
def test_a_jobs_token_is_in_the_variable_that_its_clients_look_for(page: str, number: int, text: str) -> None:
    for job in (pipeline(text)[1] | included(text)).values():
        for variable, token in job.get("id_tokens", {}).items():
            assert variable == token["aud"].upper().replace("-", "_") + "_ID_TOKEN"


def test_a_job_that_the_readme_adds_to_is_the_components() -> None:
    told = re.search(r"`([a-z-]+): \{environment: release\}`", PAGES[1].read_text("utf-8"))
    assert told is not None
    assert told[1] in Component.read("pypi-publish").jobs(url="https://registry.example.com", repository="acme/x")
