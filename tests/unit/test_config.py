"""Configuration: defaults, faults, variables, paths, and where the file is looked for."""

import re
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitalreg import config
from orbitalreg.config import Settings
from orbitalreg.errors import ConfigError, InvalidName
from orbitalreg.model import Address, Kind

REPOSITORY = "[projects.acme.repositories.toys]\nformat = 'toy'\nkind = 'local'\n"


def read(text: str, base: Path = Path()) -> Settings:
    return config.from_dict(tomllib.loads(text), base)


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return caught.value.problems


def test_an_empty_configuration_has_the_documented_defaults() -> None:
    settings = read("")
    assert settings.server.listen == ("127.0.0.1", 8080)
    assert settings.server.url is None
    assert settings.server.max_upload == 1 << 30
    assert settings.server.trusted_proxies == ()
    assert settings.data.path == Path("orbitalreg-data")
    assert settings.storage.backend == "filesystem"
    assert list(settings.repositories()) == []


def test_a_repository_is_closed_to_the_anonymous_unless_it_says_otherwise() -> None:
    [(address, repository)] = read(REPOSITORY).repositories()
    assert address == Address("acme", "toys")
    assert (repository.format, repository.kind) == ("toy", Kind.LOCAL)
    assert repository.anonymous_read is False
    assert repository.reuse_deleted_filenames is False


def test_every_key_is_read() -> None:
    settings = read("""
        [server]
        listen = "[::1]:9000"
        url = "https://registry.example.com/here/"
        max_upload = "2MiB"
        trusted_proxies = ["127.0.0.1", "10.0.0.0/8", "::1"]
        threads = 4
        [storage]
        backend = "cupboard"
        drawer = 3
        [plugins.extra]
        any = "thing"
    """)
    assert settings.server.listen == ("::1", 9000)
    assert settings.server.url == "https://registry.example.com/here"
    assert settings.server.max_upload == 2 << 20
    assert [str(network) for network in settings.server.trusted_proxies] == ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]
    assert settings.server.threads == 4
    assert settings.storage.options == {"drawer": 3}
    assert settings.plugins == {"extra": {"any": "thing"}}


def test_formats_backend_and_plugin_tables_enable_plugins() -> None:
    settings = read(REPOSITORY + "[storage]\nbackend = 'cupboard'\n[plugins.extra]\n")
    assert settings.enabled_plugins == {"toy", "cupboard", "extra"}


LISTEN = '"HOST:PORT", for example "127.0.0.1:8080"'
SIZE = 'a size such as "512KiB", "100MiB" or "1GiB"'
URL = 'an address such as "https://orbitalreg.example.com"'
NETWORK = 'an address or network such as "127.0.0.1" or "10.0.0.0/8"'
NAME = "a name of a-z, 0-9, '.', '_' and '-', at most 64 long"
TOYS = "projects.acme.repositories.toys"


