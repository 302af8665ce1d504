"""The page that tells people what their client does, held against the run before this one, or written from it."""

import os
from pathlib import Path

import pytest
from ledger import PAGE, Ledger, rewritten


def test_the_page_says_what_the_run_found() -> None:
    file = os.environ.get("ORBITALREG_LEDGER")
    if file is None:
        pytest.skip("only `make test-clients` keeps what it finds")
    book = Ledger.of(Path(file))
    if book.absent:
        pytest.skip("not every client has spoken")
    assert book.missing == [], "offered, and no test enters it"
    page = PAGE.read_text("utf-8")
    found = rewritten(page, book)
    if os.environ.get("ORBITALREG_WRITE_DOCS") == "1":
        PAGE.write_text(found, "utf-8")
        return
    assert page == found, "run: ORBITALREG_WRITE_DOCS=1 make test-clients"
