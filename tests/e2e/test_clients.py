"""twine, uv and pip as their users run them. The set-ups that people paste stand here word for word."""

import hashlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from archives_corpus import make_sdist, make_wheel
from harness import BIN, Finished, Registry, Shell

Put = Callable[..., list[str]]

# A build backend that needs nothing else, so that an sdist installs from an index that holds it alone.
BACKEND = """\
import zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    folder = "{stem}-{version}.dist-info"
    name = "{stem}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(f"{{wheel_directory}}/{{name}}", "w") as wheel:
        wheel.writestr("{stem}.py", "origin = 'sdist'\\n")
        wheel.writestr(f"{{folder}}/METADATA", "Metadata-Version: 2.4\\nName: {name}\\nVersion: {version}\\n")
        wheel.writestr(f"{{folder}}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{{folder}}/RECORD", "{stem}.py,,\\n" + "".join(
            f"{{folder}}/{{part}},,\\n" for part in ("METADATA", "WHEEL", "RECORD")))
    return name
"""
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def buildable_sdist(name: str, version: str) -> tuple[str, bytes]:
    stem = name.replace("-", "_")
    files = {
        "pyproject.toml": PYPROJECT.encode(),
        "backend.py": BACKEND.format(name=name, stem=stem, version=version).encode(),
    }
    return make_sdist(name, version, files=files)


@pytest.fixture(scope="module")
def tokens(registry: Registry) -> dict[str, str]:
    """A service account's token, and the personal one of the user `alice`."""
    return {
        "service": registry.new_token("ci"),
        "personal": registry.new_token("laptop", user="alice"),
        "reader": registry.new_token("reader", "acme/internal:read"),
    }


@pytest.fixture
def put(shell: Shell) -> Put:
    """Put freshly built files into `dist/`; their names."""

    def put(*built: tuple[str, bytes]) -> list[str]:
        shutil.rmtree(shell.home / "dist", ignore_errors=True)
        for filename, data in built:
            shell.write(f"dist/{filename}", data)
        return sorted(filename for filename, _ in built)

    return put


def legacy(registry: Registry) -> str:
    return f"{registry.repository}/legacy/"


def simple(registry: Registry, credentials: str = "") -> str:
    """The index's address, with `user:token@` where that is given; for a shell, variables may stand in it."""
    return f"http://{credentials}{registry.authority}/pypi/acme/internal/simple/"


def both(name: str, version: str = "1.0") -> tuple[tuple[str, bytes], tuple[str, bytes]]:
    return make_wheel(name, version), buildable_sdist(name, version)


def ok(done: Finished) -> str:
    assert done.code == 0, done.output
    return done.output


def refused(done: Finished) -> str:
    assert done.code != 0, done.output
    assert "Traceback" not in done.output
    return " ".join(done.output.split())  # clients wrap long lines


# Publishing


@pytest.mark.parametrize(
    ("user", "token"),
    [("alice", "personal"), ("__token__", "personal"), ("ci", "service"), ("__token__", "service")],
)
def test_twine_with_credentials_on_the_line(
    registry: Registry, tokens: dict[str, str], shell: Shell, put: Put, user: str, token: str
) -> None:
    name = f"line-{user.strip('_')}-{token}"
    names = put(*both(name), *both(name, "1.1"))
    line = (
        f"twine upload --repository-url {registry.url}/pypi/acme/internal/legacy/ "
        "--username $ORBITALREG_USER --password $ORBITALREG_TOKEN dist/*.whl dist/*.tar.gz"
    )
    output = ok(shell.run(line, ORBITALREG_USER=user, ORBITALREG_TOKEN=tokens[token]))
    assert tokens[token] not in output
    listed = registry.files(name)
    assert sorted(listed) == names
    for filename in names:  # a read right after the upload has it, byte for byte
        data = (shell.home / "dist" / filename).read_bytes()
        assert listed[filename]["hashes"]["sha256"] == hashlib.sha256(data).hexdigest()
        assert registry.download(name, listed[filename]).body == data


def test_twine_with_pypirc(registry: Registry, tokens: dict[str, str], shell: Shell, put: Put) -> None:
    shell.write(
        ".pypirc",
        "[distutils]\nindex-servers =\n    orbitalreg\n\n[orbitalreg]\n"
        f"repository = {registry.url}/pypi/acme/internal/legacy/\n"
        f"username = __token__\npassword = {tokens['service']}\n",
    )
    names = put(*both("by-pypirc"))
    ok(shell.run("twine upload -r orbitalreg dist/*"))
    assert sorted(registry.files("by-pypirc")) == names


