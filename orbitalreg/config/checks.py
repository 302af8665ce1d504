"""What is wrong with settings beyond the form of each key: one line for each fault, with the key's path."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from orbitalreg.config.policies import rule_faults
from orbitalreg.config.repositories import RepositorySettings, keys_by_kind, read_secret, repository_path
from orbitalreg.config.settings import Settings
from orbitalreg.errors import ConfigError
from orbitalreg.model import Address, Kind


def faults(settings: Settings) -> Iterator[str]:
    """Each fault of each table that has a check of its own."""
    yield from _repositories(settings)
    yield from _groups(settings)
    yield from _webhooks(settings)
    yield from _policies(settings)


def _webhooks(settings: Settings) -> Iterator[str]:
    for number, webhook in enumerate(settings.webhooks):
        path = f"webhooks.{number}"
        if webhook.url in (other.url for other in settings.webhooks[:number]):
            yield f"{path}.url: is there a second time; put the events of both into one"
        if not webhook.events:
            yield f'{path}.events: is empty; name at least one, or "*" for all'
        for project in webhook.projects or ():
            if project not in settings.projects:
                near = get_close_matches(project, settings.projects, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                yield f"{path}.projects: found {project!r}; there is no such project{hint}"
        if webhook.secret is not None and webhook.secret_file is not None:
            yield f"{path}.secret_file: is given together with secret; give one of them"
        elif webhook.secret is None and webhook.secret_file is None:
            yield f"{path}.secret: is missing; give it or secret_file: receivers tell by it that what they get is ours"
        elif webhook.secret_file is not None:
            try:
                webhook.key()
            except ConfigError as error:
                yield f"{path}.secret_file: {error}"


def _policies(settings: Settings) -> Iterator[str]:
    addresses = [str(address) for address, _ in settings.repositories()]
    for number, policy in enumerate(settings.policies):
        path = f"policies.{number}"
        if policy.name in (other.name for other in settings.policies[:number]):
            yield f"{path}.name: found {policy.name!r} a second time; each policy has a name of its own"
        if not policy.repositories and not policy.projects:
            yield f"{path}.repositories: is missing; name repositories or projects that the policy is for"
        for place, address in enumerate(map(str, policy.repositories)):
            if address not in addresses:
                hint = _meant(address, addresses)
                yield f"{path}.repositories.{place}: found {address!r}; there is no such repository{hint}"
        for place, project in enumerate(policy.projects):
            if project not in settings.projects:
                hint = _meant(project, settings.projects)
                yield f"{path}.projects.{place}: found {project!r}; there is no such project{hint}"
        yield from rule_faults(policy, path)


def _meant(found: str, known: Iterable[str]) -> str:
    near = get_close_matches(found, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _groups(settings: Settings) -> Iterator[str]:
    for number, table in enumerate(settings.grants):
        kind, _, name = table.to.partition(":")
        if kind == "group" and name not in settings.groups:
            near = get_close_matches(name, settings.groups, 1)
            hint = f"; did you mean 'group:{near[0]}'?" if near else "; its users stand in [groups]"
            yield f"grants.{number}.to: found {table.to!r}; there is no such group{hint}"


def _repositories(settings: Settings) -> Iterator[str]:
    for name, project in settings.projects.items():
        for key, repository in project.repositories.items():
            path = repository_path(Address(name, key))
            yield from _foreign_keys(path, repository)
            if repository.kind is Kind.REMOTE:
                yield from _remote_faults(path, repository)
            elif repository.kind is Kind.VIRTUAL:
                yield from _virtual_faults(path, key, repository, project.repositories)
        yield from _circles(name, project.repositories)


def _foreign_keys(path: str, repository: RepositorySettings) -> Iterator[str]:
    for key, kinds in keys_by_kind().items():
        if key in repository.model_fields_set and repository.kind not in kinds:
            whose = " and ".join(kinds)
            yield f"{path}.{key}: is a key of {whose} repositories; this one is {repository.kind}"


def _remote_faults(path: str, repository: RepositorySettings) -> Iterator[str]:
    if repository.upstream is None:
        yield f"{path}.upstream: is missing; a remote repository has one"
    if repository.password is not None and repository.password_file is not None:
        yield f"{path}.password_file: is given together with password; give one of them"
    elif repository.username is None and (repository.password or repository.password_file):
        yield f"{path}.username: is missing; it goes with the password"
    if repository.password_file is not None:
        try:
            read_secret(repository.password_file)
        except ConfigError as error:
            yield f"{path}.password_file: {error}"


def _virtual_faults(
    path: str, name: str, repository: RepositorySettings, others: Mapping[str, RepositorySettings]
) -> Iterator[str]:
    if not repository.members:
        yield f"{path}.members: is missing; a virtual repository has at least one"
    for number, member in enumerate(repository.members):
        if member not in others:
            near = get_close_matches(member, [other for other in others if other != name], 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield f"{path}.members.{number}: found {member!r}; the project has no such repository{hint}"
        elif member in repository.members[:number]:
            yield f"{path}.members.{number}: found {member!r} a second time"
        elif others[member].format != repository.format:
            formats = f"of format {others[member].format}, and this one of {repository.format}"
            yield f"{path}.members.{number}: found {member!r}; it is {formats}"
    if repository.upload_to is not None and not _takes_uploads(repository, others):
        found = f"found {repository.upload_to!r}"
        yield f"{path}.upload_to: {found}; it must be a member that is local, or virtual with an upload_to"


def _takes_uploads(repository: RepositorySettings, others: Mapping[str, RepositorySettings]) -> bool:
    if repository.upload_to is None or repository.upload_to not in repository.members:
        return False
    target = others.get(repository.upload_to)
    return target is not None and (
        target.kind is Kind.LOCAL or (target.kind is Kind.VIRTUAL and target.upload_to is not None)
    )


def _circles(project: str, repositories: Mapping[str, RepositorySettings]) -> Iterator[str]:
    """Each circle of virtual repositories once, told at the first of them by name."""
    told: set[frozenset[str]] = set()
    for name in sorted(repositories):
        circle = _circle(name, repositories)
        if circle is not None and frozenset(circle) not in told:
            told.add(frozenset(circle))
            way = " -> ".join([*circle, circle[0]])
            yield f"{repository_path(Address(project, name))}.members: go round in a circle: {way}"


def _circle(start: str, repositories: Mapping[str, RepositorySettings]) -> list[str] | None:
    """A shortest way from `start` through members back to it."""
    ways, seen = [[start]], {start}
    for way in ways:
        for member in repositories[way[-1]].members:
            if member == start:
                return way
            if member in repositories and member not in seen:
                seen.add(member)
                ways.append([*way, member])
    return None
