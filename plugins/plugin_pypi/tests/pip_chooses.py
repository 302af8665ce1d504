"""pip's own choice among files, in process: by its evaluation of links and its resolver's way with candidates; and
what it takes for the requirements of a version, in the Python that runs.

What is called is not for others to call, so it is that of the one major version that the tests are pinned to.
"""

from collections.abc import Sequence
from typing import Any

import pip
from orbitalreg_pypi.environments import Environment
from pip._internal.index.package_finder import CandidateEvaluator, LinkEvaluator, LinkType
from pip._internal.metadata import get_metadata_distribution
from pip._internal.models.candidate import InstallationCandidate
from pip._internal.models.link import Link
from pip._internal.models.target_python import TargetPython
from pip._internal.req.constructors import install_req_from_line
from pip._internal.resolution.resolvelib.factory import Factory
from pip._internal.utils.hashes import Hashes
from pip._internal.utils.temp_dir import global_tempdir_manager
from pip._vendor.packaging.specifiers import SpecifierSet
from pip._vendor.packaging.tags import Tag

from orbitalreg.model import File

if not pip.__version__.startswith("26."):
    raise ImportError("this is written for pip 26")


class Finder:
    """What a resolver asks, with links in place of an index."""

    def __init__(self, files: Sequence[File], environment: Environment) -> None:
        self._target = TargetPython(py_version_info=environment.python.release)
        self._target._valid_tags = [Tag(*tag.split("-")) for tag in environment.ranks]
        self._target._valid_tags_set = set(self._target._valid_tags)
        self._links = [
            Link(
                f"https://index.invalid/{file.filename}",
                requires_python=file.attributes.get("requires_python"),
                yanked_reason=file.yanked,
            )
            for file in files
        ]

    def find_best_candidate(self, project_name: str, specifier: SpecifierSet, hashes: Hashes | None) -> Any:
        links = LinkEvaluator("a", "a", frozenset({"binary", "source"}), self._target, allow_yanked=True)
        judged = [(link, *links.evaluate_link(link)) for link in self._links]
        found = [InstallationCandidate("a", told, link) for link, kind, told in judged if kind == LinkType.candidate]
        evaluator = CandidateEvaluator.create("a", target_python=self._target, specifier=specifier)
        return evaluator.compute_best_candidate(found)


class Resolver(Factory):
    def __init__(self, finder: Finder) -> None:
        self._finder = finder  # type: ignore[assignment]
        self._force_reinstall = True

    def _make_candidate_from_link(self, link: Link, *args: Any, **kwargs: Any) -> Any:
        return link


def choices(files: Sequence[File], specifier: str, environment: Environment) -> list[str]:
    """The files that pip would try in this order, without those that it would try after another of the version."""
    resolver = Resolver(Finder(files, environment))
    requirement = install_req_from_line(f"a {specifier}")
    found = resolver._iter_found_candidates(
        [requirement], SpecifierSet(), Hashes(), prefers_installed=False, incompatible_ids=set()
    )
    best: dict[Any, str] = {}
    for version, make in found._get_infos():
        best.setdefault(version, make().filename)
    return list(best.values())


def needs(document: bytes, extras: Sequence[str]) -> set[str]:
    """The packages that it would look for: those of the version itself, and those of its extras."""
    with global_tempdir_manager():
        found = get_metadata_distribution(document, "a-1-py3-none-any.whl", "a")
        both = [*found.iter_dependencies(()), *found.iter_dependencies(extras)]
    return {requirement.name for requirement in both}