def test_twine_with_its_own_environment_variables(
    registry: Registry, tokens: dict[str, str], shell: Shell, put: Put
) -> None:
    names = put(*both("by-variables"))
    variables = {
        "TWINE_REPOSITORY_URL": legacy(registry),
        "TWINE_USERNAME": "__token__",
        "TWINE_PASSWORD": tokens["service"],
    }
    ok(shell.run("twine upload dist/*", **variables))
    assert sorted(registry.files("by-variables")) == names


def test_uv_publish(registry: Registry, tokens: dict[str, str], shell: Shell, put: Put) -> None:
    names = put(*both("by-uv"))
    line = f"uv publish --publish-url {legacy(registry)} --token $ORBITALREG_TOKEN dist/*"
    ok(shell.run(line, ORBITALREG_TOKEN=tokens["service"]))
    assert sorted(registry.files("by-uv")) == names


def test_uv_publish_by_the_users_name(registry: Registry, tokens: dict[str, str], shell: Shell, put: Put) -> None:
    names = put(*both("by-uv-user"))
    variables = {"UV_PUBLISH_USERNAME": "alice", "UV_PUBLISH_PASSWORD": tokens["personal"]}
    ok(shell.run(f"uv publish --publish-url {legacy(registry)} dist/*", **variables))
    assert sorted(registry.files("by-uv-user")) == names


def test_uv_publish_checks_what_is_there(registry: Registry, tokens: dict[str, str], shell: Shell, put: Put) -> None:
    put(*both("by-uv-check"))
    check = simple(registry, "__token__:$ORBITALREG_TOKEN@")
    line = (
        f"uv publish --publish-url {legacy(registry)} --check-url {check} --token $ORBITALREG_TOKEN dist/by_uv_check*"
    )
    assert "skipping" not in ok(shell.run(line, ORBITALREG_TOKEN=tokens["service"]))
    again = ok(shell.run(line, ORBITALREG_TOKEN=tokens["service"]))
    assert again.count("already exists, skipping") == 2
    assert "Uploading" not in again
    put(make_wheel("by-uv-check", "1.0", description="other"))
    assert "Local file and index file do not match" in refused(shell.run(line, ORBITALREG_TOKEN=tokens["service"]))


TWINE = "twine upload --repository-url {url} --username __token__ --password $ORBITALREG_TOKEN dist/*"
UV = "uv publish --publish-url {url} --token $ORBITALREG_TOKEN dist/*"
PUBLISHERS = pytest.mark.parametrize("line", [TWINE, UV], ids=["twine", "uv"])


@PUBLISHERS
def test_the_same_file_again_changes_nothing(
    registry: Registry, tokens: dict[str, str], shell: Shell, put: Put, line: str
) -> None:
    name = f"again-{line[:2].strip()}"
    put(*both(name))
    publish = line.format(url=legacy(registry))
    ok(shell.run(publish, ORBITALREG_TOKEN=tokens["service"]))
    listed, stored = registry.files(name), registry.stored()
    ok(shell.run(publish, ORBITALREG_TOKEN=tokens["service"]))
    assert (registry.files(name), registry.stored()) == (listed, stored)


@PUBLISHERS
def test_other_bytes_under_the_same_name_are_refused(
    registry: Registry, tokens: dict[str, str], shell: Shell, put: Put, line: str
) -> None:
    name = f"other-{line[:2].strip()}"
    put(make_wheel(name))
    publish = line.format(url=legacy(registry))
    ok(shell.run(publish, ORBITALREG_TOKEN=tokens["service"]))
    listed, stored = registry.files(name), registry.stored()
    put(make_wheel(name, description="other bytes"))
    assert "File already exists" in refused(shell.run(publish, ORBITALREG_TOKEN=tokens["service"]))
    assert (registry.files(name), registry.stored()) == (listed, stored)


