"""An environment that is configured no more exposes nothing, and whoever kept something by it looks again."""

from pathlib import Path

from graphs import INTERNAL, World

from orbitalreg.exposures import KnownExposures


def test_what_was_exposed_has_a_new_revision_when_its_graph_is_gone(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.put("low==1.0")
    world.put("top==1.0", "low")
    world.report("low==1.0", "CVE-2020-1")
    world.update()
    known, repository_id = KnownExposures(world.catalog), world.repository_id("acme/internal")
    assert known.of(repository_id, "top")
    before = known.revision(repository_id, "top")
    world.again("[graph]\nenvironments = []\n" + INTERNAL)
    world.update()
    known = KnownExposures(world.catalog)
    assert not known.of(repository_id, "top")
    assert known.revision(repository_id, "top") != before
    world.close()
