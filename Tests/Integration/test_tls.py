"""TLS on the public listeners, with Python's `ssl` and OpenSSL's own client."""

import asyncio
import contextlib
import os
import re
import socket
import ssl
import subprocess

import apus
import certificates
import pytest
from certificates import Authority, ManualClient, ask, connect, settings
from websockets.asyncio.client import connect as websockets_connect
from wire import BINARY, CLOSE, TEXT, Wire, frame, upgrade_request


def openssl_client(server, *options, sent=""):
    """Returns the output of `openssl s_client`, both streams."""
    result = subprocess.run(
        ["openssl", "s_client", "-connect", f"{server.host}:{server.port}", *options],
        input=sent, capture_output=True, text=True, errors="replace", timeout=10,
    )
    return result.stdout + result.stderr


def echo(server, context, *messages, **options):
    """Sends messages one by one, and expects them back.

    With asyncio, since the client with threads uses the connection from two threads at once, and
    Python's `ssl` loses data then.
    """
    async def talk():
        async with websockets_connect(
            f"wss://localhost:{server.port}/echo", ssl=context, proxy=None, max_size=None,
            ping_interval=None, **options,
        ) as client:
            for message in messages:
                await client.send(message)
                assert await asyncio.wait_for(client.recv(), 5) == message

    asyncio.run(talk())


def wire(server, context, path="/ws", **options):
    """Returns an upgraded connection over TLS."""
    wire = Wire(connect(server, context, **options))
    wire.send(upgrade_request(path, f"localhost:{server.port}"))
    assert wire.response().status == 101
    return wire


# The handshake


def test_the_ready_line_names_https(secure):
    server = secure()
    assert f"listening on https://{server.authority}" in server.stdout.text()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_and_messages(secure, authority, version):
    server = secure(args=["--tools"])
    context = authority.context(minimum_version=version, maximum_version=version)
    with connect(server, context) as connection:
        assert connection.version() == version.name.replace("_", ".")
        assert ask(connection).startswith(b"HTTP/1.1 200")
    echo(server, context, "hello", "x" * 100_000, compression=None)


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(secure, version):
    server = secure()
    output = openssl_client(server, version, "-cipher", "ALL:@SECLEVEL=0")
    assert "Cipher is (NONE)" in output
    assert "Session-ID: \n" in output