@PUBLISHERS
@pytest.mark.parametrize(
    ("token", "advice"),
    [
        ("hunter2", "the password is no token: it must begin with orbsa_, orbpat_ or orboi_"),
        ("orbsa_" + "a" * 46, "the token has a typing error: its checksum does not fit; copy it again"),
        ("reader", "this token has no right to publish in acme/internal"),
        ("revoked", "the token 'gone' is revoked; make a new one"),
    ],
    ids=["no-token", "typing-error", "read-only", "revoked"],
)
def test_publishers_are_told_what_is_wrong_with_their_token(
    registry: Registry, tokens: dict[str, str], shell: Shell, put: Put, line: str, token: str, advice: str
) -> None:
    if token == "revoked":
        text = registry.new_token("gone")
        registry.cli("token", "revoke", "gone")
    else:
        text = tokens.get(token, token)
    put(make_wheel("never-there"))
    before = registry.stored()
    output = refused(shell.run(line.format(url=legacy(registry)), ORBITALREG_TOKEN=text))
    assert advice in output
    assert text not in output
    assert registry.files("never-there") == {} and registry.stored() == before


@PUBLISHERS
def test_publishers_are_told_why_a_file_is_refused(
    registry: Registry, tokens: dict[str, str], shell: Shell, put: Put, line: str
) -> None:
    filename, data = make_wheel("broken-pkg", files={"../escapes.py": b""})
    put((filename, data))
    output = refused(shell.run(line.format(url=legacy(registry)), ORBITALREG_TOKEN=tokens["service"]))
    assert "400 Bad Request" in output
    assert "broken_pkg-1.0-py3-none-any.whl is refused: its entry '../escapes.py' has an unsafe name" in output
    assert registry.files("broken-pkg") == {}


# Installing


@pytest.fixture(scope="module")
def my_pkg(registry: Registry) -> dict[str, bytes]:
    """`my-pkg` 1.0 and 2.0 as wheels and sdists, which needs `my-dep`."""
    built = dict(
        [
            make_wheel("my-pkg", "1.0", metadata_extra="Requires-Dist: my-dep"),
            make_wheel("my-pkg", "2.0", metadata_extra="Requires-Dist: my-dep>=1\nRequires-Python: >=3.8"),
            make_wheel("my-pkg", "3.0", metadata_extra="Requires-Python: >=4"),
            buildable_sdist("my-pkg", "1.0"),
            make_wheel("my-dep", "1.0"),
            buildable_sdist("only-sdist", "1.0"),
        ]
    )
    for filename, data in built.items():
        assert registry.upload(filename, data).status == 200
    return built


INSTALLED = {"my_pkg-2.0", "my_dep-1.0"}


def test_pip_install_with_the_token_in_the_address(
    registry: Registry, tokens: dict[str, str], my_pkg: object, shell: Shell
) -> None:
    environment = shell.new_environment()
    address = f"http://__token__:$ORBITALREG_TOKEN@{registry.authority}/pypi/acme/internal/simple/"
    output = ok(shell.run(f"pip install --index-url {address} my-pkg", ORBITALREG_TOKEN=tokens["reader"]))
    assert environment.installed == INSTALLED
    assert tokens["reader"] not in output


