"""Addresses: what is written, what is meant, and where nobody may be sent."""

# ruff: noqa: RUF001  (look-alikes are what is tested)

import ipaddress
import socket
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_upstream import INNER_SPELLINGS, Net

from orbitalreg.errors import InvalidName, UpstreamFailed
from orbitalreg.upstream import Client, Origin, Upstream, Url, is_public

PUBLIC = "93.184.215.14"
UPSTREAM = Upstream("http://mirror.example/")


def listed(text: str) -> list[str]:
    return text.split()


@pytest.fixture(autouse=True)
def no_packet_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError(f"a test wanted to connect: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://files.example.com", "https://files.example.com"),
        ("HTTPS://Files.EXAMPLE.com:443/path?query#part", "https://files.example.com"),
        ("http://files.example.com:80", "http://files.example.com"),
        ("http://files.example.com:", "http://files.example.com"),
        ("http://files.example.com:00443", "http://files.example.com:443"),
        ("https://files.example.com.", "https://files.example.com"),
        ("https://files.example.com.:8443", "https://files.example.com:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
        ("https://faß.example", "https://xn--fa-hia.example"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://files。example。com", "https://files.example.com"),
        ("https://ｆｉｌｅｓ.example", "https://files.example"),
        ("http://a_b.internal:8081/x", "http://a_b.internal:8081"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.0.0.1.", "http://127.0.0.1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://[2001:0DB8:0:0::1]", "http://[2001:db8::1]"),
        ("http://[::ffff:127.0.0.1]", "http://127.0.0.1"),
        ("http://[::FFFF:7f00:1]:80", "http://127.0.0.1"),
        ("http://１２７.0.0.1", "http://127.0.0.1"),
    ],
)
def test_an_origin_has_one_spelling(written: str, meant: str) -> None:
    assert str(Origin.parse(written)) == meant
    assert Origin.parse(written) == Origin.parse(meant)
    assert hash(Origin.parse(written)) == hash(Origin.parse(meant))


@pytest.mark.parametrize(
    "other", ["http://files.example.com", "https://files.example.com:8443", "https://files.example.org"]
)
def test_another_scheme_port_or_host_is_another_origin(other: str) -> None:
    assert Origin.parse(other) != Origin.parse("https://files.example.com")


@pytest.mark.parametrize(
    "written",
    [
        "",
        "files.example.com",
        "//files.example.com",
        "https:",
        "https://",
        "https:///path",
        "https:files.example.com",
        "ftp://files.example.com",
        "file:///etc/passwd",
        "unix:/run/socket",
        "https://files.example.com:0",
        "https://files.example.com:65536",
        "https://files.example.com:+443",
        "https://files.example.com:4_43",
        "https://files.example.com:٤٤٣",
        "https://files.example.com:443:443",
        "https://files.example.com..",
        "https://.example.com",
        "https://a..b",
        "https://-a.example",
        "https://a-.example",
        "https://a b.example",
        "https://a\tb.example",
        "https://a.example\n",
        " https://a.example",
        "https://a.example\x00",
        "https://a.example\\.b.example",
        "https:\\\\a.example",
        "https://a%2eexample",
        "https://a.example%00.b.example",
        "https://*.example",
        "https://" + "a" * 64 + ".example",
        "https://" + "a." * 130 + "example",
        "https://xn--.example…",
        "https://[::1",
        "https://::1",
        "https://::1]",
        "https://[fe80::1%25eth0]",
        "https://[fe80::1%eth0]",
        "https://[v1.x]",
        "https://[127.0.0.1]",
        "https://[::1].example",
        "https://a.example[::1]",
    ],
)
def test_what_is_no_server_is_refused(written: str) -> None:
    with pytest.raises(InvalidName):
        Origin.parse(written)


@pytest.mark.parametrize(
    "written",
    [
        "https://user:hunter2@a.example",
        "https://hunter2@a.example",
        "https://:hunter2@a.example",
        "https://a@hunter2@b",
    ],
)
@pytest.mark.parametrize(
    "parse", [Origin.parse, Url.parse, Upstream, lambda text: Upstream("https://a.example", proxy=text)]
)
def test_credentials_in_an_address_are_refused_and_not_shown(written: str, parse: object) -> None:
    with pytest.raises(InvalidName, match="credentials") as refusal:
        parse(written)  # type: ignore[operator]
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("reference", "meant"),
    [
        ("x", "https://a.example/list/x"),
        ("../x", "https://a.example/x"),
        ("/x", "https://a.example/x"),
        ("", "https://a.example/list/"),
        ("?page=2", "https://a.example/list/?page=2"),
        ("//b.example/x", "https://b.example/x"),
        ("http://b.example", "http://b.example/"),
        ("x#part", "https://a.example/list/x"),
        ("é ü", "https://a.example/list/%C3%A9%20%C3%BC"),
        ("%7Ex%2fy", "https://a.example/list/%7Ex%2fy"),
        ('a"<>b', "https://a.example/list/a%22%3C%3Eb"),
        ("x\\y", "https://a.example/list/x%5Cy"),
    ],
)
def test_a_reference_is_read_at_its_page(reference: str, meant: str) -> None:
    assert str(Url.parse("https://a.example/list/").join(reference)) == meant


@pytest.mark.parametrize("reference", ["javascript:x", "data:,x", "file:///x", "x\r\nHost: b", "https://u@b", "//[::1"])
def test_a_reference_to_what_is_no_server_is_refused(reference: str) -> None:
    with pytest.raises(InvalidName):
        Url.parse("https://a.example/").join(reference)


@given(st.text())
def test_any_text_parses_to_one_spelling_or_is_refused(text: str) -> None:
    for parse in (Origin.parse, Url.parse):
        with suppress(InvalidName):
            once = parse(text)
            assert parse(str(once)) == once
            assert str(once).isascii() and str(once).isprintable()


