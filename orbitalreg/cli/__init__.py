"""The command `orbitalreg`: one module a family of commands."""

import click

from orbitalreg import __version__
from orbitalreg.cli import (
    accounts,
    audit,
    dependencies,
    findings,
    grants,
    new_plugin,
    packages,
    policies,
    scan,
    serve,
    setup,
    sources,
    tokens,
    worker,
)
from orbitalreg.cli.extensions import ExtensibleGroup


@click.group(cls=ExtensibleGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="orbitalreg")
def main() -> None:
    """A self-hosted registry for teams that publish and install packages."""


for command in (
    serve.serve,
    setup.init,
    setup.check,
    setup.doctor,
    setup.plugins,
    new_plugin.new_plugin,
    tokens.token,
    accounts.user,
    accounts.service,
    grants.grant,
    packages.packages,
    packages.show,
    packages.yank,
    packages.unyank,
    packages.delete,
    packages.status,
    sources.explain,
    sources.allow,
    sources.release_name,
    sources.downloads,
    findings.findings,
    dependencies.graph,
    dependencies.dependents,
    dependencies.affected,
    audit.audit,
    scan.scan,
    policies.policy,
    worker.worker,
):
    main.add_command(command)
