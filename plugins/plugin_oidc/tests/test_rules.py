"""Which jobs a publisher speaks of. Each condition has a job that breaks it alone."""

from typing import Any

import pytest
from fake_gitlab import FORK_MERGE_REQUEST, FakeGitLab, Make

from orbitalreg.errors import ExchangeRefused


def refusal(exchanger: Any, token: str) -> str:
    with pytest.raises(ExchangeRefused) as caught:
        exchanger.exchange(token)
    assert caught.value.code == "invalid-publisher"
    return str(caught.value)


WHOLE = {
    "namespace_path": "acme",
    "namespace_id": "72",
    "ref": "v*",
    "ref_type": "tag",
    "environment": "release",
    "environment_protected": True,
    "pipeline_sources": ["push", "web"],
}
JOB = {"environment": "release", "environment_protected": "true"}

UNMET = [
    ({"project_id": "43"}, "project_id is '43'"),
    ({"project_path": "acme/my-lib2"}, "project_path is 'acme/my-lib2'"),
    ({"namespace_id": "73"}, "namespace_id is '73'"),
    ({"namespace_path": "acme/my"}, "namespace_path is 'acme/my'"),
    ({"ref_protected": "false"}, "ref_protected is 'false'"),
    ({"ref_protected": False}, "ref_protected is 'false'"),
    ({"ref_protected": "True"}, "ref_protected is 'True'"),
    ({"ref_protected": 1}, "ref_protected is '1'"),
    ({"ref_protected": None}, "ref_protected is missing"),
    ({"ref": "main"}, "ref is 'main'"),
    ({"ref": None}, "ref is missing"),
    ({"ref_type": "branch"}, "ref_type is 'branch'"),
    ({"environment": "staging"}, "environment is 'staging'"),
    ({"environment": None}, "environment is missing"),
    ({"environment_protected": "false"}, "environment_protected is 'false'"),
    ({"pipeline_source": "merge_request_event"}, "pipeline_source is 'merge_request_event'"),
    ({"pipeline_source": None}, "pipeline_source is missing"),
    ({"project_id": ["42"]}, "project_id is missing"),
    ({"project_id": {"42": 1}}, "project_id is missing"),
]


def test_a_job_for_which_every_condition_holds(make: Make, gitlab: FakeGitLab) -> None:
    assert make(**WHOLE).exchange(gitlab.token(**JOB)) is not None


@pytest.mark.parametrize(("claims", "says"), UNMET, ids=str)
def test_every_condition_that_is_written_must_hold(
    make: Make, gitlab: FakeGitLab, claims: dict[str, Any], says: str
) -> None:
    text = refusal(make(**WHOLE), gitlab.token(**JOB | claims))
    assert text.startswith("no publisher matches this job of ")
    assert f": {says}; " in text


@pytest.mark.parametrize("protected", ["false", False, "False", 0, None])
def test_an_unprotected_ref_is_refused_unless_the_publisher_says_otherwise(
    make: Make, gitlab: FakeGitLab, protected: Any
) -> None:
    token = gitlab.token(ref_protected=protected)
    assert "ref_protected is " in refusal(make(), token)
    assert make(ref_protected=False).exchange(token) is not None


@pytest.mark.parametrize("protected", ["true", True])
def test_a_protected_ref_may_be_said_in_two_ways(make: Make, gitlab: FakeGitLab, protected: Any) -> None:
    assert make().exchange(gitlab.token(ref_protected=protected)) is not None


@pytest.mark.parametrize("project_id", [42, "42"])
def test_ids_are_compared_as_strings(make: Make, gitlab: FakeGitLab, project_id: Any) -> None:
    assert make(project_id=project_id).exchange(gitlab.token(project_id="42")) is not None
    assert make(project_id=project_id).exchange(gitlab.token(project_id=42)) is not None
    for other in ("042", "42 ", "420", 42.0):
        refusal(make(project_id=project_id), gitlab.token(project_id=other))


def test_a_path_that_was_registered_again_has_another_id(make: Make, gitlab: FakeGitLab) -> None:
    token = gitlab.token(project_id="977")
    assert "project_id is '977'" in refusal(make(), token)
    assert make(project_id=None).exchange(token) is not None