labels = st.from_regex(r"[A-Za-z]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?", fullmatch=True)
hosts = st.lists(labels, min_size=1, max_size=4).map(".".join)
addresses = st.ip_addresses().map(lambda address: f"[{address}]" if address.version == 6 else str(address))


@given(st.sampled_from(["http", "HTTP", "https", "Https"]), hosts | addresses, st.none() | st.integers(1, 65535))
def test_a_well_formed_origin_parses(scheme: str, host: str, port: int | None) -> None:
    origin = Origin.parse(f"{scheme}://{host}" + ("" if port is None else f":{port}"))
    assert origin.scheme == scheme.lower()
    assert origin.port == (port or {"http": 80, "https": 443}[origin.scheme])
    assert Origin.parse(str(origin)) == origin
    if origin.is_address:
        assert ipaddress.ip_address(origin.host)
    else:
        assert origin.host == host.lower()


@given(st.text(alphabet="0123456789abcdefx.%[]:@/\\１。 \t-", max_size=24))
def test_no_spelling_of_digits_becomes_a_name(text: str) -> None:
    """Resolvers take 0x7f.1 and 2130706433 for addresses: such a host is one, or is refused."""
    with suppress(InvalidName):
        origin = Origin.parse(f"http://{text}")
        if not origin.is_address:
            with pytest.raises(OSError, match="illegal IP address"):
                socket.inet_aton(origin.host)


FORBIDDEN = listed("""
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 127.0.0.1 127.255.255.254 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255
198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 :: ::1 ::2 ::127.0.0.1 ::ffff:10.0.0.1
::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::127.0.0.1 64:ff9b:1::1 64:ff9b:1::8.8.8.8
100::1 2001::1 2001:0:7f00:1:: 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::1
2002:808:808::1 3fff::1 3fff:fff::1 5f00::1 fc00::1 fd12:3456::1 fe80::1 fe80::1%eth0 fe80::1%2 fec0::1 ff02::1
ff0e::1 2606:4700::1%eth0 4000::1 text 127.1 2130706433
""")


@pytest.mark.parametrize("address", FORBIDDEN)
def test_what_is_not_global_unicast_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    listed("""
8.8.8.8 93.184.215.14 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1 198.17.0.1 198.20.0.1 223.255.255.1
2606:4700::1 2a00:1450::1 2001:4860:4860::8888 2001:200::1 3ffe::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8
"""),
)
def test_what_is_global_unicast_is_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses())
def test_nothing_is_public_that_the_standard_library_knows_to_be_special(address: ipaddress.IPv4Address) -> None:
    bridged = ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::ffff:0:0/96")
    if is_public(str(address)) and not any(address in block for block in bridged):
        assert not (address.is_private or address.is_loopback or address.is_link_local or address.is_multicast)
        assert not (address.is_unspecified or address.is_reserved)


@pytest.mark.parametrize("host", INNER_SPELLINGS)
def test_no_spelling_of_an_inner_address_leads_anywhere(host: str) -> None:
    net = Net(names={"localhost": [["127.0.0.1", "::1"]], "mirror.example": [[PUBLIC]]})
    client = Client(resolver=net.resolver, connector=net.connector)
    with pytest.raises(UpstreamFailed) as refusal:
        client.fetch(UPSTREAM, f"http://{host}/x", max_bytes=10)
    assert net.connected == []
    assert set(net.lookups) <= {"localhost"}
    assert "not public" in str(refusal.value) or "cannot be asked for" in str(refusal.value)


@pytest.fixture(
    params=["127.0.0.1", "10.0.0.1", "::1", "::ffff:10.0.0.1", "fe80::1%eth0", "169.254.169.254", "64:ff9b::a00:1"]
)
def inner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("before", [[], [PUBLIC], [PUBLIC, "2606:4700::1"]])
@pytest.mark.parametrize("after", [[], [PUBLIC]])
def test_one_inner_address_spoils_the_answers(inner: str, before: list[str], after: list[str]) -> None:
    net = Net(names={"files.example": [[*before, inner, *after]]})
    client = Client(resolver=net.resolver, connector=net.connector)
    with pytest.raises(UpstreamFailed, match="an address that is not public") as refusal:
        client.fetch(UPSTREAM, "http://files.example/x", max_bytes=10)
    assert net.connected == []
    assert inner not in str(refusal.value)


def test_a_name_that_means_nothing_is_a_failure() -> None:
    net = Net(names={"empty.example": [[]]})
    client = Client(resolver=net.resolver, connector=net.connector)
    for host in ("unknown.example", "empty.example"):
        with pytest.raises(UpstreamFailed, match=f"^the upstream http://{host} cannot be reached: "):
            client.fetch(UPSTREAM, f"http://{host}/x", max_bytes=10)


def test_what_is_secret_does_not_show() -> None:
    upstream = Upstream("https://a.example", username="u", password="hunter2", proxy_password="hunter2")
    assert "hunter2" not in repr((upstream, Upstream("https://a.example", token="hunter2")))
    assert "hunter2" not in repr(upstream.way(upstream.origin, True))


@pytest.mark.parametrize(
    "more",
    [
        {"token": "t", "username": "u"},
        {"token": "t", "password": "u"},
        {"token": "hunter2\r\nX: y"},
        {"token": "hunter\u20ac"},
        {"token": " "},
        {"proxy": "https://proxy.example"},
        {"proxy": "socks5://proxy.example"},
    ],
)
def test_an_upstream_that_cannot_be_used_is_refused(more: dict[str, str]) -> None:
    with pytest.raises(InvalidName) as refusal:
        Upstream("https://a.example", **more)  # type: ignore[arg-type]
    assert "hunter" not in str(refusal.value)
