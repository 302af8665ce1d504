"""A GitLab component as a runner sees it: inputs checked and put in, the scripts in the shell, the job's variables."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TEMPLATES = Path(__file__).parents[2] / "plugins" / "plugin_oidc" / "templates"
TYPES = {"string": str, "boolean": bool, "array": list, "number": (int, float)}


@dataclass(frozen=True)
class Component:
    """`spec` are the inputs as they are declared; `body` is the text in which they are put."""

    name: str
    spec: Mapping[str, dict[str, Any]]
    body: str

    @classmethod
    def read(cls, name: str) -> "Component":
        header, _, body = (TEMPLATES / f"{name}.yml").read_text("utf-8").partition("\n---\n")
        return cls(name, yaml.safe_load(header)["spec"]["inputs"], body)

    def jobs(self, **inputs: Any) -> dict[str, dict[str, Any]]:
        """The jobs by name. `_` in an input's name stands for `-`."""
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        assert given.keys() <= self.spec.keys()
        values = {name: self._value(name, given) for name in self.spec}

        def put(match: re.Match[str]) -> str:
            value = values[match[1]]
            if isinstance(value, bool):
                return str(value).lower()
            return value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True).strip()

        found = yaml.safe_load(re.sub(r"\$\[\[ ([a-z-]+) \]\]", put, self.body.replace("inputs.", "")))
        assert isinstance(found, dict)
        return found

    def _value(self, name: str, given: Mapping[str, Any]) -> Any:
        """Raises `ValueError` for what GitLab would refuse."""
        declared = self.spec[name]
        if name not in given and "default" not in declared:
            raise ValueError(f"{name} must be given")
        value = given.get(name, declared.get("default"))
        if not isinstance(value, TYPES[declared.get("type", "string")]):
            raise ValueError(f"{name} is of another type")
        if "regex" in declared and not re.search(declared["regex"], value):
            raise ValueError(f"{name} does not match")
        return value


def run(
    job: Mapping[str, Any], folder: Path, variables: Mapping[str, str], shell: str = "bash"
) -> "subprocess.CompletedProcess[str]":
    """The job's scripts in one shell, as a runner has them, one after the other.

    GitLab takes bash, with `set -eo pipefail`, and `sh` with `set -e` where an image has no bash.
    """
    lines = ["set -eo pipefail" if shell == "bash" else "set -e"]
    lines += [*job.get("before_script", ()), *job.get("script", ())]
    told = {name: str(value) for name, value in job.get("variables", {}).items()}
    return subprocess.run(
        [shell],
        input="\n".join(lines),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "GITLAB_CI": "true", "CI": "true"} | told | dict(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