@pytest.mark.parametrize(
    ("text", "path", "found", "right"),
    [
        ("[server]\nlisten = 'nowhere'", "server.listen", "'nowhere'", LISTEN),
        ("[server]\nlisten = 8080", "server.listen", "8080", LISTEN),
        ("[server]\nlisten = 'host:70000'", "server.listen", "'host:70000'", LISTEN),
        ("[server]\nlisten = ':80'", "server.listen", "':80'", LISTEN),
        ("[server]\nurl = 'ftp://there'", "server.url", "'ftp://there'", URL),
        ("[server]\nurl = 'https://me@there'", "server.url", "'https://me@there'", URL),
        ("[server]\nurl = 1", "server.url", "1", URL),
        ("[server]\nmax_upload = '1GB'", "server.max_upload", "'1GB'", SIZE),
        ("[server]\nmax_upload = 5", "server.max_upload", "5", SIZE),
        ("[server]\ntrusted_proxies = '127.0.0.1'", "server.trusted_proxies", "'127.0.0.1'", "a list"),
        ("[server]\ntrusted_proxies = ['::1', 'me']", "server.trusted_proxies.1", "'me'", NETWORK),
        ("[server]\ntrusted_proxies = [5]", "server.trusted_proxies.0", "5", NETWORK),
        ("[server]\nthreads = 'many'", "server.threads", "'many'", "a whole number"),
        ("[server]\nthreads = true", "server.threads", "True", "a whole number"),
        ("[server]\nthreads = 0", "server.threads", "0", "at least 1"),
        ("[server]\nthreads = 257", "server.threads", "257", "at most 256"),
        ("server = 5", "server", "5", "a table"),
        ("[data]\npath = 5", "data.path", "5", "a path"),
        ("[storage]\nbackend = 1", "storage.backend", "1", "a string"),
        ("projects = 'acme'", "projects", "'acme'", "a table"),
        ("[projects]\nacme = 1", "projects.acme", "1", "a table"),
        ("[plugins]\ntoy = true", "plugins.toy", "True", "a table"),
        ("[projects.Acme]", "projects.Acme", "'Acme'", NAME),
        (
            "[projects.acme.repositories.'a b']\nformat='toy'\nkind='local'",
            "projects.acme.repositories.'a b'",
            "'a b'",
            NAME,
        ),
        (REPOSITORY + "anonymous_read = 'yes'", f"{TOYS}.anonymous_read", "'yes'", "true or false"),
        (REPOSITORY + "reuse_deleted_filenames = 1", f"{TOYS}.reuse_deleted_filenames", "1", "true or false"),
        (REPOSITORY.replace("'local'", "'lokal'"), f"{TOYS}.kind", "'lokal'", "one of: 'local', 'remote' or 'virtual'"),
        (REPOSITORY.replace("'toy'", "7"), f"{TOYS}.format", "7", "a string"),
    ],
)
def test_a_fault_names_its_key_what_was_found_and_what_is_right(text: str, path: str, found: str, right: str) -> None:
    assert problems(text) == (f"{path}: found {found}; it must be {right}",)


@pytest.mark.parametrize("key", ["format", "kind"])
def test_a_missing_key_is_named(key: str) -> None:
    text = "\n".join(line for line in REPOSITORY.splitlines() if not line.startswith(key))
    assert problems(text) == (f"{TOYS}.{key}: is missing; it must be given",)


@pytest.mark.parametrize(
    ("text", "path", "nearest"),
    [
        ("[servr]", "servr", "server"),
        ("[server]\nlisen = '127.0.0.1:1'", "server.lisen", "listen"),
        ("[data]\npth = 'x'", "data.pth", "path"),
        ("[projects.acme.repository.toys]", "projects.acme.repository", "repositories"),
        (REPOSITORY + "anonymous = true", f"{TOYS}.anonymous", "anonymous_read"),
    ],
)
def test_the_nearest_key_is_suggested_for_a_misspelt_one(text: str, path: str, nearest: str) -> None:
    assert problems(text) == (f"{path}: there is no such key; did you mean {nearest!r}?",)


def test_the_known_keys_are_listed_where_none_is_near() -> None:
    [problem] = problems("[data]\nxyzzy = 1")
    assert problem == "data.xyzzy: there is no such key; known here: path"


def test_all_faults_are_told_at_once() -> None:
    found = problems("[server]\nlisten = 'x'\nmax_uplod = '1GiB'\n[data]\npath = 1\n")
    assert [problem.partition(":")[0] for problem in found] == ["server.listen", "server.max_uplod", "data.path"]