@pytest.fixture
def https(registry: Registry, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """TLS in front of the server, as a proxy has it: `host:port` and the certificate to trust."""
    certificate, key = tmp_path / "front.pem", tmp_path / "front.key"
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    extensions = "-addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:FALSE"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost {extensions}"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    host, _, port = registry.authority.partition(":")
    with ExitStack() as stack:
        front = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        stack.callback(front.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=_accept, args=(front, context, (host, int(port))), daemon=True).start()
        yield f"127.0.0.1:{front.getsockname()[1]}", certificate


def _accept(front: socket.socket, context: ssl.SSLContext, server: tuple[str, int]) -> None:
    with suppress(OSError):
        while True:
            client, _ = front.accept()
            threading.Thread(target=_relay, args=(client, context, server), daemon=True).start()


def _relay(client: socket.socket, context: ssl.SSLContext, server: tuple[str, int]) -> None:
    """One connection: a request at a time goes one way, its answer the other."""
    with suppress(OSError), ExitStack() as stack:
        outer = stack.enter_context(context.wrap_socket(client, server_side=True))
        inner = stack.enter_context(socket.create_connection(server))
        back = threading.Thread(target=_pump, args=(inner, outer), daemon=True)
        back.start()
        _pump(outer, inner)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def test_pip_and_uv_install_over_https(
    tokens: dict[str, str], my_pkg: object, shell: Shell, https: tuple[str, Path]
) -> None:
    authority, certificate = https
    variables = {"ORBITALREG_TOKEN": tokens["reader"], "PIP_CERT": str(certificate), "SSL_CERT_FILE": str(certificate)}
    address = f"https://__token__:$ORBITALREG_TOKEN@{authority}/pypi/acme/internal/simple/"
    for command in ("pip install", "uv pip install"):
        environment = shell.new_environment()
        ok(shell.run(f"{command} --index-url {address} my-pkg", **variables))
        assert environment.installed == INSTALLED


class Index:
    """What a test of credentials needs: the address in three spellings, the token, and a `keyring` command."""

    # What pip before 25.2 asks (`get SERVICE USER`), what pip asks since (`--mode=creds --output=json`), and uv.
    KEYRING = """\
#!/bin/sh
case "$*" in
  *--output=json*) printf '{"username": "__token__", "password": "%s"}\\n' "$ORBITALREG_TOKEN" ;;
  *creds*) printf '__token__\\n%s\\n' "$ORBITALREG_TOKEN" ;;
  get*) printf '%s\\n' "$ORBITALREG_TOKEN" ;;
esac
"""

    def __init__(self, registry: Registry, token: str, shell: Shell) -> None:
        self.bare = simple(registry)
        self.named = simple(registry, "__token__@")
        self.whole = simple(registry, f"__token__:{token}@")
        self.variable = simple(registry, "__token__:${ORBITALREG_TOKEN}@")
        self.token = token
        self.shell = shell

    def pip_conf(self, address: str) -> None:
        self.shell.write(".pip/pip.conf", f"[global]\nindex-url = {address}\n")

    def uv_toml(self, address: str) -> None:
        self.shell.write(".config/uv/uv.toml", f'[[index]]\nname = "orbitalreg"\nurl = "{address}"\ndefault = true\n')

    def netrc(self) -> None:
        self.shell.write(".netrc", f"machine 127.0.0.1\nlogin __token__\npassword {self.token}\n")

    def keyring(self) -> dict[str, str]:
        self.shell.write("bin/keyring", self.KEYRING, 0o700)
        return {"PATH": f"{self.shell.home}/bin:{self.shell.variables['PATH']}"}

    def run(self, line: str, **variables: str) -> Finished:
        return self.shell.run(line, ORBITALREG_TOKEN=self.token, **variables)


@pytest.fixture
def index(registry: Registry, tokens: dict[str, str], my_pkg: object, shell: Shell) -> Index:
    return Index(registry, tokens["reader"], shell)


PIP = "pip install my-pkg"
UV_PIP = "uv pip install my-pkg"


def by_pip_index_url(index: Index) -> Finished:
    index.pip_conf("http://127.0.0.1:9/simple/")  # the environment counts, not the file
    return index.run(PIP, PIP_INDEX_URL=index.whole)


def by_pip_conf_and_netrc(index: Index) -> Finished:
    index.pip_conf(index.bare)
    index.netrc()
    return index.run(PIP)


def by_pip_conf_and_netrc_elsewhere(index: Index) -> Finished:
    index.pip_conf(index.bare)
    index.netrc()
    (index.shell.home / ".netrc").rename(index.shell.home / "secret")
    return index.run(PIP, NETRC=str(index.shell.home / "secret"))


def by_pip_conf_and_keyring(index: Index) -> Finished:
    index.pip_conf(index.named)
    return index.run(PIP, PIP_KEYRING_PROVIDER="subprocess", **index.keyring())


def by_pip_conf_with_keyring_provider(index: Index) -> Finished:
    """Everything but the token in the file."""
    index.pip_conf(f"{index.named}\nkeyring-provider = subprocess")
    return index.run(f"{PIP} --no-input", **index.keyring())


def by_requirements_file(index: Index) -> Finished:
    index.shell.write("requirements.txt", f"--index-url {index.variable}\nmy-pkg\n")
    return index.run("pip install -r requirements.txt")


def by_uv_index_variables(index: Index) -> Finished:
    index.uv_toml(index.bare)
    return index.run(UV_PIP, UV_INDEX_ORBITALREG_USERNAME="__token__", UV_INDEX_ORBITALREG_PASSWORD=index.token)


def by_uv_index_variables_and_line(index: Index) -> Finished:
    line = f"uv pip install --default-index orbitalreg={index.bare} my-pkg"
    return index.run(line, UV_INDEX_ORBITALREG_USERNAME="__token__", UV_INDEX_ORBITALREG_PASSWORD=index.token)


def by_uv_index_url(index: Index) -> Finished:
    return index.run(UV_PIP, UV_INDEX_URL=index.whole)


def by_uv_default_index(index: Index) -> Finished:
    return index.run(UV_PIP, UV_DEFAULT_INDEX=index.whole)


def by_uv_netrc(index: Index) -> Finished:
    index.uv_toml(index.bare)
    index.netrc()
    return index.run(UV_PIP)


def by_uv_keyring(index: Index) -> Finished:
    index.uv_toml(index.named)
    return index.run(UV_PIP, UV_KEYRING_PROVIDER="subprocess", **index.keyring())


def by_uv_requirements_file(index: Index) -> Finished:
    index.shell.write("requirements.txt", f"--index-url {index.variable}\nmy-pkg\n")
    return index.run("uv pip install -r requirements.txt")


WORKING = [
    by_pip_index_url,
    by_pip_conf_and_netrc,
    by_pip_conf_and_netrc_elsewhere,
    by_pip_conf_and_keyring,
    by_pip_conf_with_keyring_provider,
    by_requirements_file,
    by_uv_index_variables,
    by_uv_index_variables_and_line,
    by_uv_index_url,
    by_uv_default_index,
    by_uv_netrc,
    by_uv_keyring,
    by_uv_requirements_file,
]


@pytest.mark.parametrize("setup", WORKING, ids=lambda setup: setup.__name__)
def test_credentials_that_are_not_on_the_line(index: Index, setup: Callable[[Index], Finished]) -> None:
    environment = index.shell.new_environment()
    ok(setup(index))
    assert environment.installed == INSTALLED


def test_pip_conf_and_uv_toml_do_not_expand_variables(index: Index) -> None:
    """What the documentation has to warn of: `${ORBITALREG_TOKEN}` is sent as it stands."""
    environment = index.shell.new_environment()
    index.pip_conf(index.variable)
    index.uv_toml(index.variable)
    assert "401 Error, Credentials not correct" in refused(index.run(PIP))
    assert "lack of valid authentication credentials (401 Unauthorized)" in refused(index.run(UV_PIP))
    assert environment.installed == set()


def test_pip_does_not_ask_keyring_on_its_own_without_input(index: Index) -> None:
    """With `--no-input`, which CI jobs set, pip asks a keyring only if `keyring-provider` names one."""
    environment = index.shell.new_environment()
    index.pip_conf(index.named)
    refused(index.run(f"{PIP} --no-input", **index.keyring()))
    assert environment.installed == set()


def test_installers_say_that_credentials_are_wrong(registry: Registry, my_pkg: object, shell: Shell) -> None:
    shell.new_environment()
    address = simple(registry, "__token__:hunter2@")
    assert "401 Error, Credentials not correct" in refused(shell.run(f"pip install --index-url {address} my-pkg"))
    uv = refused(shell.run(f"uv pip install --index-url {address} my-pkg"))
    assert "lack of valid authentication credentials (401 Unauthorized)" in uv


def test_installers_say_that_credentials_are_missing(registry: Registry, my_pkg: object, shell: Shell) -> None:
    """pip, where it may not ask, speaks of a 401 only with `-vv`; then it shows our reason."""
    shell.new_environment()
    line = f"pip install --no-input --index-url {simple(registry)} my-pkg"
    assert "No matching distribution found for my-pkg" in refused(shell.run(line))
    assert "401 Client Error: credentials are needed: user name __token__" in shell.run(f"{line} -vv").output
    uv = refused(shell.run(f"uv pip install --index-url {simple(registry)} my-pkg"))
    assert "lack of valid authentication credentials (401 Unauthorized)" in uv


INSTALLERS = pytest.mark.parametrize("command", ["pip install", "uv pip install"], ids=["pip", "uv"])


@INSTALLERS
def test_install_from_an_sdist(index: Index, command: str) -> None:
    environment = index.shell.new_environment()
    ok(index.run(f"{command} --index-url {index.whole} only-sdist"))
    assert environment.installed == {"only_sdist-1.0"}
    environment = index.shell.new_environment()
    ok(index.run(f"{command} --index-url {index.whole} --no-binary my-pkg --no-deps my-pkg==1.0"))
    assert environment.installed == {"my_pkg-1.0"}
    assert list(environment.folder.glob("lib/python*/site-packages/my_pkg.py"))


@INSTALLERS
def test_install_with_hashes(index: Index, my_pkg: dict[str, bytes], command: str) -> None:
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in my_pkg.items()}
    right = hashes["my_pkg-2.0-py3-none-any.whl"]
    line = f"{command} --index-url {index.whole} --require-hashes -r requirements.txt"
    for sha256 in (right, "0" * 64):
        environment = index.shell.new_environment()
        index.shell.write(
            "requirements.txt",
            f"my-pkg==2.0 --hash=sha256:{sha256}\nmy-dep==1.0 --hash=sha256:{hashes['my_dep-1.0-py3-none-any.whl']}\n",
        )
        done = index.run(line)
        assert (done.code == 0) == (sha256 == right), done.output
        assert environment.installed == (INSTALLED if sha256 == right else set())


