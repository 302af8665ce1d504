"""`orbitalreg policy`: what policies would do."""

from dataclasses import asdict
from pathlib import Path

import click

from orbitalreg import config
from orbitalreg.cli.common import config_option, json_option, opened, print_json, print_rows, usage
from orbitalreg.errors import Malformed
from orbitalreg.model import Address
from orbitalreg.policy import Action
from orbitalreg.sources.trial import tried
from orbitalreg.summaries import TriedFile


@click.group()
def policy() -> None:
    """Policies before they are switched on."""


@policy.command()
@click.argument("rules", metavar="RULES.toml", type=click.Path(path_type=Path))
@click.option("--repo", "repository", required=True, metavar="PROJECT/REPO", help="Where the build takes files from.")
@click.option(
    "--lock",
    "locks",
    required=True,
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="What the build takes: a lock file; may be given several times.",
)
@config_option
@json_option
def test(rules: Path, repository: str, locks: tuple[Path, ...], config_file: str | None, as_json: bool) -> None:
    """Say of each file of a build whether the policies in RULES.toml let it through; exit 1 if one is blocked.

    All policies of the file count, whatever they are for, and none that is configured already.
    """
    address = usage(Address.parse, repository, "--repo")
    chosen = config.load_policies(rules)
    with opened(config_file) as registry:
        adapter = registry.formats[registry.repository(address).format]
        locked = [pin for lock in locks for pin in adapter.read_lock(lock.name, _body(lock))]
        policies = [one.policy(adapter.normalize) for one in chosen]
        found = list(tried(registry.sources.governed[address], policies, locked))
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        _tell(found)
    if any(one.verdict == Action.BLOCK for one in found):
        click.get_current_context().exit(1)


def _body(lock: Path) -> bytes:
    try:
        return lock.read_bytes()
    except OSError as error:
        raise Malformed(f"{lock}: cannot be read: {error.strerror}") from error


def _tell(found: list[TriedFile]) -> None:
    rows = [
        {
            "file": one.filename or f"{one.package}=={one.version}",
            "verdict": one.verdict,
            "policy": one.policy,
            "rule": one.rule,
            "reason": one.reason,
        }
        for one in found
    ]
    print_rows(rows, False, "the lock pins nothing")
    if found:
        counts = {verdict: sum(one.verdict == verdict for one in found) for verdict in ("block", "warn", "missing")}
        said = f"{counts['block']} of {len(found)} blocked"
        said += f", {counts['warn']} warned of" if counts["warn"] else ""
        said += f", {counts['missing']} missing" if counts["missing"] else ""
        click.echo(f"\n{said}")
