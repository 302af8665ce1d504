"""The command `orbitalreg`: one module a family of commands, imported when a command of it is asked for."""

import click

from orbitalreg import __version__
from orbitalreg.cli.extensions import ExtensibleGroup, Own

# MODULE.FUNCTION each: a command's start takes no longer for what other commands need.
COMMANDS = (
    "serve.serve",
    "setup.init",
    "setup.check",
    "setup.doctor",
    "setup.plugins",
    "new_plugin.new_plugin",
    "tokens.token",
    "accounts.user",
    "accounts.service",
    "grants.grant",
    "packages.packages",
    "packages.show",
    "packages.yank",
    "packages.unyank",
    "packages.delete",
    "packages.status",
    "sources.explain",
    "sources.allow",
    "sources.release_name",
    "sources.downloads",
    "findings.findings",
    "dependencies.graph",
    "dependencies.dependents",
    "dependencies.affected",
    "audit_install.audit_install",
    "audit.audit",
    "scan.scan",
    "policies.policy",
    "worker.worker",
    "upkeep.gc",
    "upkeep.verify",
    "backups.backup",
    "backups.restore",
)


@click.group(
    cls=ExtensibleGroup,
    commands=Own(__name__, COMMANDS),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="orbitalreg")
def main() -> None:
    """A self-hosted registry for teams that publish and install packages."""