def test_a_variable_is_expanded_anywhere_in_a_string(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", "somewhere")
    settings = read("[data]\npath = 'in/${PLACE}/else'\n[plugins.extra]\nlist = [{deep = '${PLACE}${PLACE}'}]")
    assert settings.data.path == Path("in/somewhere/else")
    assert settings.plugins["extra"] == {"list": [{"deep": "somewheresomewhere"}]}


def test_what_a_variable_stands_for_is_not_expanded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTER", "${INNER}")
    monkeypatch.setenv("INNER", "no")
    assert read("[plugins.extra]\nkey = '${OUTER}'").plugins["extra"] == {"key": "${INNER}"}


def test_a_dollar_without_braces_is_only_a_dollar() -> None:
    assert read("[plugins.extra]\nkey = '$HOME ${} ${1}'").plugins["extra"] == {"key": "$HOME ${} ${1}"}


def test_a_missing_variable_is_named_with_the_key_that_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ABSENT", raising=False)
    assert problems("[plugins.extra]\nkeys = ['a', '${ABSENT}']") == (
        "plugins.extra.keys.1: the environment has no variable ABSENT; set it or write the value",
    )


def test_a_missing_variable_is_the_only_fault_of_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ABSENT", raising=False)
    [problem] = problems("[server]\nlisten = '${ABSENT}'")
    assert "no variable ABSENT" in problem


@pytest.mark.parametrize(
    "text",
    [
        "[server]\nlisten = '${SECRET}'",
        "[server]\nurl = 'x${SECRET}'",
        "[server]\nmax_upload = '${SECRET}'",
        "[server]\ntrusted_proxies = ['${SECRET}']",
        "[projects.acme.repositories.toys]\nformat = 'toy'\nkind = '${SECRET}'",
    ],
)
def test_what_a_variable_stands_for_is_never_shown(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2 is secret")
    [problem] = problems(text)
    assert "hunter2" not in problem
    assert "${SECRET}" in problem


@pytest.mark.parametrize(
    "text",
    [
        "[[projects.acme.repositories.toys]]\nformat = 'toy'\nkind = 'remote'\npassword = 'hunter2'",
        "[projects.acme.repositories]\ntoys = [[{password = 'hunter2'}]]",
        "[projects.acme.repositories.toys]\nformat = 'toy'\nkind = 'remote'\npassword = ['hunter2']",
        "[projects.acme.repositories.toys]\nformat = 'toy'\nkind = 'remote'\npassword = {x = 'hunter2'}",
    ],
)
def test_a_secret_in_the_wrong_place_is_not_shown(text: str) -> None:
    assert "hunter2" not in " ".join(problems(text))


def repositories(**tables: str) -> str:
    return "\n".join(f"[projects.acme.repositories.{name}]\nformat = 'toy'\n{keys}\n" for name, keys in tables.items())


REMOTE = "kind = 'remote'\nupstream = 'https://toys.example.com'\n"
LOCAL = "kind = 'local'\n"
ALL = "projects.acme.repositories.all"


def virtual(*members: str, more: str = "") -> str:
    return f"kind = 'virtual'\nmembers = {list(members)}\n{more}\n"


def test_every_key_of_a_remote_repository_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\nnot this\n")
    settings = read(
        repositories(
            mirror=REMOTE
            + """
            username = "me"
            password_file = "secret"
            ca_bundle = "certificates.pem"
            proxy = "http://proxy.example.com:3128"
            listing_ttl = "1m"
            negative_ttl = "0s"
            stale_for = "2d"
            preserve = true
            offline = true
            connect_timeout = "1s"
            page_timeout = "1m"
            max_page = "1MiB"
            max_name_list = "2MiB"
            file_hosts = ["https://files.example.com/", "http://10.0.0.7:8080"]
            min_age = "7d"
            min_age_except = ["acme-*"]
            freeze = 2026-10-01
            allow = ["a*"]
            deny = ["ab"]
            """
        ),
        tmp_path,
    )
    [(_, found)] = settings.repositories()
    assert (found.upstream, found.username, found.upstream_password()) == ("https://toys.example.com", "me", "hunter2")
    assert (found.ca_bundle, found.proxy) == (tmp_path / "certificates.pem", "http://proxy.example.com:3128")
    assert (found.listing_ttl, found.negative_ttl, found.stale_for) == (60, 0, 2 * 86400)
    assert (found.preserve, found.offline) == (True, True)
    assert (found.connect_timeout, found.page_timeout) == (1, 60)
    assert (found.max_page, found.max_name_list) == (1 << 20, 2 << 20)
    assert found.file_hosts == ("https://files.example.com", "http://10.0.0.7:8080")
    assert (found.min_age, found.min_age_except, found.freeze) == (7 * 86400, ("acme-*",), date(2026, 10, 1))
    assert (found.allow, found.deny) == (("a*",), ("ab",))


def test_a_remote_repository_has_the_documented_defaults() -> None:
    [(_, found)] = read(repositories(mirror=REMOTE)).repositories()
    assert (found.listing_ttl, found.stale_for, found.offline, found.preserve) == (600, None, False, False)
    assert (found.username, found.upstream_password(), found.min_age, found.freeze) == (None, None, 0, None)


def test_every_key_of_a_virtual_repository_is_read() -> None:
    more = "guard = false\nmerge_upstream = ['requests']\ntolerate_failures = true\nupload_to = 'toys'\n"
    found = dict(read(repositories(toys=LOCAL, mirror=REMOTE, all=virtual("toys", "mirror", more=more))).repositories())
    everything = found[Address("acme", "all")]
    assert (everything.members, everything.guard, everything.merge_upstream) == (
        ("toys", "mirror"),
        False,
        ("requests",),
    )
    assert (everything.tolerate_failures, everything.upload_to) == (True, "toys")


OWN = {
    Kind.LOCAL: LOCAL,
    Kind.REMOTE: REMOTE,
    Kind.VIRTUAL: virtual("toys"),
}
WORDS = {"upstream", "username", "password", "password_file", "ca_bundle", "upload_to"}
DURATIONS = {"listing_ttl", "negative_ttl", "stale_for", "connect_timeout", "page_timeout", "min_age"}
LISTS = {"members", "merge_upstream", "min_age_except", "allow", "deny"}
FLAGS = {"reuse_deleted_filenames", "preserve", "offline", "guard", "tolerate_failures"}
VALUES = {
    **dict.fromkeys(WORDS, "'toys'"),
    **dict.fromkeys(DURATIONS, "'1d'"),
    **dict.fromkeys(LISTS, "['toys']"),
    **dict.fromkeys(FLAGS, "true"),
    "proxy": "'http://proxy.example.com'",
    "max_page": "'1MiB'",
    "max_name_list": "'1MiB'",
    "file_hosts": "['https://files.example.com']",
    "freeze": "2026-10-01",
}


def test_every_key_that_not_all_kinds_have_is_tried_below() -> None:
    assert set(config.keys_by_kind()) == set(VALUES)


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("key", sorted(VALUES))
def test_a_key_of_another_kind_is_refused_and_named(key: str, kind: Kind) -> None:
    kinds = config.keys_by_kind()[key]
    text = repositories(toys=LOCAL, here=f"{OWN[kind]}{key} = {VALUES[key]}")
    if kind not in kinds:
        told = " and ".join(kinds)
        assert problems(text) == (
            f"projects.acme.repositories.here.{key}: is a key of {told} repositories; this one is {kind}",
        )


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ({"m": "kind = 'remote'"}, "m.upstream: is missing; a remote repository has one"),
        ({"m": REMOTE + "password = 'x'"}, "m.username: is missing; it goes with the password"),
        (
            {"m": REMOTE + "username = 'me'\npassword = 'x'\npassword_file = 'pyproject.toml'"},
            "m.password_file: is given together with password; give one of them",
        ),
        (
            {"m": REMOTE + "username = 'me'\npassword_file = 'nowhere'"},
            "m.password_file: nowhere: cannot be read: No such file or directory",
        ),
        (
            {"m": REMOTE + "username = 'me'\npassword_file = '/dev/null'"},
            "m.password_file: /dev/null: its first line is empty",
        ),
        ({"m": REMOTE + "connect_timeout = '0s'"}, "m.connect_timeout: found '0s'; it must be at least 1"),
        ({"m": REMOTE + "freeze = 'soon'"}, "m.freeze: found 'soon'; it must be a day such as 2026-10-01"),
        ({"all": "kind = 'virtual'"}, "all.members: is missing; a virtual repository has at least one"),
        ({"all": virtual()}, "all.members: is missing; a virtual repository has at least one"),
        (
            {"toys": LOCAL, "all": virtual("toy")},
            "all.members.0: found 'toy'; the project has no such repository; did you mean 'toys'?",
        ),
        ({"toys": LOCAL, "all": virtual("toys", "toys")}, "all.members.1: found 'toys' a second time"),
        (
            {"toys": LOCAL, "all": virtual("toys") + "format = 'else'"},
            "all.members.0: found 'toys'; it is of format toy, and this one of else",
        ),
        ({"all": virtual("all")}, "all.members: go round in a circle: all -> all"),
        (
            {"toys": LOCAL, "a": virtual("toys", "c"), "b": virtual("a"), "c": virtual("b")},
            "a.members: go round in a circle: a -> c -> b -> a",
        ),
        *(
            (
                {"toys": LOCAL, "m": REMOTE, "v": virtual("m"), "all": virtual("m", "v", more=f"upload_to = '{to}'")},
                f"all.upload_to: found '{to}'; it must be a member that is local, or virtual with an upload_to",
            )
            for to in ("toys", "m", "v", "nowhere", "all")
        ),
    ],
)
def test_what_is_wrong_with_a_repository_is_named(tables: dict[str, str], problem: str) -> None:
    text = repositories(**tables)
    text = text.replace("format = 'toy'\n" + virtual("toys") + "format = 'else'", virtual("toys") + "format = 'else'")
    assert problems(text) == (f"projects.acme.repositories.{problem}",)


