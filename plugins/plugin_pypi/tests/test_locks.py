"""Lock files that are none, or pin not everything; and the oddities of those that are."""

import pytest
from orbitalreg_pypi.locks import read_lock

from orbitalreg.errors import Malformed
from orbitalreg.model import Locked

A, B = "a" * 64, "b" * 64


def pins(text: str, filename: str = "requirements.txt") -> list[Locked]:
    return list(read_lock(filename, text.encode()))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("jinja2", "requirements.txt line 1: 'jinja2' pins no version; a lock file has NAME==VERSION on each line"),
        ("\n\njinja2>=2", "requirements.txt line 3: 'jinja2>=2' pins no version"),
        ("jinja2==2.*", "requirements.txt line 1: 'jinja2==2.*' pins no version"),
        ("a==1 \\\n --hash=sha256:aa\nb==1,==2", "requirements.txt line 3: 'b==1,==2' pins no version"),
        ("a==1\n-r other.txt", "requirements.txt line 2: other files are not read; give other.txt too, with --lock"),
        ("-cother.txt", "requirements.txt line 1: other files are not read; give other.txt too"),
        ("a==1\n==", "requirements.txt line 2: "),
        ("a===one", "requirements.txt line 1: "),
    ],
)
def test_requirements_that_are_no_lock(text: str, says: str) -> None:
    with pytest.raises(Malformed) as caught:
        pins(text)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("filename", "text", "says"),
    [
        ("uv.lock", "[", "uv.lock is not TOML: "),
        ("uv.lock", "package = 1", "uv.lock package: is no list of tables"),
        ("uv.lock", "package = [1]", "uv.lock package.0: is no table"),
        (
            "uv.lock",
            '[[package]]\nname = "a"\nsource = { registry = "x" }',
            "uv.lock package 1: has no name or no version; write the lock again with versions",
        ),
        ("pylock.toml", '[[packages]]\nname = "a"', "pylock.toml package 1: has no name or no"),
        ("pylock.toml", '[[packages]]\nname = "a"\nsdist = { name = "a" }', "pylock.toml package 1: has no name or no"),
        ("pylock.toml", '[[packages]]\nname = "-"\nversion = "1"\nsdist = { name = "a" }', "pylock.toml package 1: "),
    ],
)
def test_toml_that_is_no_lock(filename: str, text: str, says: str) -> None:
    with pytest.raises(Malformed) as caught:
        pins(text, filename)
    assert str(caught.value).startswith(says)


def test_bytes_that_are_no_text_are_told_with_their_line() -> None:
    with pytest.raises(Malformed, match=r"requirements\.txt line 2: is not UTF-8"):
        read_lock("requirements.txt", b"a==1\n\xff")


def test_what_comes_from_elsewhere_than_a_registry_is_left_out() -> None:
    text = """\
--index-url https://registry.example.com/simple/
--require-hashes
-e ./here
./there
../elsewhere/demo-1.0-py3-none-any.whl
demo-1.0.tar.gz
https://example.com/demo.zip
git+https://example.com/demo
demo[extra] @ https://example.com/demo.zip
"""
    assert pins(text) == []


def test_each_way_to_write_a_line() -> None:
    text = f"""\
\ufeffA.B[x,y]==1.0; python_version < "4"  # why
c == 1.0 --hash sha256:{A} --hash=sha512:00
d==1.0 --hash=sha256:{A.upper()} \\
  --hash=sha256:{B}
# \\
e==v1.0-rc1 --no-binary e
"""
    assert pins(text) == [
        Locked("a-b", "1.0", place="line 1"),
        Locked("c", "1.0", frozenset([A]), "line 2"),
        Locked("d", "1.0", frozenset([A, B]), "line 3"),
        Locked("e", "1.0rc1", place="line 6"),
    ]


def test_a_package_of_a_pylock_that_names_no_file_is_held_to_its_version() -> None:
    text = """\
[[packages]]
name = "a"
version = "1.0"
[[packages]]
name = "b"
version = "1.0"
vcs = { type = "git", url = "https://example.com/b", commit-id = "0" }
[[packages]]
name = "c"
version = "1.0"
archive = { url = "https://example.com/c.zip" }
"""
    assert pins(text, "pylock.toml") == [Locked("a", "1.0", place="package 1")]
