"""All SQL of the project. `database` drives, `schema` defines, the others hold the queries of one noun each.

A function that takes `db` reads with whatever transaction it is in; one that changes something says so and must run
inside `Catalog.write()`.
"""

from orbitalreg.catalog.database import FILENAME, MARK_SECONDS, SQLITE_VERSION, Catalog

__all__ = ["FILENAME", "MARK_SECONDS", "SQLITE_VERSION", "Catalog"]
