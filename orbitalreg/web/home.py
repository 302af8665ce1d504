"""The plain page for a person with a browser: what this is, what they may see here, and the lines to paste."""

from collections.abc import Mapping
from typing import Any

import falcon
from markupsafe import Markup

from orbitalreg import __version__
from orbitalreg.assembly import Registry
from orbitalreg.errors import Unauthenticated
from orbitalreg.model import Identity, Repository, Right
from orbitalreg.web.auth import Access, Target

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_PAGE = Markup("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>OrbitalReg</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 52rem; margin: 3rem auto; padding: 0 1rem; color: #1b2733; }}
h1 {{ margin-bottom: 0; }} h2 {{ margin: 2.5rem 0 .3rem; }} h3 {{ margin: 1rem 0 .2rem; font-size: 1rem; }}
pre {{ background: #f1f4f7; padding: .8rem 1rem; overflow-x: auto; border-radius: .4rem; }}
small, .note {{ color: #5b6b7b; }}
@media (prefers-color-scheme: dark) {{
body {{ background: #12181f; color: #dfe7ee; }} pre {{ background: #1d2630; }} a {{ color: #8cc4ff; }}
small, .note {{ color: #93a3b3; }} }}
</style>
</head>
<body>
<h1>OrbitalReg</h1>
<p class="note">A registry of this team's packages. Version {version}. You are {who}.</p>
{sections}
<p class="note">{more}</p>
</body>
</html>
""")
_SECTION = Markup("<h2>{address}</h2>\n<p class=note>{kind} repository, format {format}</p>\n{usage}\n")
_USAGE = Markup("<h3>{heading}</h3>\n<pre>{lines}</pre>\n")
_SIGN_IN = Markup(
    'Repositories that need a token are not shown. <a href="?sign-in=1">Sign in</a> with one to see them.'
)
_NONE = Markup("<p>There is no repository here that you may see.</p>")


class Home:
    """`/`. With `?sign-in=1` an anonymous caller is asked for credentials."""

    rights: Mapping[str, Right | Access] = {"GET": Access.PUBLIC}
    body_limit = 0

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def target(self, params: dict[str, Any]) -> Target:
        return Target(None, None)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        identity: Identity = req.context.identity
        if identity.is_anonymous and req.get_param("sign-in"):
            raise Unauthenticated("sign in with user name __token__ and a token as password")
        base = public_base(self._registry, req)
        sections = [
            self._section(repository, base)
            for repository in self._registry.repositories.values()
            if repository.anonymous_read or identity.may_somewhere(Right.READ, repository.address)
        ]
        resp.content_type = "text/html; charset=utf-8"
        resp.set_header("Content-Security-Policy", POLICY)
        resp.set_header("X-Content-Type-Options", "nosniff")
        resp.set_header("Cache-Control", "private, no-store")
        page = _PAGE.format(
            version=__version__,
            who=identity.name,
            sections=Markup("").join(sections) or _NONE,
            more=_SIGN_IN if identity.is_anonymous else "",
        )
        resp.data = page.encode()

    on_head = on_get

    def _section(self, repository: Repository, base: str) -> Markup:
        adapter = self._registry.formats[repository.format]
        takes_uploads = self._registry.receiver(repository) is not None
        usage = Markup("").join(
            _USAGE.format(heading=heading, lines=lines)
            for heading, lines in adapter.usage(f"{base}/{repository.format}/{repository.address}", takes_uploads)
        )
        return _SECTION.format(address=repository.address, kind=repository.kind, format=repository.format, usage=usage)


def public_base(registry: Registry, req: falcon.Request) -> str:
    """The server's own address: as configured, else as the request saw it."""
    return registry.settings.server.url or f"{req.scheme}://{req.netloc}"
