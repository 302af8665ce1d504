"""The adapter passes the kit of the host."""

import sys
from pathlib import Path

import pytest
from orbitalreg_pypi.adapter import PyPIFormat

from orbitalreg.model import Locked, Requirement
from orbitalreg.testing import (
    AdapterUnderTest,
    BadFile,
    BaseFormatAdapterContract,
    GoodFile,
    GoodLock,
    GoodRequirement,
)

sys.path.insert(0, str(Path(__file__).parent))

from archives_corpus import CASES, make_sdist, make_wheel

pytest_plugins = ["orbitalreg.testing"]

REQUIREMENTS = "Requires-Python: >=3.9\nRequires-Dist: requests>=2; python_version < '4'\nSummary: d\u00e9mo <b>"


EXPRESSION = "License-Expression: MIT OR Apache-2.0"
CLASSIFIED = "Classifier: License :: OSI Approved :: GNU Affero General Public License v3"
OTHER = "2!1.0rc1+local.1"
PLACE = "https://example.com/demo.zip"
WINDOWS = "cpython-3.11-windows-x86_64"
ENVIRONMENTS = {
    "cpython-3.12-linux-x86_64": "cpython-3.12-linux-x86_64",
    "CPython-3.12.1-Linux-x86_64-gnu": "cpython-3.12.1-linux-x86_64",
    "cpython-3.11-windows-amd64-none": WINDOWS,
}
DIGESTS = [character * 64 for character in "abc"]
LOCKS = [
    GoodLock(
        "requirements.txt",
        f"""\
# by pip-compile
--index-url https://registry.example.com/simple/
-e .
Jinja2[i18n]==2.10 ; python_version < "4" \\
    --hash=sha256:{DIGESTS[0]} \\
    --hash=sha256:{DIGESTS[1]}
    # via demo
a.b === 1.0  # exactly
demo @ https://example.com/demo.zip
""".encode(),
        [
            Locked("jinja2", "2.10", frozenset(DIGESTS[:2]), "line 4"),
            Locked("a-b", "1.0", place="line 8"),
        ],
    ),
    GoodLock(
        "uv.lock",
        f"""\
version = 1
[[package]]
name = "demo"
version = "0.1"
source = {{ editable = "." }}
[[package]]
name = "jinja2"
version = "2.10"
source = {{ registry = "https://registry.example.com/simple" }}
sdist = {{ url = "https://registry.example.com/x", hash = "sha256:{DIGESTS[0]}", size = 1 }}
wheels = [{{ url = "https://registry.example.com/y", hash = "sha256:{DIGESTS[1]}" }}]
""".encode(),
        [Locked("jinja2", "2.10", frozenset(DIGESTS[:2]), "package 2")],
    ),
    GoodLock(
        "pylock.dev.toml",
        f"""\
lock-version = "1.0"
[[packages]]
name = "jinja2"
version = "2.10"
[packages.sdist]
name = "Jinja2-2.10.tar.gz"
hashes = {{ sha256 = "{DIGESTS[2]}" }}
[[packages]]
name = "demo"
[packages.directory]
path = "."
""".encode(),
        [Locked("jinja2", "2.10", frozenset(DIGESTS[2:]), "package 1")],
    ),
]


def bad(name: str) -> BadFile:
    filename, body = CASES[name].build()
    return BadFile(filename, body, says=CASES[name].reason)


class TestPyPI(BaseFormatAdapterContract):
    @pytest.fixture
    def subject(self) -> AdapterUnderTest:
        return AdapterUnderTest(
            adapter=PyPIFormat(),
            good_files=[
                GoodFile(*make_wheel(metadata_extra=REQUIREMENTS), "demo-pkg", "1.0", {"name": "Demo_Pkg"}),
                GoodFile(*make_sdist(), "demo-pkg", "1.0", {"filetype": "sdist", "version": "v1.0"}),
                GoodFile(*make_sdist(version="1.1", extension=".zip"), "demo-pkg", "1.1"),
                GoodFile(*make_wheel("other", OTHER), "other", OTHER),
                GoodFile(*make_wheel("free", metadata_extra=EXPRESSION), "free", "1.0", license="MIT OR Apache-2.0"),
                GoodFile(*make_sdist("older", metadata_extra=CLASSIFIED), "older", "1.0", license="AGPL-3.0-only"),
            ],
            bad_files=[
                *map(bad, ["zip_bomb", "zip_name_parent", "zip_duplicate", "gzip_bomb", "tar_name_absolute"]),
                BadFile("demo.exe", b"MZ", says="no wheel"),
                BadFile(*make_wheel(), says="the form says", claims={"name": "another"}),
                BadFile(*make_wheel(), says="the form", claims={"version": "\u0661.0"}),
                BadFile(make_wheel()[0], b"", says="is refused"),
            ],
            names={"Demo_Pkg": "demo-pkg", "a.-_b": "a-b", "requests": "requests"},
            bad_names=["", "-a", "a/b", "../a", "a\n", "d\u00e9mo", "a" * 201],
            versions={"1.0": "1.0", "v1.0-RC1": "1.0rc1", "1.0.post": "1.0.post0"},
            bad_versions=["", "one", "1.0\n", "1.0/..", "\u0661.0", "9" * 201],
            ordered_versions=[
                "1.0.dev1",
                "1.0a1",
                "1.0rc1",
                "1.0",
                "1.0+local",
                "1.0.post1",
                "1.2",
                "1.10",
                "1!0.1",
            ],
            accepts=[
                "*/*",
                "text/html",
                "application/vnd.pypi.simple.v1+html",
                "application/vnd.pypi.simple.v1+json",
            ],
            upstream="/simple",
            locks=LOCKS,
            environments=ENVIRONMENTS,
            bad_environments=["cpython", "cpython-2.7-linux-x86_64", "cpython-3.12-linux-x86_64\n"],
            requirements=[
                GoodRequirement(Requirement("demo-pkg", "", (), "Demo_Pkg"), chosen=["1.1", "1.0"]),
                GoodRequirement(Requirement("demo-pkg", "<1.1", ("a-b",), "demo-pkg[A_b] < 1.1.0"), chosen=["1.0"]),
                GoodRequirement(Requirement("demo-pkg", "==1.*", (), "demo.pkg (==1.*)"), chosen=["1.1", "1.0"]),
                GoodRequirement(Requirement("other", "", (), "other; extra == 'Mo_re'"), "mo-re", chosen=[OTHER]),
                GoodRequirement(Requirement("other", "<2", (), "other<2; os_name == 'nt'"), only=WINDOWS, chosen=[]),
                GoodRequirement(Requirement("demo-pkg", "", (), f"demo-pkg @ {PLACE}", True), chosen=[]),
            ],
        )