@INSTALLERS
def test_install_sees_an_upload_of_this_moment(registry: Registry, index: Index, command: str) -> None:
    """Twice, with whatever the client keeps of the first time."""
    name = f"moment-{command[:2]}"
    for version in ("1.0", "1.1"):
        assert registry.upload(*make_wheel(name, version)).status == 200
        environment = index.shell.new_environment()
        ok(index.run(f"{command} --index-url {index.whole} {name}", PIP_NO_CACHE_DIR="0"))
        assert environment.installed == {f"{name.replace('-', '_')}-{version}"}


@INSTALLERS
def test_a_yanked_version_is_passed_over_unless_it_is_pinned(registry: Registry, index: Index, command: str) -> None:
    name = f"yanked-{command[:2]}"
    stem = name.replace("-", "_")
    for version in ("1.0", "1.1"):
        assert registry.upload(*make_wheel(name, version)).status == 200
    registry.cli("yank", f"acme/internal/{name}==1.1", "--reason", "eats the data")
    environment = index.shell.new_environment()
    ok(index.run(f"{command} --index-url {index.whole} '{name}>=1'"))
    assert environment.installed == {f"{stem}-1.0"}
    environment = index.shell.new_environment()
    assert "eats the data" in ok(index.run(f"{command} --index-url {index.whole} {name}==1.1"))
    assert environment.installed == {f"{stem}-1.1"}
    registry.cli("unyank", f"acme/internal/{name}==1.1")
    environment = index.shell.new_environment()
    assert "eats the data" not in ok(index.run(f"{command} --index-url {index.whole} '{name}>=1'"))
    assert environment.installed == {f"{stem}-1.1"}


