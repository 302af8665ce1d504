"""Under which license a file comes, by its metadata."""

import pytest
from orbitalreg_pypi.licenses import CLASSIFIERS, stated

from orbitalreg.licenses import canonical


def of(*lines: str) -> str | None:
    return stated("\n".join(["Metadata-Version: 2.4", "Name: a", "Version: 1", *lines, "", "text"]).encode())


@pytest.mark.parametrize(
    ("lines", "expression"),
    [
        (["License-Expression: MIT OR  Apache-2.0"], "MIT OR Apache-2.0"),
        (["License: MIT"], "MIT"),
        (["License: GPL-2.0-only WITH Classpath-exception-2.0"], "GPL-2.0-only WITH Classpath-exception-2.0"),
        (["License: BSD"], None),
        (["License: UNKNOWN"], None),
        (["License: " + "(" * 190], None),
        (["License: MIT " + "x" * 300], None),
        (["License: BSD", "Classifier: License :: OSI Approved :: MIT License"], "MIT"),
        (["Classifier: License :: OSI Approved :: BSD License"], None),
        (
            [
                "Classifier: License :: OSI Approved :: MIT License",
                "Classifier: License :: OSI Approved :: GNU Affero General Public License v3",
            ],
            "MIT AND AGPL-3.0-only",
        ),
        ([], None),
    ],
)
def test_what_metadata_states(lines: list[str], expression: str | None) -> None:
    assert of(*lines) == expression


@pytest.mark.parametrize("document", [b"", b"\xff", b"License-Expression", b"x" * 100])
def test_what_is_no_metadata_states_none(document: bytes) -> None:
    assert stated(document) is None


def test_every_classifier_means_an_id_of_spdx() -> None:
    assert {name: canonical(name) for name in CLASSIFIERS.values()} == {name: name for name in CLASSIFIERS.values()}
