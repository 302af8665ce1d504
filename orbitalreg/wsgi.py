"""`orbitalreg.wsgi:application`, for any WSGI server. The configuration is found as `orbitalreg serve` finds it."""

from orbitalreg.assembly import assemble, read_settings
from orbitalreg.web.app import create_app
from orbitalreg.web.context import configure_logging

configure_logging()
_registry = assemble(read_settings(None))
application = create_app(_registry)
_registry.catalog.close()  # a server that forks now hands no connection on
