"""nginx' configuration, but for addresses and paths as it is, in front of a real server and under real clients."""

import hashlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from archives_corpus import make_wheel
from harness import (
    BOUNDARY,
    CONFIG,
    FORM_HEADERS,
    MIB,
    SIMPLE_JSON,
    Answer,
    Registry,
    Shell,
    eventually,
    fields_of,
    form,
)

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not on this machine")

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx" / "orbitalreg.conf"
HOST = "registry.example.com"
CLIENT = "127.0.0.2"  # not the proxy's address, which is trusted

MAIN = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
{user}
events {{ worker_connections 512; }}
http {{
    log_format named '$remote_addr "$request" $status $request_id';
    access_log {folder}/access.log named;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/orbitalreg.conf;
}}
"""


@dataclass(frozen=True)
class Front:
    """nginx, listening on `port` of the loopback under the name `HOST`."""

    registry: Registry
    folder: Path
    port: int
    authority: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/pypi/acme/internal"

    def connect(self, source: str = CLIENT) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.authority))
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=60, context=context, source_address=(source, 0)
        )

    def call(self, method: str, path: str, body: Any = None, token: str | None = "", **headers: str) -> Answer:
        """With the registry's token unless another, or None for nobody, is given; headers with `_` for `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        token = self.registry.token if token == "" else token
        if token is not None:
            sent |= credentials(token)
        connection = self.connect()
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Answer(response.status, response.reason, response.headers, response.read())
        finally:
            connection.close()

    def upload(self, filename: str, data: bytes, **fields: str) -> Answer:
        before, after = form(filename, fields_of(filename, hashlib.sha256(data).hexdigest()) | fields)
        headers = {name.replace("-", "_"): value for name, value in FORM_HEADERS.items()}
        return self.call("POST", "/pypi/acme/internal/legacy/", before + data + after, **headers)

    def logged(self, **wanted: object) -> list[Mapping[str, Any]]:
        """The lines of the server's log that have these values."""
        lines = [json.loads(line) for line in self.registry.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if all(line.get(key) == value for key, value in wanted.items())]


