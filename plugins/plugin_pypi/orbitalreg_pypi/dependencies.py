"""What a file asks of others: its Requires-Dist, read as PEP 508 says, in one environment.

The texts are hostile, and there are many of them: each is bounded in length, and what was read of it is kept.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from email.parser import HeaderParser
from functools import lru_cache

from packaging.requirements import Requirement as Parsed
from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import canonicalize_name, canonicalize_version
from packaging.version import Version

from orbitalreg.errors import NotFound, UploadRefused
from orbitalreg.model import File, Requirement
from orbitalreg_pypi import metadata, pages
from orbitalreg_pypi.environments import environment as environment_of
from orbitalreg_pypi.filenames import normalize
from orbitalreg_pypi.inspection import PKG_INFO

MAX_HEADER = 1 << 20  # characters that are parsed in the server
MAX_STATED = 10_000  # of one file; those of the largest known have about 2,000
MAX_TEXT = 4096  # characters: packaging reads nested markers by recursion
MAX_KEPT = 512  # characters of what is kept once it was read
MAX_SPECIFIERS = 100  # in one requirement: each version of a listing may be held against each


def stated(file: File, document: Callable[[str], bytes]) -> tuple[str, ...]:
    """The Requires-Dist of METADATA or PKG-INFO, as `FormatAdapter.stated_requirements` says. Raises `NotFound`.

    Installers obey that field in any version of metadata, and read the rest of the document no better than this.
    """
    kind = pages.METADATA if pages.METADATA in file.documents else PKG_INFO
    # Old files name their authors in Latin-1, which is no reason not to know what they ask for.
    body = document(kind).decode("utf-8", "replace").encode()
    try:
        header, _ = metadata.parts(body)
    except UploadRefused as error:
        raise NotFound(f"{file.filename}: {error}") from error
    if len(header) > MAX_HEADER or not metadata.is_metadata(body):
        raise NotFound(f"{file.filename}: its metadata cannot be read")
    values = HeaderParser().parsestr(header).get_all("Requires-Dist", ())
    texts = (" ".join(str(value).split()) for value in values)
    return tuple(text for text in texts if text not in ("", "UNKNOWN"))


def counting(texts: Sequence[str], environment: str, extras: Collection[str] = ()) -> list[Requirement]:
    """Those that count, as `FormatAdapter.requirements` says. Raises `InvalidName` for the environment alone.

    A marker counts as pip has it: where it holds without an extra, or with one of those asked for by itself.
    """
    environment_of(environment)
    asked = ("", *sorted({canonicalize_name(extra) for extra in extras} - {""}))
    found = [one for text in texts[:MAX_STATED] if (one := _counting(text, environment, asked)) is not None]
    if len(texts) > MAX_STATED:
        found.append(Requirement("", stated=f"{len(texts) - MAX_STATED} more, of which none is read"))
    return found


def _counting(text: str, environment: str, asked: tuple[str, ...]) -> Requirement | None:
    if len(text) > MAX_TEXT:
        return Requirement("", stated=text)
    return (_kept if len(text) <= MAX_KEPT else _read)(text, environment, asked)


def _read(text: str, environment: str, asked: tuple[str, ...]) -> Requirement | None:
    """None for one that does not count."""
    try:
        parsed = Parsed(text)
        if parsed.marker is not None:
            variables = environment_of(environment).markers
            if not any(parsed.marker.evaluate({**variables, "extra": extra}) for extra in asked):
                return None
        return _requirement(parsed, text)
    except Exception:  # foreign code on hostile text: RecursionError, int() of 5,000 digits and others
        return Requirement("", stated=text)


_kept = lru_cache(maxsize=1 << 15)(_read)


def _requirement(parsed: Parsed, text: str) -> Requirement:
    """Raises `ValueError` for what is read by nobody."""
    if len(parsed.specifier) > MAX_SPECIFIERS:
        raise ValueError(text)
    extras = tuple(sorted({canonicalize_name(extra) for extra in parsed.extras}))
    return Requirement(normalize(parsed.name), _spelt(parsed.specifier), extras, text, parsed.url is not None)


def _spelt(specifiers: SpecifierSet) -> str:
    """One text for all that say the same: `>= 2.0, != 3` is `!=3,>=2`."""
    return ",".join(sorted(set(map("".join, map(_canonical, specifiers)))))


def _canonical(specifier: Specifier) -> Iterator[str]:
    """Zeros at the end mean something after `~=`, in a prefix and to the letter."""
    operator, version = specifier.operator, specifier.version
    yield operator
    if operator == "===":
        yield version
    elif version.endswith(".*"):
        yield f"{Version(version[:-2])}.*"
    else:
        yield canonicalize_version(version, strip_trailing_zero=operator != "~=")