# With what the world uses


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """flask's closure and numpy as wheels, and one sdist, fetched by an ordinary pip; skips where that fails."""
    folder = tmp_path_factory.mktemp("fetched")
    pip = [
        str(BIN / "python"),
        "-m",
        "pip",
        "download",
        "--quiet",
        "--retries",
        "1",
        "--timeout",
        "15",
        "--dest",
        str(folder),
    ]
    for what in (["--only-binary=:all:", "flask", "numpy"], ["--no-deps", "--no-binary=itsdangerous", "itsdangerous"]):
        try:
            done = subprocess.run([*pip, *what], capture_output=True, text=True, timeout=90)
        except subprocess.TimeoutExpired:
            pytest.skip("the package registries answer too slowly")
        if done.returncode != 0:
            pytest.skip(f"the package registries cannot be reached: {done.stderr.strip()[-200:]}")
    return folder


@pytest.mark.online
@pytest.mark.timeout(240)
def test_flask_and_numpy_in_and_out(registry: Registry, tokens: dict[str, str], shell: Shell, fetched: Path) -> None:
    variables = {"ORBITALREG_TOKEN": tokens["service"], "ORBITALREG_USER": "__token__"}
    shutil.copytree(fetched, shell.home / "dist")
    line = (
        f"twine upload --repository-url {legacy(registry)} "
        "--username $ORBITALREG_USER --password $ORBITALREG_TOKEN dist/*.whl dist/*.tar.gz"
    )
    ok(shell.run(line, **variables))
    ok(shell.run(line, **variables))  # a pipeline that is run again
    address = simple(registry, "__token__:$ORBITALREG_TOKEN@")
    for command in ("pip install", "uv pip install"):
        environment = shell.new_environment()
        ok(shell.run(f"{command} --index-url {address} flask numpy", **variables))
        python = environment.folder / "bin" / "python"
        ok(shell.run(f"{python} -c 'import flask, numpy; numpy.arange(4) @ numpy.arange(4)'"))
        names = {path.name.split("-")[0].lower() for path in fetched.glob("*.whl")}
        assert {name.split("-")[0].lower() for name in environment.installed} == names
    for path in fetched.iterdir():
        name = path.name.removesuffix(".tar.gz").split("-")[0]
        listed = registry.files(name.lower().replace("_", "-"))[path.name]
        assert listed["hashes"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert bool(listed.get("core-metadata")) == path.name.endswith(".whl")