def test_each_circle_is_told_once() -> None:
    tables = {"a": virtual("b"), "b": virtual("a"), "c": virtual("d"), "d": virtual("c"), "e": virtual("a")}
    assert [problem.partition(".members")[0] for problem in problems(repositories(**tables))] == [
        "projects.acme.repositories.a",
        "projects.acme.repositories.c",
    ]


def test_a_member_of_another_project_is_none() -> None:
    text = repositories(all=virtual("toys")) + "[projects.other.repositories.toys]\nformat='toy'\nkind='local'"
    assert problems(text) == (f"{ALL}.members.0: found 'toys'; the project has no such repository",)


def test_uploads_may_go_through_a_virtual_member() -> None:
    inner = virtual("toys", more="upload_to = 'toys'")
    read(repositories(toys=LOCAL, inner=inner, all=virtual("inner", more="upload_to = 'inner'")))


def test_a_guard_that_is_off_is_a_warning() -> None:
    tables = {"toys": LOCAL, "all": virtual("toys", more="guard = false"), "safe": virtual("toys")}
    [warning] = read(repositories(**tables)).warnings()
    assert warning.startswith(f"{ALL}.guard: is off;")


@pytest.mark.parametrize(
    "key",
    [
        "password = 5123456",
        "password = ['hunter2']",
        "proxy = 'socks://me:hunter2@proxy.example.com'",
        "file_hosts = ['https://me:hunter2@files.example.com']",
        "upstream = ['https://me:hunter2@toys.example.com']",
    ],
)
def test_what_may_be_a_secret_is_never_shown(key: str) -> None:
    text = repositories(mirror=(REMOTE if not key.startswith("upstream") else "kind = 'remote'\n") + key)
    [problem] = problems(text)
    assert "hunter2" not in problem
    assert "5123456" not in problem
    assert "what is not shown here" in problem


