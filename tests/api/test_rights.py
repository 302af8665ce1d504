"""Who may do what through the API: every caller against every route."""

from typing import Any

import pytest

from orbitalreg.model import Right, now
from orbitalreg.web.api import routes
from orbitalreg.web.auth import Access

from ..reported import CLEAN, put
from .conftest import BALL, ROOT, TOYS

CALLERS = (
    *("nobody", "nonsense", "expired", "revoked", "read", "publish", "maintain", "admin"),
    *("other repository", "other project", "ball", "b*", "kite", "ball keeper"),
)
GRANTS = {
    "read": "acme:read",
    "publish": "acme:publish",
    "maintain": "acme:maintain",
    "admin": "acme:admin",
    "other repository": "acme/again:maintain",
    "other project": "other:admin",
    "ball": "acme/toys/ball:publish",
    "b*": "acme/toys/b*:read",
    "kite": "acme/toys/kite:maintain",
    "ball keeper": "acme/toys/ball:maintain",
}

SEES = {"read", "publish", "maintain", "admin", "ball", "b*", "ball keeper"}
SEES_TOYS = SEES | {"kite"}
SEES_PROJECT = {*SEES_TOYS, "other repository", "nobody", "other project"}  # it has a repository open to anybody
KEEPS = {"maintain", "admin", "ball keeper"}
REFUSED = {"nonsense", "expired", "revoked"}


def tokens_of(site: Any) -> dict[str, str | None]:
    made: dict[str, str | None] = {
        who: site.token(grant, name=who.replace(" ", "-").replace("*", "x")) for who, grant in GRANTS.items()
    }
    made |= {"nobody": None, "nonsense": "orbsa_nonsense"}
    made["expired"] = site.token("acme:admin", name="expired", expires_at=now() - 1)
    made["revoked"] = site.token("acme:admin", name="revoked")
    site.registry.accounts.revoke("revoked", site.actor)
    return made


ALLOWED = {"version": "1", "expires_in": 60, "reason": "a test"}
KITE = "service:kite"
GIVEN = {"principal": KITE, "grants": ["acme/toys/kite:read"]}
REFUSED_TO_ALL = {"exceptions": 409, "reservation": 403}
"""What a local repository that holds the package answers to those who have the right."""

