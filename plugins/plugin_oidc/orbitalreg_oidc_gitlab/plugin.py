"""The hooks."""

from collections.abc import Sequence

try:
    from orbitalreg_oidc_gitlab.exchanger import GitLabExchanger
    from orbitalreg_oidc_gitlab.explain import OidcCommands
except ModuleNotFoundError as error:
    raise ImportError(
        f"{error.name} is missing; install what a registry needs: pip install 'orbitalreg-oidc-gitlab[registry]'"
    ) from error
from orbitalreg.hookspecs import hookimpl
from orbitalreg.interfaces import Commands, TokenExchanger


@hookimpl
def token_exchangers() -> Sequence[type[TokenExchanger]]:
    return [GitLabExchanger]


@hookimpl
def commands() -> Sequence[type[Commands]]:
    return [OidcCommands]
