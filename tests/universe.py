"""A small world of packages that ask for one another, and a format that reads what they say; no disk, no server.

A requirement is `name`, `name[x]`, `name>=2,<4`, `name==1`; `x? name` counts with the extra x alone, `name @ place` is
to be taken from elsewhere, and `!!` can be read by nobody.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orbitalreg_toy import ToyFormat

from orbitalreg.errors import NotFound
from orbitalreg.model import (
    Address,
    File,
    Finding,
    Kind,
    Listing,
    Report,
    ReportStatus,
    Repository,
    Requirement,
    Severity,
)

HERE = "here"
_STATED = re.compile(
    r"(?:(?P<when>\w+)\? )?(?P<name>[a-z-]+)(?:\[(?P<extras>[\w,]+)\])?(?P<rest>[^@]*)(?P<place> @ .*)?"
)
_CLAUSE = re.compile(r"(>=|==|<)(\d+)")


class SmallFormat(ToyFormat):
    """Versions are numbers; whoever names a yanked one by `==` may have it."""

    def environments(self) -> Sequence[str]:
        return [HERE]

    def stated_requirements(self, file: File, document: Callable[[str], bytes]) -> Sequence[str]:
        return file.requirements

    def requirements(
        self, stated: Sequence[str], environment: str, extras: Collection[str] = ()
    ) -> Sequence[Requirement]:
        return [one for text in stated if (one := self._requirement(text, extras)) is not None]

    def _requirement(self, text: str, extras: Collection[str]) -> Requirement | None:
        read = _STATED.fullmatch(text)
        if read is None:
            return Requirement("", stated=text)
        if read["when"] and read["when"] not in extras:
            return None
        wanted = tuple(sorted(read["extras"].split(","))) if read["extras"] else ()
        return Requirement(read["name"], read["rest"].strip(), wanted, text, is_elsewhere=read["place"] is not None)

    def offers(self, listing: Listing, environment: str) -> Sequence[File]:
        return sorted(listing.files, key=lambda file: -int(file.version))

    def candidates(self, requirement: Requirement, offers: Sequence[File]) -> Sequence[File]:
        clauses = _CLAUSE.findall(requirement.specifier)
        found = [file for file in offers if all(_holds(int(file.version), *clause) for clause in clauses)]
        is_pinned = any(operator == "==" for operator, _ in clauses)
        return [file for file in found if file.yanked is None or is_pinned]


def _holds(version: int, operator: str, bound: str) -> bool:
    return {">=": version >= int(bound), "==": version == int(bound), "<": version < int(bound)}[operator]


class World:
    """A source whose packages are `{name: {version: [requirement, ...]}}`, and what is wrong with versions of them."""

    def __init__(
        self, packages: Mapping[str, Mapping[int, Sequence[str]]], ill: Mapping[tuple[str, int], Sequence[str]] = {}
    ) -> None:
        self.repository = Repository("id", Address("acme", "world"), "toy", Kind.LOCAL)
        self.listings = {
            name: Listing(
                name,
                tuple(
                    File(
                        f"{name}@{version}",
                        name,
                        str(version),
                        f"{name}@{version}.toy",
                        1,
                        "0" * 64,
                        0,
                        {},
                        tuple(asked),
                    )
                    for version, asked in versions.items()
                ),
                "1",
            )
            for name, versions in packages.items()
        }
        self.ill = ill
        self.asked: list[str] = []

    def listing(self, package: str) -> Listing:
        self.asked.append(package)
        if package not in self.listings:
            raise NotFound(f"no package {package}")
        return self.listings[package]

    def document(self, file: File, kind: str) -> bytes:
        raise NotFound("nothing is beside a file")

    def change(self, package: str, version: int, **fields: Any) -> None:
        known = self.listings[package]
        files = tuple(replace(one, **fields) if one.version == str(version) else one for one in known.files)
        self.listings[package] = replace(known, files=files)

    judges = False

    def revision(self, format_name: str, package: str) -> str:
        return "1"

    def of(self, format_name: str, listing: Listing) -> Mapping[str, tuple[Report, ...]]:
        """As `KnownReports`."""
        return {
            file.id: (
                Report(
                    "eye",
                    ReportStatus.OK,
                    tuple(
                        Finding(name, file.package, file.version, Severity.HIGH)
                        for name in self.ill.get((file.package, int(file.version)), ())
                    ),
                ),
            )
            for file in listing.files
        }
