"""What an installer takes: of each version the file that it prefers, and of the versions those that a specifier allows.

As pip 26 chooses, by PEP 440 and PEP 592. uv 0.13 differs in that it prefers a release to a pre-release that the
specifier names, and takes what is yanked only where the person who installs has named that version.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from math import prod

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from orbitalreg.model import File, Listing, Requirement
from orbitalreg_pypi.environments import environment as environment_of
from orbitalreg_pypi.filenames import MAX_TAGS

MAX_SPECIFIER = 4096  # characters

_Build = tuple[int, str] | tuple[()]
_Preference = tuple[int, _Build]

_version = lru_cache(maxsize=1 << 15)(Version)


def offers(listing: Listing, environment: str) -> list[File]:
    """As `FormatAdapter.offers` says. Of the files of one version, those that are not yanked come first, then wheels by
    how well they fit and by their build number; an sdist is what is left. Raises `InvalidName` for the environment.
    """
    environment_of(environment)
    best: dict[Version, tuple[tuple[bool, _Preference, str], File]] = {}
    for file in listing.files:
        preference = _preference(file, environment) if file.version else None
        if preference is not None:
            key = (file.yanked is None, preference, file.filename)
            version = _version(file.version)
            if version not in best or best[version][0] < key:
                best[version] = (key, file)
    return [best[version][1] for version in sorted(best, reverse=True)]


def _preference(file: File, environment: str) -> _Preference | None:
    """Greater is preferred; None for a file that cannot be taken."""
    filetype, requires_python = file.attributes.get("filetype"), file.attributes.get("requires_python")
    if requires_python and not _runs(requires_python, environment):
        return None
    if filetype == "bdist_wheel":
        return _wheel(file.filename.split("-", 2)[-1], environment)
    return (-len(environment_of(environment).ranks), ()) if filetype == "sdist" else None


@lru_cache(maxsize=4096)
def _runs(requires_python: str, environment: str) -> bool:
    """Whether the environment's Python is allowed; what cannot be read allows any, as installers have it."""
    try:
        wanted = _specifiers(requires_python)
    except InvalidSpecifier:
        return True
    return wanted.contains(environment_of(environment).python, prereleases=True)


@lru_cache(maxsize=1 << 14)
def _wheel(rest: str, environment: str) -> _Preference | None:
    """Of what follows the version in a wheel's name: build number and tags."""
    *builds, python, abi, platform = ("", "", *rest.removesuffix(".whl").lower().split("-"))[-5:]
    sets = [tags.split(".") for tags in (python, abi, platform)]
    if prod(map(len, sets)) > MAX_TAGS:
        return None
    ranks = environment_of(environment).ranks
    fitting = [ranks[tag] for tag in map("-".join, product(*sets)) if tag in ranks]
    return (-min(fitting), _build(builds[-1])) if fitting else None


def _build(text: str) -> _Build:
    """`1a` is the first, and `a`."""
    rest = text.lstrip("0123456789")
    digits = text[: len(text) - len(rest)]
    return (int(digits), rest) if digits else ()


def candidates(requirement: Requirement, offered: Sequence[File]) -> list[File]:
    """As `FormatAdapter.candidates` says.

    Pre-releases count where the specifier names one, and else where nothing but pre-releases is allowed (PEP 440).
    What is yanked counts where nothing else is allowed, and one version is named by `==` or `===` (PEP 592).
    """
    if not requirement.package or requirement.is_elsewhere:
        return []
    try:
        wanted = _specifiers(requirement.specifier)
    except InvalidSpecifier:
        return []
    allowed = [file for file in offered if wanted.contains(_version(file.version), prereleases=True)]
    if not wanted.prereleases:
        allowed = [file for file in allowed if not _version(file.version).is_prerelease] or allowed
    if all(file.yanked is not None for file in allowed):
        return allowed if _is_pinned(wanted) else []
    return [file for file in allowed if file.yanked is None]


def joined(requirements: Sequence[Requirement]) -> Requirement | None:
    """One that allows what all of these on one package allow together, as pip joins them; None where it is too long."""
    specifier = ",".join(sorted({one.specifier for one in requirements if one.specifier}))
    is_elsewhere = any(one.is_elsewhere for one in requirements)
    if len(specifier) > MAX_SPECIFIER:
        return None
    return Requirement(requirements[0].package, specifier, is_elsewhere=is_elsewhere)


def _is_pinned(wanted: SpecifierSet) -> bool:
    return any(one.operator == "===" or (one.operator == "==" and not one.version.endswith(".*")) for one in wanted)


@lru_cache(maxsize=4096)
def _specifiers(text: str) -> SpecifierSet:
    """Raises `InvalidSpecifier`."""
    if len(text) > MAX_SPECIFIER:
        raise InvalidSpecifier(text[:80])
    return SpecifierSet(text)
