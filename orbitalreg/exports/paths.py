"""How something comes along with dependencies, and how to be rid of it, in words."""

from collections.abc import Sequence

from orbitalreg.summaries import HopSummary, UpgradeSummary


def path_words(path: Sequence[HopSummary]) -> str:
    """The versions on the way, with the extras that are asked for."""
    return " -> ".join(f"{hop.package}{_extras(hop)} {hop.version}" for hop in path)


def instead(is_unavoidable: bool, upgrade: UpgradeSummary | None) -> str:
    """What to take; `unavoidable` where nothing that is allowed now is better."""
    told = ["unavoidable"] if is_unavoidable else []
    if upgrade is not None:
        told.append(upgrade.text + ("" if upgrade.is_proved else " (what it brings along is not known)"))
    return ": ".join(told)


def _extras(hop: HopSummary) -> str:
    return f"[{','.join(hop.extras)}]" if hop.extras else ""