def test_the_lowest_version_may_be_raised(secure, authority):
    server = secure("tls.min_version=1.3")
    with connect(server, authority.context()) as connection:
        assert connection.version() == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        connect(server, authority.context(maximum_version=ssl.TLSVersion.TLSv1_2))


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256"])
def test_other_ciphers_than_mozillas_are_refused(secure, cipher):
    output = openssl_client(secure(), "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert "Cipher is (NONE)" in output


@pytest.mark.parametrize(
    "cipher", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"])
def test_mozillas_ciphers_are_accepted(secure, cipher):
    assert f"Cipher is {cipher}" in openssl_client(secure(), "-tls1_2", "-cipher", cipher)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(None, None), (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1")],
)
def test_alpn_chooses_http_1(secure, authority, offered, chosen):
    context = authority.context()
    if offered:
        context.set_alpn_protocols(offered)
    with connect(secure(), context) as connection:
        assert connection.selected_alpn_protocol() == chosen


def test_clients_of_other_protocols_are_refused(secure, authority):
    context = authority.context()
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        connect(secure(), context)


# Certificates


def test_the_name_chooses_the_certificate(start, authority, localhost):
    rsa = authority.issue("example.org", kind="rsa")
    star = authority.issue("*.example.com")
    server = start(*settings(localhost), f"tls.certificates={rsa[0]}={rsa[1]}, {star[0]}={star[1]}")
    context = authority.context(check_hostname=False)
    for name, subject in [
        ("localhost", "localhost"), ("example.org", "example.org"), ("EXAMPLE.ORG", "example.org"),
        ("chat.example.com", "*.example.com"), ("example.com", "localhost"),
        ("a.b.example.com", "localhost"), ("unknown.test", "localhost"),
    ]:
        with connect(server, context, name) as connection:
            assert dict(*connection.getpeercert()["subject"])["commonName"] == subject, name
    with connect(server, context, None) as connection:
        assert dict(*connection.getpeercert()["subject"])["commonName"] == "localhost"


def test_the_chain_is_sent(start, authority, tmp_path):
    paths = authority.issue("localhost", file="chained")
    chain = tmp_path / "chain.pem"
    chain.write_bytes(paths[0].read_bytes() + authority.path.read_bytes())
    server = start(*settings((chain, paths[1])))
    output = openssl_client(server, "-showcerts")
    assert output.count("BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed(start, authority, localhost, version):
    other = authority.issue("example.org", file="resumed")
    server = start(*settings(localhost), f"tls.certificates={other[0]}={other[1]}")
    context = authority.context(minimum_version=version, maximum_version=version)
    for name in ("localhost", "example.org"):
        with connect(server, context, name) as first:
            assert ask(first)
            session = first.session
        with connect(server, context, name, session=session) as second:
            assert second.session_reused
            assert ask(second).startswith(b"HTTP/1.1 200")


def test_client_certificates(start, authority, localhost, tmp_path):
    client = authority.issue("client")
    stranger = Authority(tmp_path, "Somebody else").issue("stranger")
    server = start(*settings(localhost), f"tls.client_ca={authority.path}")
    context = authority.context(client=client)
    with connect(server, context) as connection:
        assert ask(connection).startswith(b"HTTP/1.1 200")
        session = connection.session
    with connect(server, context, session=session) as connection:
        assert connection.session_reused
        assert ask(connection).startswith(b"HTTP/1.1 200")
    for certificate in (None, stranger):
        with pytest.raises(ssl.SSLError), connect(
            server, authority.context(client=certificate)
        ) as connection:
            # With TLS 1.3, the client learns of it only now.
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert not connection.recv(1)
    optional = start(
        *settings(localhost), f"tls.client_ca={authority.path}", "tls.client_auth=optional")
    with connect(optional, authority.context()) as connection:
        assert ask(connection).startswith(b"HTTP/1.1 200")
    with pytest.raises(ssl.SSLError), connect(
        optional, authority.context(client=stranger)
    ) as connection:
        assert not connection.recv(1)


# Files


def configuration_errors(*others, status=78):
    arguments = [word for setting in others for word in ("--set", setting)]
    result = apus.run("serve", "--port", "0", *arguments)
    assert result.returncode == status, result
    return result.stderr


def test_errors_of_files(authority, localhost, tmp_path):
    certificate, key = localhost
    other = authority.issue("other")
    encrypted = tmp_path / "encrypted.key"
    subprocess.run(
        ["openssl", "ec", "-in", key, "-out", encrypted, "-aes256", "-passout", "pass:secret"],
        check=True, capture_output=True)
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")
    for given, key_name, problem in [
        ((tmp_path / "none.pem", key), "tls.certificate", "can't be read: No such file"),
        ((certificate, tmp_path / "none.key"), "tls.key", "can't be read: No such file"),
        ((empty, key), "tls.certificate", "no certificate is in it"),
        ((certificate, empty), "tls.key", "no private key is in it"),
        ((certificate, encrypted), "tls.key", "is encrypted, which isn't supported"),
        ((certificate, other[1]), "tls.key", f"isn't that of the certificate in {certificate}"),
    ]:
        error = configuration_errors(*settings(given))
        assert "1 error in the configuration" in error
        assert re.search(rf"--set: {key_name}: .*{re.escape(problem)}", error), error
    error = configuration_errors(*settings(localhost), f"tls.client_ca={empty}")
    assert f"--set: tls.client_ca: {empty}: can't be read" in error
    error = configuration_errors(*settings(localhost), f"tls.certificates={certificate}={other[1]}")
    assert "--set: tls.certificates: " in error


def test_half_a_configuration_is_an_error(localhost):
    assert "needs its key: set tls.key" in configuration_errors(f"tls.certificate={localhost[0]}")
    assert "needs a certificate: set tls.certificate" in configuration_errors(
        f"tls.key={localhost[1]}")


def test_the_place_of_an_error_is_named(tmp_path):
    file = tmp_path / "apus.yaml"
    file.write_text("tls:\n  certificate: nowhere.pem\n  key: nowhere.key\n")
    result = apus.run("config", "check", "--config", str(file))
    assert result.returncode == 78
    assert f"{file}:2: tls.certificate: nowhere.pem: can't be read" in result.stderr


def test_an_expired_certificate_is_a_warning(start, authority):
    day = certificates.DAY
    for begin, end, words in [(-3 * day, -2 * day, "expired on"), (day, 2 * day, "valid only from")]:
        server = start(*settings(authority.issue("localhost", file="old", begin=begin, end=end)))
        assert words in server.stderr.text()
        with connect(server, authority.context(check_hostname=False, verify_mode=0)) as client:
            assert ask(client).startswith(b"HTTP/1.1 200")


def test_a_certificate_for_development(start, tmp_path):
    folder = tmp_path / "tls"
    result = apus.run("dev-certificate", "--out", str(folder))
    assert result.returncode == 0, result
    paths = folder / "certificate.pem", folder / "key.pem"
    assert paths[1].stat().st_mode & 0o777 == 0o600
    assert f"certificate: {paths[0]}" in result.stdout
    context = ssl.create_default_context(cafile=paths[0])
    server = start(*settings(paths))
    for name in ("localhost", "127.0.0.1"):
        with connect(server, context, name) as connection:
            assert ask(connection).startswith(b"HTTP/1.1 200")
    again = apus.run("dev-certificate", "--out", str(folder))
    assert again.returncode == 1
    assert "exists already" in again.stderr
    named = apus.run("dev-certificate", "--out", str(folder), "--force", "--name", "chat.test")
    assert named.returncode == 0, named
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(start(*settings(paths)), ssl.create_default_context(cafile=paths[0]))


# Traffic


def test_a_large_message_to_a_late_reader(secure, authority):
    server = secure("limits.outbox.max=64MiB", "limits.message.max=16MiB", args=["--tools"])
    payload = os.urandom(8 << 20)
    client = wire(server, authority.context(), "/echo")
    client.send(frame(BINARY, payload))
    received = client.frame()
    assert received.payload == payload
    client.socket.close()


def test_many_small_messages_in_one_record(secure, authority):
    with wire(secure(args=["--tools"]), authority.context(), "/echo") as client:
        count = 1_000
        client.send(b"".join(frame(TEXT, b"%d" % number) for number in range(count)))
        assert [int(client.frame().payload) for _ in range(count)] == list(range(count))


def test_compression_over_tls(secure, authority):
    server = secure(args=["--tools"])
    echo(server, authority.context(), "many words " * 10_000, compression="deflate")


def test_records_of_one_byte(secure, authority):
    """Neither a handshake nor a message depends on how its bytes arrive."""
    server = secure()
    plain = server.connect()
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = ManualClient(authority.context())

    def bytewise(plain, data):
        for byte in data:
            plain.send(bytes([byte]))

    with plain:
        client.shake_hands(plain, bytewise)
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        plain.sendall(b"".join(client.encrypt(bytes([byte])) for byte in request))
        answer = b""
        while piece := plain.recv(65_536):
            client.incoming.write(piece)
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                while text := client.tls.read(65_536):
                    answer += text
        assert answer.startswith(b"HTTP/1.1 200")


def test_the_end_is_announced(secure, authority):
    """The server sends close_notify: Python reports an end without it as an error."""
    server = secure()
    with connect(server, authority.context(), "localhost") as connection:
        connection.sendall(
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while connection.recv(65_536):
            pass


def test_a_truncated_message_is_not_delivered(secure, authority):
    server = secure(args=["--tools"])
    client = wire(server, authority.context(), "/echo")
    client.send(frame(TEXT, b"x" * 1_000)[:500])
    client.socket.close()
    with wire(server, authority.context(), "/echo") as other:
        other.send(frame(TEXT, b"hello"))
        assert other.frame().payload == b"hello"


def test_a_stop_sends_close_frames(secure, authority):
    server = secure(args=["--tools"])
    clients = [wire(server, authority.context(), "/echo") for _ in range(5)]
    server.signal(15)
    for client in clients:
        assert client.frame().code == 1012
        client.send(frame(CLOSE, b"\x03\xf4"))
        client.socket.close()
    server.stop()


def test_many_connections(secure, authority):
    server = secure("server.loops=2", args=["--tools"])
    context = authority.context()
    clients = [wire(server, context, "/echo") for _ in range(200)]
    for number, client in enumerate(clients):
        client.send(frame(TEXT, b"%d" % number))
    for number, client in enumerate(clients):
        assert client.frame().payload == b"%d" % number
        client.socket.close()


def test_a_unix_domain_socket(start, localhost, authority, tmp_path):
    path = str(tmp_path / "apus.sock")
    server = start(*settings(localhost), f"server.socket={path}")
    assert f"listening on https+unix:{path}" in server.stdout.text()
    plain = socket.socket(socket.AF_UNIX)
    plain.connect(path)
    with authority.context().wrap_socket(plain, server_hostname="localhost") as connection:
        assert ask(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("cut", [0, 10, 40])
def test_the_proxy_protocol_comes_before_tls(secure, authority, cut):
    server = secure("server.proxy_protocol=required", "limits.connections.per_address=1")
    client = ManualClient(authority.context())
    with server.connect() as plain:
        header = b"PROXY TCP4 192.0.2.1 127.0.0.1 1000 443\r\n"
        hello = client.hello()
        data = header + hello
        plain.sendall(data[:cut])
        plain.sendall(data[cut:])
        client.incoming.write(plain.recv(65_536))
        client.shake_hands(plain)
        plain.sendall(client.encrypt(upgrade_request()))
        answer = b""
        while b"\r\n\r\n" not in answer:
            client.incoming.write(plain.recv(65_536))
            with contextlib.suppress(ssl.SSLWantReadError):
                answer += client.tls.read(65_536)
        assert answer.startswith(b"HTTP/1.1 101")


def test_apus_connect_over_tls(secure, authority):
    server = secure()
    url = f"wss://localhost:{server.port}/ws"

    def talk(*options, trusting=True):
        trust = {"SSL_CERT_FILE": str(authority.path)} if trusting else {}
        return subprocess.run(
            [apus.binary(), "connect", url, *options], input="hello\n", capture_output=True,
            text=True, timeout=10, env=apus.clean_environment(**trust))

    assert talk().stdout == "Message received: hello\n"
    assert talk("--insecure", trusting=False).stdout == "Message received: hello\n"
    refused = talk(trusting=False)
    assert refused.returncode == 1
    assert "the certificate is refused" in refused.stderr
    assert "SSL_CERT_FILE" in refused.stderr
