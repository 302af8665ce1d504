"""The image without an engine: its statements are held against rules, and its install steps and health check are run.

No image is built here.
"""

import ast
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from harness import Registry

from orbitalreg import config

TREE = Path(__file__).parents[2]
FILE = TREE / "deploy" / "Containerfile"


def statements() -> list[tuple[str, str]]:
    """Instruction and the rest, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", FILE.read_text(), flags=re.MULTILINE)
    text = re.sub(r"\\\n\s*", "", text)
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in text.splitlines() if line.strip()]


ALL = statements()
LAST = ALL[max(number for number, (word, _) in enumerate(ALL) if word == "FROM") :]


def the(word: str, among: list[tuple[str, str]] = LAST) -> str:
    (found,) = [rest for instruction, rest in among if instruction == word]
    return found


def test_two_stages_on_one_slim_base_without_a_registry_in_its_name() -> None:
    bases = [rest.split()[0] for word, rest in ALL if word == "FROM"]
    assert bases == ["python:3.13-slim"] * 2
    assert [word for word, _ in ALL if word == "ADD"] == []


def test_only_installed_wheels_are_in_the_last_stage() -> None:
    assert [rest.split()[0] for word, rest in LAST if word == "COPY"] == ["deploy/container/orbitalreg.toml"]
    install = next(rest for word, rest in LAST if word == "RUN")
    assert install.startswith("--mount=type=bind,from=wheels,source=/wheels,target=/wheels pip install")
    assert "--no-index" in install and "--no-cache-dir" in install


def test_what_is_copied_is_there_and_not_ignored() -> None:
    lines = (TREE / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    for word, rest in ALL:
        if word == "COPY":
            for source in rest.split()[:-1]:
                assert (TREE / source).exists()
                assert any(source == name or source.startswith(f"{name}/") for name in kept), source


def test_everything_that_the_wheels_are_built_from_is_copied() -> None:
    copied = {source for word, rest in ALL if word == "COPY" for source in rest.split()[:-1]}
    pyproject = (TREE / "pyproject.toml").read_text()
    for named in re.findall(r'^(?:readme = |license-files = \[)"([^"]+)"', pyproject, re.MULTILINE):
        assert named in copied


def test_it_is_not_root_and_owns_its_data() -> None:
    words = [word for word, _ in LAST]
    user = the("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    number = user.split(":")[0]
    made = next(rest for word, rest in LAST if word == "RUN" and "/var/lib/orbitalreg" in rest)
    assert f"--owner {number} --group {number}" in made and "0700" in made
    assert words.index("USER") > max(number for number, word in enumerate(words) if word in ("RUN", "COPY"))
    assert the("VOLUME") == "/var/lib/orbitalreg"


def test_the_configuration_is_good_and_is_found() -> None:
    settings = config.load(TREE / "deploy" / "container" / "orbitalreg.toml")
    assert settings.server.listen == ("0.0.0.0", int(the("EXPOSE")))
    assert str(settings.data.path) == the("VOLUME")
    target = next(rest.split()[-1] for word, rest in LAST if word == "COPY")
    assert the("ENV") == f"{config.ENVIRONMENT}={target}"
    assert (json.loads(the("ENTRYPOINT")), json.loads(the("CMD"))) == (["orbitalreg"], ["serve"])


def test_the_health_check_says_whether_the_server_is_well(tmp_path: Path) -> None:
    command = ast.literal_eval(the("HEALTHCHECK").split("CMD ")[1])
    assert command[0] == "python"
    with Registry(tmp_path) as registry:
        assert "http://127.0.0.1:8080" in command[2]
        here = [sys.executable, "-c", command[2].replace("http://127.0.0.1:8080", registry.url)]
        assert subprocess.run(here).returncode == 0
        (registry.data / "catalog.sqlite3").rename(registry.data / "gone")
        registry.stop()
        assert subprocess.run(here, stderr=subprocess.DEVNULL).returncode == 1


@pytest.mark.online
@pytest.mark.timeout(300)
def test_the_install_steps_in_a_virtual_environment(tmp_path: Path) -> None:
    """Both RUN lines with pip, on what the COPY lines take, with this test's folders for the image's."""
    source, wheels, place = tmp_path / "src", tmp_path / "wheels", tmp_path / "env"
    for word, rest in ALL:
        if word == "COPY" and rest.split()[-1].startswith("/src"):
            *sources, target = rest.split()
            folder = tmp_path / target.strip("/")
            for name in sources:
                goal = folder / name if len(sources) > 1 else folder
                goal.parent.mkdir(parents=True, exist_ok=True)
                subprocess.run(["cp", "-R", TREE / name, goal], check=True)
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    for word, rest in ALL:
        step = re.sub(r"--mount=\S+\s+", "", rest)
        if word == "RUN" and step.startswith("pip "):
            here = step.replace("/wheels", str(wheels)).replace("/src", str(source))
            done = subprocess.run([place / "bin" / "python", "-m", *shlex.split(here)], capture_output=True, text=True)
            if "Connection" in done.stderr or "Temporary failure" in done.stderr:
                pytest.skip("the package registries cannot be reached")
            assert done.returncode == 0, done.stderr
    (tmp_path / "orbitalreg.toml").write_text(
        (TREE / "deploy" / "container" / "orbitalreg.toml")
        .read_text()
        .replace("/var/lib/orbitalreg", str(tmp_path / "data"))
    )
    checked = subprocess.run([place / "bin" / "orbitalreg", "check"], cwd=tmp_path, capture_output=True, text=True)
    assert checked.stdout == "the configuration is good\n", checked.stderr