# method, address, body, whom it lets in; of the others, who knows that it is there
MATRIX: list[tuple[str, str, Any, set[str], set[str]]] = [
    ("GET", f"{ROOT}/projects", None, {*GRANTS, "nobody"}, set()),
    ("GET", f"{ROOT}/projects/acme", None, SEES_PROJECT, SEES_PROJECT),
    ("GET", f"{ROOT}/projects/acme/repositories", None, SEES_PROJECT, SEES_PROJECT),
    ("GET", f"{ROOT}/projects/acme/grants", None, {"admin"}, SEES_PROJECT),
    ("POST", f"{ROOT}/projects/acme/grants", GIVEN, {"admin"}, SEES_PROJECT),
    (
        "DELETE",
        f"{ROOT}/projects/acme/grants?principal={KITE}&grant=acme/toys/kite:maintain",
        None,
        {"admin"},
        SEES_PROJECT,
    ),
    ("GET", f"{ROOT}/projects/acme/audit", None, {"admin"}, SEES_PROJECT),
    ("GET", f"{ROOT}/projects/acme/tokens", None, {"admin"}, SEES_PROJECT),
    ("DELETE", f"{ROOT}/projects/acme/tokens/{{spare}}", None, {"admin"}, SEES_PROJECT),
    ("GET", TOYS, None, SEES_TOYS, SEES_TOYS),
    ("GET", f"{TOYS}/packages", None, SEES_TOYS, SEES_TOYS),
    ("GET", f"{TOYS}/affected?vulnerability=CVE-1", None, SEES_TOYS, SEES_TOYS),
    ("GET", f"{TOYS}/affected/downloads?vulnerability=CVE-1", None, KEEPS | {"kite"}, SEES_TOYS),
    ("GET", f"{TOYS}/findings", None, SEES_TOYS, SEES_TOYS),
    ("GET", BALL, None, SEES, SEES),
    ("GET", f"{BALL}/dependents", None, SEES, SEES),
    ("GET", f"{BALL}/downloads", None, SEES, SEES),
    ("GET", f"{BALL}/downloads/tokens", None, KEEPS, SEES),
    ("POST", f"{BALL}/exceptions", ALLOWED, KEEPS, SEES),
    ("GET", f"{BALL}/explanation", None, SEES, SEES),
    ("GET", f"{BALL}/files", None, SEES, SEES),
    ("GET", f"{BALL}/findings", None, SEES, SEES),
    ("DELETE", f"{BALL}/reservation", None, KEEPS, SEES),
    ("GET", f"{BALL}/versions", None, SEES, SEES),
    ("GET", f"{BALL}/versions/1", None, SEES, SEES),
    ("GET", f"{BALL}/versions/1/downloads", None, SEES, SEES),
    ("GET", f"{BALL}/versions/1/files", None, SEES, SEES),
    ("GET", f"{BALL}/versions/1/files/ball@1.toy", None, SEES, SEES),
    ("GET", f"{BALL}/versions/1/files/ball@1.toy/downloads", None, SEES, SEES),
    ("GET", f"{BALL}/versions/1/files/ball@1.toy/reports", None, SEES, SEES),
    ("GET", f"{BALL}/versions/1/files/ball@1.toy/reports/grype/raw", None, SEES, SEES),
    ("GET", f"{BALL}/versions/1/files/ball@1.toy/sbom", None, SEES, SEES),
    ("GET", f"{BALL}/versions/1/graph", None, SEES, SEES),
    ("GET", f"{BALL}/versions/1/findings", None, SEES, SEES),
    ("PUT", f"{BALL}/status", {"status": "deprecated"}, KEEPS, SEES),
    ("POST", f"{BALL}/versions/1/yank", {}, KEEPS, SEES),
    ("DELETE", f"{BALL}/versions/1/yank", None, KEEPS, SEES),
    ("DELETE", f"{BALL}/versions/2/files/ball@2.toy", None, KEEPS, SEES),
    ("DELETE", f"{BALL}/versions/1", None, KEEPS, SEES),
    ("GET", f"{ROOT}/me", None, set(GRANTS), set()),
    ("GET", f"{ROOT}/tokens", None, set(GRANTS), set()),
    ("POST", f"{ROOT}/tokens", {"name": "x", "grants": ["nowhere:read"]}, set(), set(GRANTS)),
    ("GET", f"{ROOT}/tokens/{{spare}}", None, set(), set()),
    ("DELETE", f"{ROOT}/tokens/{{spare}}", None, set(), set()),
    ("POST", f"{ROOT}/tokens/{{spare}}/rotate", {}, set(), set()),
    ("GET", f"{ROOT}/openapi.json", None, {*GRANTS, "nobody"}, set()),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "let_in", "knowing"),
    MATRIX,
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value)[-40:],
)
def test_everybody_may_do_what_their_grants_say(
    method: str, path: str, body: Any, let_in: set[str], knowing: set[str], make_site: Any, tmp_path: Any, api: Any
) -> None:
    seen, expected = {}, {}
    for who in CALLERS:
        site = api.site
        for filename in ("ball@1.toy", "ball@2.toy", "kite@1.toy"):
            site.registry.catalog.read().execute("DELETE FROM deleted_file")
            assert site.put(filename).status_code == 200
        put(site.registry, "acme/toys", "ball@1.toy", CLEAN, raw=b"{}", documents={"cyclonedx": b"{}"})
        site.registry.graph.updater.reconcile()
        assert site.registry.graph.updater.update()
        spare = site.token("acme/toys:read", name="spare")[6:14]
        answer = api(method, path.format(spare=spare), body, tokens_of(site)[who])
        seen[who] = answer.status_code // 100 * 100 if answer.status_code < 300 else answer.status_code
        done = REFUSED_TO_ALL.get(path.rpartition("/")[2], 200)
        expected[who] = done if who in let_in else 401 if who in REFUSED or who == "nobody" else 404
        if who not in let_in and who in knowing and expected[who] == 404:
            expected[who] = 403
        if answer.status_code >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json"
    assert seen == expected