def credentials(token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"__token__:{token}".encode()).decode()}


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "registry").mkdir()
    trusting = 'max_upload = "200MiB"\ntrusted_proxies = ["127.0.0.1"]'
    text = CONFIG.format(max_upload="200MiB").replace('max_upload = "200MiB"', trusting)
    (folder / "registry" / "orbitalreg.toml").write_text(text)
    with Registry(folder / "registry") as registry:
        registry.token = registry.new_token("through-nginx", "acme/internal:maintain")
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "authority.pem")
        certificate = authority.issue_cert("127.0.0.1", HOST)
        certificate.private_key_pem.write_to_path(folder / "registry.key")
        (folder / "registry.pem").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        (folder / "orbitalreg.conf").write_text(configuration(folder, registry.authority, port))
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
        command = [str(NGINX), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
        tested = subprocess.run([*command, "-t"], capture_output=True, text=True)
        assert tested.returncode == 0 and "warn" not in tested.stderr, tested.stderr
        process = subprocess.Popen(command)
        try:
            found = Front(registry, folder, port, folder / "authority.pem")
            assert eventually(lambda: listening(port)), (folder / "error.log").read_text()
            yield found
        finally:
            process.terminate()
            process.wait(20)
        assert registry.faults() == []


def configuration(folder: Path, server: str, port: int) -> str:
    """Ours, with this test's addresses and paths."""
    text = CONFIGURATION.read_text()
    for ours, here in {
        "server 127.0.0.1:8080;": f"server {server};",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "    listen [::]:443 ssl;\n": "",
        "/etc/nginx/tls/": f"{folder}/",
    }.items():
        assert ours in text
        text = text.replace(ours, here)
    return text


def listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.fixture
def shell(tmp_path: Path, front: Front) -> Shell:
    """A user who trusts the authority, as the page on clients says."""
    certificate = str(front.authority)
    return Shell(
        tmp_path,
        ORBITALREG_TOKEN=front.registry.token,
        PIP_CERT=certificate,
        SSL_CERT_FILE=certificate,
        TWINE_CERT=certificate,
    )


def test_it_answers_and_asks_for_credentials(front: Front) -> None:
    healthy = front.call("GET", "/healthz", token=None)
    assert (healthy.status, healthy.body) == (200, b"ok\n")
    assert front.call("GET", "/pypi/acme/internal/simple/", token=None).status == 401
    assert healthy.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert healthy.headers["Server"] == "nginx"


def test_clients_publish_and_install_through_it(front: Front, shell: Shell) -> None:
    for name, publish in {
        "by-twine": f"twine upload --repository-url {front.url}/legacy/ -u __token__ -p $ORBITALREG_TOKEN dist/*",
        "by-uv": f"uv publish --publish-url {front.url}/legacy/ --token $ORBITALREG_TOKEN dist/*",
    }.items():
        shutil.rmtree(shell.home / "dist", ignore_errors=True)
        filename, data = make_wheel(name)
        shell.write(f"dist/{filename}", data)
        done = shell.run(publish)
        assert done.code == 0, done.output
        for install in ("pip install", "uv pip install"):
            environment = shell.new_environment()
            address = front.url.replace("https://", "https://__token__:$ORBITALREG_TOKEN@")
            done = shell.run(f"{install} --index-url {address}/simple/ {name}")
            assert done.code == 0, done.output
            assert environment.installed == {f"{name.replace('-', '_')}-1.0"}


def test_ranges_and_conditional_requests(front: Front) -> None:
    filename, data = make_wheel("ranged", files={"ranged/data.bin": os.urandom(3 * MIB)})
    assert front.upload(filename, data).status == 200
    path = f"/pypi/acme/internal/files/ranged/{filename}"
    part = front.call("GET", path, Range="bytes=1000-1999")
    assert (part.status, part.body) == (206, data[1000:2000])
    assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(data)}"
    tail = front.call("GET", path, Range="bytes=-100")
    assert (tail.status, tail.body) == (206, data[-100:])
    assert front.call("GET", path, Range=f"bytes={len(data)}-").status == 416
    whole = front.call("GET", path)
    assert (whole.status, whole.body) == (200, data)
    assert front.call("GET", path, If_None_Match=whole.headers["ETag"]).status == 304


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_page_is_not_sent_again(front: Front, encoding: str) -> None:
    name = f"paged-{encoding}"
    assert front.upload(*make_wheel(name)).status == 200
    path = f"/pypi/acme/internal/simple/{name}/"
    page = front.call("GET", path, Accept=SIMPLE_JSON, Accept_Encoding=encoding)
    assert page.status == 200 and not page.headers["ETag"].startswith("W/")
    again = front.call("GET", path, Accept=SIMPLE_JSON, Accept_Encoding=encoding, If_None_Match=page.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert front.upload(*make_wheel(name, "1.1")).status == 200
    changed = front.call("GET", path, Accept=SIMPLE_JSON, Accept_Encoding=encoding, If_None_Match=page.headers["ETag"])
    assert changed.status == 200


def test_a_form_of_a_thousand_parts(front: Front) -> None:
    filename, data = make_wheel("many-parts")
    before, after = form(filename, fields_of(filename, hashlib.sha256(data).hexdigest()))
    classifier = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="classifiers"\r\n\r\nTopic :: {{}}\r\n'
    parts = "".join(classifier.format(number) for number in range(1000)).encode()
    body = parts + before + data + after
    headers = {name.replace("-", "_"): value for name, value in FORM_HEADERS.items()}
    assert front.call("POST", "/pypi/acme/internal/legacy/", body, **headers).status == 200
    assert filename in front.registry.files("many-parts")


def test_a_large_upload_goes_through_as_it_comes(front: Front) -> None:
    """While its last byte has not been sent yet, the server has nearly all the others and nginx none."""
    filename, data = make_wheel("large", files={"large/data.bin": os.urandom(64 * MIB)})
    before, after = form(filename, fields_of(filename, hashlib.sha256(data).hexdigest()))
    body = before + data + after
    connection = front.connect()
    connection.putrequest("POST", "/pypi/acme/internal/legacy/")
    sent = FORM_HEADERS | credentials(front.registry.token) | {"Content-Length": str(len(body))}
    for name, value in sent.items():
        connection.putheader(name, value)
    connection.endheaders()
    held = front.registry.bytes_held()
    connection.send(body[:-1])
    assert eventually(lambda: front.registry.bytes_held() - held > 60 * MIB)
    assert "buffered to a temporary file" not in (front.folder / "error.log").read_text()
    connection.send(body[-1:])
    assert connection.getresponse().status == 200
    connection.close()
    assert front.registry.files("large")[filename]["hashes"]["sha256"] == hashlib.sha256(data).hexdigest()
    downloaded = front.call("GET", f"/pypi/acme/internal/files/large/{filename}")
    assert downloaded.body == data


@pytest.mark.parametrize(("token", "size", "status"), [("wrong", 100 * MIB, 401), ("", 300 * MIB, 413)])
def test_what_is_refused_is_refused_from_its_head(front: Front, token: str, size: int, status: int) -> None:
    """The answer is there long before the body would have been sent."""
    connection = front.connect()
    connection.putrequest("POST", "/pypi/acme/internal/legacy/")
    sent = FORM_HEADERS | credentials(token or front.registry.token) | {"Content-Length": str(size)}
    for name, value in sent.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(b"x" * MIB)
    answer = connection.getresponse()
    assert answer.status == status
    connection.close()


def test_the_log_has_the_client_and_no_forged_one(front: Front) -> None:
    answer = front.call("GET", "/pypi/acme/internal/simple/no-such-package/")
    (line,) = front.logged(request=answer.headers["X-Request-ID"])
    assert line["from"] == CLIENT and line["who"] == "service:through-nginx"
    forged = front.call(
        "GET", "/pypi/acme/internal/simple/no-such/", X_Forwarded_For="203.0.113.9", X_Request_ID="mine"
    )
    (line,) = front.logged(request=forged.headers["X-Request-ID"])
    assert line["from"] == CLIENT and line["request"] != "mine"
    assert forged.headers["X-Request-ID"] in (front.folder / "access.log").read_text()


def test_the_page_for_people_shows_the_public_address(front: Front) -> None:
    page = front.call("GET", "/", Host=f"{HOST}:{front.port}").body.decode()
    assert f"https://{HOST}:{front.port}/pypi/acme/internal/legacy/" in page


def test_no_caller_chooses_the_address_on_that_page(front: Front) -> None:
    """What nginx does not set itself it hands on, and the server believes what nginx says."""
    forged = {"X_Forwarded_Host": "evil.example", "X_Forwarded_Proto": "http"}
    page = front.call("GET", "/", Host=f"{HOST}:{front.port}", **forged).body.decode()
    assert f"https://{HOST}:{front.port}/pypi/acme/internal/legacy/" in page
    assert "evil.example" not in page and "http://" not in page


def test_a_caller_without_a_host_is_served_under_the_configured_one(front: Front) -> None:
    """HTTP/1.0 has none, and old probes speak it; the server, to which nginx speaks HTTP/1.1, insists on one."""
    authorization = credentials(front.registry.token)["Authorization"]
    head = f"GET / HTTP/1.0\r\nAuthorization: {authorization}\r\nX-Forwarded-Host: evil.example\r\n\r\n"
    connection = front.connect()
    connection.connect()
    connection.sock.sendall(head.encode())
    with connection.sock.makefile("rb") as answer:
        page = answer.read().decode()
    connection.close()
    assert page.split()[1] == "200"
    assert f"https://{HOST}/pypi/acme/internal/legacy/" in page and "evil.example" not in page


def test_connections_to_the_server_are_kept(front: Front) -> None:
    """Fifty requests, one after the other, on connections of their own: nginx has one to the server."""
    before = sockets(front)
    for _ in range(50):
        assert front.call("GET", "/healthz", token=None).status == 200
    assert sockets(front) - before <= 2


def sockets(front: Front) -> int:
    """How many connections to the server there are, those that wait for their end too."""
    port = f":{int(front.registry.authority.rpartition(':')[2]):04X}"
    return sum(line.split()[2].endswith(port) for line in Path("/proc/net/tcp").read_text().splitlines()[1:])


def test_a_stalled_download_disturbs_nobody_and_fills_no_disk(front: Front) -> None:
    filename, data = make_wheel("stalled", files={"stalled/data.bin": os.urandom(32 * MIB)})
    assert front.upload(filename, data).status == 200
    stalled = [front.connect() for _ in range(24)]
    for connection in stalled:
        path = f"/pypi/acme/internal/files/stalled/{filename}"
        connection.request("GET", path, headers=credentials(front.registry.token))
    started = time.monotonic()
    assert front.call("GET", "/pypi/acme/internal/simple/").status == 200
    assert time.monotonic() - started < 5
    assert "buffered to a temporary file" not in (front.folder / "error.log").read_text()
    assert stalled[0].getresponse().read() == data
    for connection in stalled:
        connection.close()


def test_many_clients_at_once(front: Front) -> None:
    """Eight clients, each with uploads and reads: all are answered, and rightly."""
    problems: list[str] = []

    def work(number: int) -> None:
        for turn in range(4):
            name = f"crowd-{number}-{turn}"
            filename, data = make_wheel(name, files={"crowd.bin": os.urandom(100_000)})
            if front.upload(filename, data).status != 200:
                problems.append(f"{filename}: not published")
            if front.call("GET", f"/pypi/acme/internal/files/{name}/{filename}").body != data:
                problems.append(f"{filename}: other bytes")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
