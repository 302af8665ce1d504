"""The page that tells people what their client does, held against this run, or written by it."""

import os

import pytest
from ledger import PAGE, Ledger, rewritten


def test_the_page_says_what_this_run_found(ledger: Ledger, request: pytest.FixtureRequest) -> None:
    if ledger.missing:
        failed = request.session.testsfailed
        chosen = request.config.option.keyword or any(".py" in argument for argument in request.config.args)
        if ledger.absent or failed or chosen:
            pytest.skip("not every client has spoken")
    assert ledger.missing == [], "offered, and no test enters it"
    page = PAGE.read_text("utf-8")
    found = rewritten(page, ledger)
    if os.environ.get("ORBITALREG_WRITE_DOCS") == "1":
        PAGE.write_text(found, "utf-8")
        return
    assert page == found, "run: ORBITALREG_WRITE_DOCS=1 make test-clients"