def test_the_matrix_has_every_route(registry: Any) -> None:
    def pattern(path: str) -> str:
        known = {"acme": "{project}", "toys": "{repository}", "ball": "{package}", "1": "{version}", "2": "{version}"}
        known |= {"ball@1.toy": "{filename}", "ball@2.toy": "{filename}", "{spare}": "{token}", "grype": "{scanner}"}
        return "/".join(known.get(part, part) for part in path.partition("?")[0].split("/"))

    stated = {(method, template) for template, resource in routes(registry) for method in resource.rights}
    assert {(method, pattern(path)) for method, path, *_ in MATRIX} == stated


def test_every_method_of_every_route_states_its_right(registry: Any) -> None:
    for template, resource in routes(registry):
        methods = {name.removeprefix("on_").upper() for name in dir(resource) if name.startswith("on_")} - {"HEAD"}
        assert methods == set(resource.rights) == set(resource.operations), template
        assert all(isinstance(right, Right | Access) for right in resource.rights.values()), template


def test_no_change_is_for_everybody(registry: Any) -> None:
    for _, resource in routes(registry):
        for method, right in resource.rights.items():
            assert method == "GET" or right in (Access.SIGNED_IN, Right.MAINTAIN, Right.ADMIN)


@pytest.mark.parametrize(
    ("grant", "projects", "repositories", "packages"),
    [
        ("acme:read", ["acme"], ["again", "open", "toys"], ["ball", "kite"]),
        ("acme/toys/b*:read", ["acme"], ["open", "toys"], ["ball"]),
        ("acme/toys/kite:publish", ["acme"], ["open", "toys"], ["kite"]),
        ("acme/toys/other:read", ["acme"], ["open", "toys"], []),
    ],
)
def test_lists_hold_what_the_caller_may_read(
    grant: str, projects: list[str], repositories: list[str], packages: list[str], stocked: Any, api: Any
) -> None:
    token = stocked.token(grant, name="reader")
    for limit in (1, 2, 100):
        assert api.names(f"{ROOT}/projects", token=token, limit=limit) == projects
        assert api.names(f"{ROOT}/projects/acme/repositories", token=token, limit=limit) == repositories
        assert api.names(f"{TOYS}/packages", token=token, limit=limit) == packages


def test_nobody_sees_open_repositories_alone(stocked: Any, api: Any) -> None:
    stocked.put("ball@1.toy", to="/toy/acme/open")
    assert api.names(f"{ROOT}/projects", token=None) == ["acme"]
    assert api.names(f"{ROOT}/projects/acme/repositories", token=None) == ["open"]
    assert api.names(f"{ROOT}/projects/acme/repositories/open/packages", token=None) == ["ball"]


def test_accounts_are_not_named_to_everybody(stocked: Any, api: Any) -> None:
    stocked.put("ball@1.toy", to="/toy/acme/open")
    files = f"{ROOT}/projects/acme/repositories/open/packages/ball/files"
    assert api.names(files, "published_by", token=None) == [None]
    assert api.names(files, "published_by") == ["service:publisher"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("package", ["ball", "absent", "no!name", "%20"])
@pytest.mark.parametrize("repository", ["toys", "nowhere", "No Name"])
def test_a_stranger_cannot_tell_what_is_there(
    method: str, package: str, repository: str, stocked: Any, api: Any
) -> None:
    """Nor can one who knows another repository of the project, nor nobody."""
    path = f"{ROOT}/projects/acme/repositories/{repository}/packages/{package}/versions/1"
    for grant in ("other:admin", "acme/again:maintain"):
        assert api(method, path, token=stocked.token(grant, name="stranger")).status_code == 404
    assert api(method, path, token=None).status_code == 401


def test_what_needs_a_right_says_which(stocked: Any, api: Any) -> None:
    answer = api("DELETE", f"{BALL}/versions/1", token=stocked.token("acme:publish"))
    assert answer.json["detail"] == "this token has no right to maintain in acme/toys"
