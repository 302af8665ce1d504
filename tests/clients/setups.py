"""How each client is told of the registry: what the tests apply is what the documentation shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

REPOSITORY = "https://registry.example.com/pypi/acme/internal"
TOKEN = "$ORBITALREG_TOKEN"

_IN_ADDRESS = "https://__token__:{}@registry.example.com/pypi/acme/internal/simple/"
_EXPANDED = _IN_ADDRESS.format("${ORBITALREG_TOKEN}")
"""The client puts the variable in itself."""
_SECRET = (TOKEN, "__token__")


@dataclass(frozen=True)
class Setup:
    """Variables of the environment, to read and to publish, and what is added to `file`. Token and address as above."""

    read: Mapping[str, str] = field(default_factory=dict)
    publish: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    lines: str = ""
    remark: str = ""

    def variables(self, repository: str, token: str | None) -> dict[str, str]:
        """The environment of a client that uses `repository`; without a token, only what is not secret."""
        found = {
            name: _filled(value, repository, token)
            for name, value in {**self.read, **self.publish}.items()
            if token is not None or value not in _SECRET
        }
        return found if token is None else found | {"ORBITALREG_TOKEN": token}

    def addition(self, repository: str, token: str | None) -> str:
        """The text for `file`; the client itself puts the token in, where there is one."""
        lines = self.lines if token is not None else self.lines.replace("__token__:${ORBITALREG_TOKEN}@", "")
        return _at(lines, repository)


def _filled(value: str, repository: str, token: str | None) -> str:
    if token is None:
        value = value.replace(f"__token__:{TOKEN}@", "")
    return _at(value, repository).replace(TOKEN, token or "")


def _at(text: str, repository: str) -> str:
    """`text` with the real address for that of the documentation, whether or not credentials stand in it."""
    scheme, _, rest = repository.partition("://")
    _, _, shown = REPOSITORY.partition("://")
    return (
        text.replace(f"@{shown}", f"@{rest}")
        .replace("https://__token__", f"{scheme}://__token__")
        .replace(REPOSITORY, repository)
    )


BY_PIP = {"PIP_INDEX_URL": _IN_ADDRESS.format(TOKEN)}

SETUPS: Mapping[str, Setup] = {
    "pip": Setup(read=BY_PIP),
    "uv": Setup(
        read={"UV_INDEX_INTERNAL_USERNAME": "__token__", "UV_INDEX_INTERNAL_PASSWORD": TOKEN},
        publish={"UV_PUBLISH_URL": f"{REPOSITORY}/legacy/", "UV_PUBLISH_TOKEN": TOKEN},
        file="pyproject.toml",
        lines=f'[[tool.uv.index]]\nname = "internal"\nurl = "{REPOSITORY}/simple/"\ndefault = true\n',
        remark="`uv publish --check-url` takes the credentials of the index whose address it is given, or those in\n"
        "the address; with neither, it learns nothing and sends the files.",
    ),
    "twine": Setup(
        publish={
            "TWINE_REPOSITORY_URL": f"{REPOSITORY}/legacy/",
            "TWINE_USERNAME": "__token__",
            "TWINE_PASSWORD": TOKEN,
        }
    ),
    "poetry": Setup(
        read={
            "POETRY_HTTP_BASIC_INTERNAL_USERNAME": "__token__",
            "POETRY_HTTP_BASIC_INTERNAL_PASSWORD": TOKEN,
        },
        publish={"POETRY_REPOSITORIES_INTERNAL_URL": f"{REPOSITORY}/legacy/"},
        file="pyproject.toml",
        lines=f'[[tool.poetry.source]]\nname = "internal"\nurl = "{REPOSITORY}/simple/"\npriority = "primary"\n',
        remark="Then `poetry publish --repository internal`.",
    ),
    "pdm": Setup(
        publish={
            "PDM_PUBLISH_REPO": f"{REPOSITORY}/legacy/",
            "PDM_PUBLISH_USERNAME": "__token__",
            "PDM_PUBLISH_PASSWORD": TOKEN,
        },
        file="pyproject.toml",
        lines=f'[[tool.pdm.source]]\nname = "pypi"\nurl = "{_EXPANDED}"\n',
        remark="The name `pypi` replaces the public index. pdm puts the variable in itself.",
    ),
    "hatch": Setup(
        read=BY_PIP | {"UV_DEFAULT_INDEX": BY_PIP["PIP_INDEX_URL"]},
        publish={
            "HATCH_INDEX_REPO": f"{REPOSITORY}/legacy/",
            "HATCH_INDEX_USER": "__token__",
            "HATCH_INDEX_AUTH": TOKEN,
        },
        remark="hatch installs with pip or uv, and builds with uv: both are told.",
    ),
    "flit": Setup(
        read=BY_PIP,
        publish={"FLIT_INDEX_URL": f"{REPOSITORY}/legacy/", "FLIT_USERNAME": "__token__", "FLIT_PASSWORD": TOKEN},
        remark="flit installs with pip.",
    ),
    "pipenv": Setup(
        file="Pipfile",
        lines=f'[[source]]\nname = "internal"\nurl = "{_EXPANDED}"\nverify_ssl = true\n',
        remark="pipenv puts the variable in itself, and leaves it as it stands in `Pipfile.lock`.",
    ),
}