def test_a_project_that_moved_keeps_its_id_and_not_its_path(make: Make, gitlab: FakeGitLab) -> None:
    token = gitlab.token(project_path="other/my-lib")
    assert "project_path is 'other/my-lib'" in refusal(make(), token)
    assert make(project_path=None).exchange(token) is not None


@pytest.mark.parametrize("source", ["merge_request_event", "external_pull_request_event"])
@pytest.mark.parametrize("protected", ["true", "false"])
def test_the_pipeline_of_a_forks_merge_request(make: Make, gitlab: FakeGitLab, source: str, protected: str) -> None:
    """Also where the ref says that it is protected, and where the publisher does not ask for that."""
    token = gitlab.token(**FORK_MERGE_REQUEST | {"pipeline_source": source, "ref_protected": protected})
    for exchanger in (make(), make(ref_protected=False)):
        assert f"pipeline_source is '{source}'" in refusal(exchanger, token)
    listed = make(ref_protected=False, pipeline_sources=["push", source])
    assert listed.exchange(token) is not None


def test_a_fork_of_its_own_is_another_project(make: Make, gitlab: FakeGitLab) -> None:
    token = gitlab.token(project_path="eve/my-lib", project_id="66", namespace_path="eve", namespace_id="99")
    assert "none speaks of this project" in refusal(make(), token)


def test_a_child_of_a_merge_requests_pipeline_cannot_be_told_but_by_its_ref(make: Make, gitlab: FakeGitLab) -> None:
    child = {"pipeline_source": "parent_pipeline"}
    assert make().exchange(gitlab.token(**child)) is not None
    assert "pipeline_source" in refusal(make(ref_protected=False), gitlab.token(**child, ref_protected="false"))


def test_several_publishers_may_match_and_the_union_counts(make: Make, options: Any, gitlab: FakeGitLab) -> None:
    options["publishers"] += [
        {"issuer": gitlab.url, "namespace_id": 72, "ref_protected": False, "grants": ["acme/internal:read"]},
        {"issuer": gitlab.url, "project_id": 43, "grants": ["acme:admin"]},
        {"issuer": gitlab.url, "project_id": 42, "grants": ["acme/internal:read", "acme/internal/my-lib:publish"]},
    ]
    exchange = make().exchange(gitlab.token())
    assert exchange is not None
    assert sorted(map(str, exchange.grants)) == ["acme/internal/my-lib:publish", "acme/internal:read"]


def test_a_publisher_of_another_issuer_does_not_match(make: Make, options: Any, gitlab: FakeGitLab) -> None:
    other = options["issuers"][0] | {"url": "https://gitlab.example.com"}
    more = {"issuers": [*options["issuers"], other]}
    assert "none speaks of this project" in refusal(make(more, issuer=other["url"]), gitlab.token())


def test_a_publisher_that_is_gone_is_gone_for_what_was_exchanged(make: Make, gitlab: FakeGitLab) -> None:
    exchange = make().exchange(gitlab.token())
    assert exchange is not None
    assert make().grants(exchange.origin) == exchange.grants
    assert make(project_id=43).grants(exchange.origin) == ()
    assert make(ref="main").grants(exchange.origin) == ()
    assert make({"publishers": []}).grants(exchange.origin) == ()
    assert make().grants({}) == ()
    narrowed = make(grants=["acme/internal/my-lib:read"]).grants(exchange.origin)
    assert list(map(str, narrowed)) == ["acme/internal/my-lib:read"]


@pytest.mark.parametrize(("claims", "says"), UNMET, ids=str)
def test_an_origin_keeps_every_claim_that_conditions_look_at(
    make: Make, gitlab: FakeGitLab, claims: dict[str, Any], says: str
) -> None:
    """A token exchanged where nothing was asked for gets nothing where the whole is."""
    lenient = make(project_path=None, project_id=None, namespace_path="acme", ref_protected=False)
    token = gitlab.token(**JOB | claims)
    try:
        exchange = lenient.exchange(token)
    except ExchangeRefused:
        return  # claims that nobody lets through
    assert exchange is not None
    assert make(**WHOLE).grants(exchange.origin) == ()


def test_a_refusal_says_nothing_of_publishers_for_other_projects(make: Make, gitlab: FakeGitLab) -> None:
    token = gitlab.token(project_path="eve/curious", project_id="66", namespace_path="eve", namespace_id="99")
    text = refusal(make(ref="release/*"), token)
    assert "my-lib" not in text and "release" not in text and "42" not in text