def test_a_password_is_not_shown_where_settings_are() -> None:
    settings = read(repositories(mirror=REMOTE + "username = 'me'\npassword = 'hunter2'"))
    assert "hunter2" not in repr(settings)


def test_a_password_file_that_is_not_utf_8_shows_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"hunter2\xff")
    text = repositories(mirror=REMOTE + "username = 'me'\npassword_file = 'secret'")
    with pytest.raises(ConfigError) as caught:
        read(text, tmp_path)
    [problem] = caught.value.problems
    assert problem.endswith("secret: is not UTF-8")


def test_a_relative_path_is_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    file = tmp_path / "conf" / "orbitalreg.toml"
    file.write_text("[data]\npath = '../here'")
    assert config.load(file).data.path.resolve() == (tmp_path / "here").resolve()


def test_an_absolute_path_stays_as_it_is(tmp_path: Path) -> None:
    assert read(f"[data]\npath = '{tmp_path}'", base=Path("elsewhere")).data.path == tmp_path


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read("[data]\npath = '~/registry'").data.path == tmp_path / "registry"


@given(st.integers(0, 5000), st.sampled_from(sorted({"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}.items())))
def test_a_duration_is_its_number_times_its_unit(number: int, unit: tuple[str, int]) -> None:
    assert config.parse_duration(f"{number}{unit[0]}") == number * unit[1]


def test_a_duration_that_no_clock_could_show_is_refused() -> None:
    assert config.parse_duration("36500d") == 36500 * 86400
    with pytest.raises(InvalidName, match="hundred years"):
        config.parse_duration("999999999999w")


@given(st.integers(0, 10**12 - 1), st.sampled_from([("B", 1), ("KiB", 2**10), ("MiB", 2**20), ("GiB", 2**30)]))
def test_a_size_is_its_number_times_its_unit(number: int, unit: tuple[str, int]) -> None:
    assert config.parse_size(f"{number}{unit[0]}") == number * unit[1]


@given(st.text())
def test_any_other_text_is_no_duration(text: str) -> None:
    if not re.fullmatch("[0-9]{1,12}[smhdw]", text):
        with pytest.raises(InvalidName, match="duration"):
            config.parse_duration(text)


@given(st.text())
def test_any_other_text_is_no_size(text: str) -> None:
    if not re.fullmatch("[0-9]{1,12}([KMG]i)?B", text):
        with pytest.raises(InvalidName, match="size"):
            config.parse_size(text)


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1 s", "1.5h", "1S", "1y", "٣s", "1s\n"])
def test_a_malformed_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidName, match="duration"):
        config.parse_duration(text)


def test_invalid_toml_names_the_file_and_the_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_text("[server]\nlisten = oops\n")
    with pytest.raises(ConfigError, match=r"broken\.toml: is not TOML: .*line 2") as caught:
        config.load(file)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    "make",
    [lambda file: None, lambda file: file.mkdir(), lambda file: file.write_bytes(b"\xff\xfe")],
    ids=["absent", "a folder", "not UTF-8"],
)
def test_a_file_that_cannot_be_read_is_named(make: Callable[[Path], object], tmp_path: Path) -> None:
    file = tmp_path / "there.toml"
    make(file)
    with pytest.raises(ConfigError, match=r"there\.toml: cannot be read"):
        config.load(file)


def test_the_option_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBITALREG_CONFIG", "from-environment.toml")
    assert config.find_file("from-option.toml") == Path("from-option.toml")


def test_the_environment_comes_before_the_present_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orbitalreg.toml").touch()
    monkeypatch.setenv("ORBITALREG_CONFIG", "from-environment.toml")
    assert config.find_file(None) == Path("from-environment.toml")


def test_the_present_folder_comes_before_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orbitalreg.toml").touch()
    assert config.find_file(None) == Path("orbitalreg.toml")


def test_without_any_file_the_default_is_built_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORBITALREG_CONFIG", "")
    assert config.find_file(None) is None
