"""Clients behind proxies: their addresses in the server's limits and in its log."""

import re
import socket
import struct
import subprocess

import pytest
from apus import ROOT, binary
from wire import BINARY, CLOSE, Ended, Wire, frame, upgrade_request

PEER = re.compile(r"peer=(\S+)")
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


# A client that is refused with 1008 doesn't answer, and counts until it is closed.
ONE_EACH = ("limits.connections.per_address=1", "limits.close.timeout=1h")


def held(
    server, forwarded=None, *, sock=None, source="127.0.0.1", first=b"", name="X-Forwarded-For"
):
    """Opens a connection that stays open. Returns it, and whether it is a WebSocket or how it was
    refused.
    """
    wire = Wire(sock or server.connect(source_address=(source, 0)))
    headers = {name: forwarded} if forwarded else {}
    wire.send(first + upgrade_request(**headers))
    response = wire.response()
    if response.status != 101:
        return wire, response.status
    wire.send_text("x")
    received = wire.frame()
    return wire, received.code if received.opcode == CLOSE else "open"


def assert_one_each(server, *attempts):
    """With attempts of two clients in turn, each has its own limit of one connection."""
    wires = []
    outcomes = []
    for attempt in attempts:
        wire, outcome = held(server, **attempt)
        wires.append(wire)
        outcomes.append(outcome)
    for wire in wires:
        wire.close()
    # An eighth of one is one more, which is refused with 1008. A third one is refused before the
    # upgrade.
    assert outcomes == ["open", "open", 1008, 1008, 503]


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded"])
def test_clients_of_a_trusted_proxy_have_their_own_limits(start, name):
    server = start(
        *ONE_EACH, "proxies.trusted=127.0.0.0/8",
        f"proxies.header={name.lower()}",
    )
    form = "for={};proto=https" if name == "Forwarded" else "{}"
    # Text before the nearest hop was written by the client.
    first, second, third, fourth, fifth = (
        {"forwarded": form.format(hops), "name": name}
        for hops in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.2", "192.0.2.1")
    )
    third["forwarded"] = f"{form.format('203.0.113.5')}, {third['forwarded']}"
    fourth["forwarded"] = f"garbage, {fourth['forwarded']}, {form.format('127.0.0.9')}"
    assert_one_each(server, first, second, third, fourth, fifth)


def test_an_untrusted_proxy_is_not_believed(start):
    server = start(*ONE_EACH, "proxies.trusted=127.0.0.9, 10.0.0.0/8")
    assert_one_each(
        server,
        {"forwarded": "192.0.2.1"},
        {"forwarded": "192.0.2.2", "source": "127.0.0.2"},
        {"forwarded": "192.0.2.3"},
        {"forwarded": "10.0.0.1", "source": "127.0.0.2"},
        {"forwarded": "192.0.2.4"},
    )


def test_the_clients_of_a_proxy_on_a_unix_socket_are_known(start, tmp_path):
    path = str(tmp_path / "apus")
    server = start(
        f"server.socket={path}", "proxies.trusted=unix", *ONE_EACH
    )

    def connected():
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(5)
        sock.connect(path)
        return sock

    addresses = ["192.0.2.1", "2001:db8::1", "192.0.2.1", "2001:db8::ffff", "192.0.2.1"]
    assert_one_each(server, *({"forwarded": a, "sock": connected()} for a in addresses))


def test_the_log_has_the_address_of_the_client(start):
    server = start("log.level=debug", "proxies.trusted=127.0.0.1")
    for source, expected in (("127.0.0.1", "192.0.2.7"), ("127.0.0.2", "127.0.0.2")):
        logged = len(server.stderr.lines)
        wire, outcome = held(server, "203.0.113.1, 192.0.2.7", source=source)
        assert outcome == "open"
        with wire:
            wire.send(frame(BINARY, b"unmasked", masked=False))
            wire.expect_failure(1002)
        assert peer_logged(server, logged, "connection failed").partition(":")[0] == expected


def peer_logged(server, since, message):
    """Returns the peer in the first line of the log, from a line on, that contains a message."""

    def found(lines):
        return next((line for line in lines[since:] if message in line), None)

    line = server.stderr.wait_for(found, 30)
    assert line, server.stderr.text()
    return PEER.search(line)[1]


# PROXY protocol


def v1(address):
    return f"PROXY TCP4 {address} 127.0.0.1 4711 80\r\n".encode()


def v2(address, additional=b"\x04\x00\x03abc"):
    addresses = socket.inet_aton(address) + socket.inet_aton("127.0.0.1")
    rest = addresses + struct.pack(">HH", 4711, 80) + additional
    return SIGNATURE + b"\x21\x11" + struct.pack(">H", len(rest)) + rest


