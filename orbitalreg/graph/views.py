"""Which graphs there are: what each repository shows, in each environment that things are installed in."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orbitalreg.config import Settings
from orbitalreg.errors import InvalidName
from orbitalreg.interfaces import FormatAdapter
from orbitalreg.model import Address, Kind, Repository
from orbitalreg.sources import GovernedSource, RawSource
from orbitalreg.sources.governed import Judged
from orbitalreg.sources.kept import Kept
from orbitalreg.sources.virtual import VirtualSource

SCHEME = 1
"""Of how graphs are made: another one has them made anew."""


@dataclass(frozen=True, slots=True)
class View:
    """One graph to be: a repository by its rules without policies, in one environment of its format.

    `holders` are the ids of the local and remote repositories in it, `remotes` those of the remote ones. `guards` are
    the virtual repositories that have some of these remotes.
    """

    repository: Repository
    environment: str
    adapter: FormatAdapter
    source: GovernedSource
    holders: tuple[str, ...]
    remotes: frozenset[str]
    guards: tuple[VirtualSource, ...]
    digest: str

    def guarded(self, package: str) -> bool:
        """Whether a virtual repository keeps the name from these remotes: then no graph has them asked for it."""
        return any(guard.guarded(package) is not None for guard in self.guards)


def make_views(
    settings: Settings, formats: Mapping[str, FormatAdapter], sources: Mapping[Address, GovernedSource]
) -> list[View]:
    """Of every repository; `sources` are those of the configuration. None where the graph is turned off."""
    views = []
    virtuals = [source.raw for source in sources.values() if isinstance(source.raw, VirtualSource)]
    kept: Kept[Judged] = Kept()
    for source in sources.values():
        adapter = formats[source.repository.format]
        leaves = _leaves(source.raw)
        remotes = _remotes(leaves)
        bare = source.without_policies(kept)
        for environment in environments(settings, adapter):
            said = [str(SCHEME), environment, bare.rules_digest, repr(sorted(bare.judges))]
            said += _configured(settings, source.raw)
            views.append(
                View(
                    source.repository,
                    environment,
                    adapter,
                    bare,
                    tuple(leaf.repository.id for leaf in leaves),
                    remotes,
                    tuple(virtual for virtual in virtuals if remotes & _remotes(virtual.leaves)),
                    hashlib.sha256("\n".join(said).encode()).hexdigest()[:32],
                )
            )
    return views


def environments(settings: Settings, adapter: FormatAdapter) -> Sequence[str]:
    """Those that count for a format: of the configured ones those that it knows, or else its own, each once."""
    if settings.graph.environments is None:
        return list(dict.fromkeys(adapter.environments()))
    return list(dict.fromkeys(_known(settings.graph.environments, adapter)))


def environment_problems(settings: Settings, formats: Mapping[str, FormatAdapter]) -> list[str]:
    """Configured environments that no format knows: one line for each."""
    problems = []
    for number, text in enumerate(settings.graph.environments or ()):
        said = []
        for adapter in formats.values():
            try:
                adapter.environment(text)
                break
            except InvalidName as error:
                said.append(str(error))
        else:
            problems.append(f"graph.environments.{number}: {'; '.join(said) or f'no format knows {text!r}'}")
    return problems


def _known(texts: Sequence[str], adapter: FormatAdapter) -> Iterator[str]:
    for text in texts:
        try:
            yield adapter.environment(text)
        except InvalidName:
            continue


def _leaves(raw: RawSource) -> Sequence[RawSource]:
    return raw.leaves if isinstance(raw, VirtualSource) else (raw,)


def _remotes(leaves: Iterable[RawSource]) -> frozenset[str]:
    return frozenset(leaf.repository.id for leaf in leaves if leaf.repository.kind is Kind.REMOTE)


def _configured(settings: Settings, raw: RawSource) -> Iterator[str]:
    """What is configured of a repository and its members that may change what it shows."""
    address = raw.repository.address
    project = settings.projects[address.project]
    wanted = project.repositories[address.repository]
    yield f"{raw.repository.id} {wanted.kind} {wanted.upstream} {wanted.offline} {wanted.preserve} {wanted.members}"
    yield f"{wanted.guard} {wanted.merge_upstream} {project.private_names}"
    for member in raw.members if isinstance(raw, VirtualSource) else ():
        yield from _configured(settings, member)