@pytest.mark.parametrize("header", [v1, v2])
def test_clients_named_by_the_proxy_protocol_have_their_own_limits(start, header):
    server = start(
        *ONE_EACH, "proxies.trusted=127.0.0.1",
        "server.proxy_protocol=required",
    )
    # The client's own header field is ignored, because the client isn't a trusted proxy.
    assert_one_each(
        server,
        *(
            {"first": header(address), "forwarded": f"203.0.113.{number}"}
            for number, address in enumerate(["192.0.2.1", "192.0.2.2"] * 2 + ["192.0.2.1"])
        ),
    )


def test_a_proxy_that_speaks_for_itself_counts_as_the_client(start):
    server = start("proxies.trusted=127.0.0.1", "server.proxy_protocol=required")
    for local in (SIGNATURE + b"\x20\x00\x00\x00", b"PROXY UNKNOWN\r\n"):
        with Wire(server.connect()) as wire:
            wire.send(local + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert wire.response().status == 200


@pytest.mark.parametrize(
    "first, reason",
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "begin with the signature"),
        (SIGNATURE[:-1] + b"\r", "begin with the signature"),
        (SIGNATURE + b"\x31", "version or command"),
        (SIGNATURE + b"\x21\x11\x00\x04", "too short"),
        (SIGNATURE + b"\x21\x11\x02\x09", "longer than allowed"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "malformed"),
    ],
    ids=["HTTP", "signature", "version", "short", "long", "line"],
)
def test_an_invalid_header_is_closed_at_once_and_logged(start, first, reason):
    server = start("server.proxy_protocol=required", "limits.handshake.timeout=1h")
    assert server.stderr.wait_for(
        lambda lines: any("no proxies are trusted" in line for line in lines), 30
    ), "whoever connects is believed, and nothing says so"
    with Wire(server.connect()) as wire:
        wire.send(first)
        assert wire.ends() == b""
    assert server.stderr.wait_for(lambda lines: any(reason in line for line in lines), 30)


def test_an_untrusted_proxy_is_refused(start):
    server = start("server.proxy_protocol=required", "proxies.trusted=127.0.0.9")
    with Wire(server.connect()) as wire, pytest.raises((Ended, OSError)):
        wire.send(v1("192.0.2.1") + upgrade_request())
        wire.response()
    line = server.stderr.wait_for(
        lambda lines: next((line for line in lines if "not a trusted proxy" in line), None), 30
    )
    assert PEER.search(line)[1].startswith("127.0.0.1")
    with Wire(server.connect(source_address=("127.0.0.9", 0))) as wire:
        wire.send(v1("192.0.2.1") + upgrade_request())
        assert wire.response().status == 101


# The files in `config`


def span(text):
    """Parses the seconds of a value such as `30s`."""
    number, unit = re.fullmatch(r"(\d+)(s|m|h)", text).groups()
    return int(number) * {"s": 1, "m": 60, "h": 3_600}[unit]


def default(section, key):
    text = (ROOT / "config/apus.yaml").read_text()
    return span(re.search(rf"^{section}:\n(?:  .*\n)*?  {key}: (\S+)$", text, re.MULTILINE)[1])


@pytest.mark.parametrize(
    "file, timeout",
    [("haproxy.cfg", r"timeout tunnel (\S+)"), ("nginx.conf", r"proxy_read_timeout (\S+);")],
)
def test_a_proxy_waits_longer_than_the_heartbeat(file, timeout):
    waits = span(re.search(timeout, (ROOT / "config" / file).read_text())[1])
    assert waits > default("heartbeat", "interval") + default("heartbeat", "timeout")


def test_the_service_is_valid_and_stops_no_earlier_than_the_server_may(program, tmp_path):
    text = (ROOT / "config/apus.service").read_text()
    stops = span(re.search(r"^TimeoutStopSec=(\S+)$", text, re.MULTILINE)[1])
    assert stops > default("drain", "delay") + default("drain", "deadline") + 5
    verify = program("systemd-analyze", package="systemd")
    unit = tmp_path / "apus.service"
    assert "ExecStart=/usr/bin/apus serve" in text
    text = text.replace("/usr/bin/apus", binary())
    # As shipped, and with all of its optional lines.
    for chosen in (text, re.sub("^#(?=LoadCredential|Environment)", "", text, flags=re.MULTILINE)):
        unit.write_text(chosen)
        result = subprocess.run(
            [verify, "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60
        )
        assert (result.returncode, result.stderr) == (0, "")
