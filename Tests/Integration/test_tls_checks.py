"""What scanners of TLS servers look at: protocols, ciphers, groups, and the known attacks.

With OpenSSL's own client, and with handshakes by hand (`hellos.py`) for what that can't send.
"""

import contextlib
import re
import ssl
import subprocess

import certificates
import hellos
import pytest
from certificates import ManualClient, connect, settings
from conftest import shared
from hellos import TLS10, TLS11, TLS12, ask, hello, offer, record, records_of

# Mozilla's intermediate ciphers of TLS 1.2 with elliptic curves, by the kind of certificate.
CIPHERS = {
    "ec": {
        "ECDHE-ECDSA-AES128-GCM-SHA256": 0xC02B, "ECDHE-ECDSA-AES256-GCM-SHA384": 0xC02C,
        "ECDHE-ECDSA-CHACHA20-POLY1305": 0xCCA9,
    },
    "rsa": {
        "ECDHE-RSA-AES128-GCM-SHA256": 0xC02F, "ECDHE-RSA-AES256-GCM-SHA384": 0xC030,
        "ECDHE-RSA-CHACHA20-POLY1305": 0xCCA8,
    },
}
NUMBERS = [number for kind in CIPHERS.values() for number in kind.values()]
ANY_CIPHER = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
NONE = "Cipher is (NONE)"
# Alerts (RFC 8446 §6).
UNEXPECTED_MESSAGE, RECORD_OVERFLOW, HANDSHAKE_FAILURE = 10, 22, 40
DECODE_ERROR, PROTOCOL_VERSION, INAPPROPRIATE_FALLBACK = 50, 70, 86
# The name for which each kind of certificate is.
NAMES = {"ec": "localhost", "rsa": "rsa.test"}


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Returns a root's authority, and one that it has certified, which issues certificates."""
    root = certificates.Authority(tmp_path_factory.mktemp("root"), "Root of tests")
    return root, root.delegate("Intermediate of tests")


@pytest.fixture(scope="module")
def server(chain):
    """A server with a certificate of each kind, and the authority that issued them in its files."""
    files = []
    for kind, name in NAMES.items():
        paths = chain[1].issue(name, kind=kind)
        paths[0].write_bytes(paths[0].read_bytes() + chain[1].path.read_bytes())
        files.append(paths)
    (certificate, key), other = files
    with shared(
        *settings((certificate, key)), f"tls.certificates={other[0]}={other[1]}",
        args=["--tools"],
    ) as running:
        yield running


@pytest.fixture
def client(server, chain):
    """Runs OpenSSL's client. Returns its output, both streams."""
    def run(*options, sent="", name="localhost"):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"{server.host}:{server.port}", "-servername", name,
             "-CAfile", chain[0].path, *options],
            input=sent, capture_output=True, text=True, errors="replace", timeout=30)
        return done.stdout + done.stderr

    return run


# What OpenSSL's client reports

# Before TLS 1.3, the groups of a client have to include that of an ECDSA certificate's key.
RSA = ["-servername", NAMES["rsa"]]

REFUSED = {
    "TLS 1.0": ["-tls1", "-cipher", ANY_CIPHER],
    "TLS 1.1": ["-tls1_1", "-cipher", ANY_CIPHER],
    "a fallback from TLS 1.3": ["-tls1_2", "-fallback_scsv"],
    "P-521 in TLS 1.2": [*RSA, "-tls1_2", "-groups", "P-521"],
    "X448 in TLS 1.2": [*RSA, "-tls1_2", "-groups", "X448"],
    "Brainpool's curves in TLS 1.2": [*RSA, "-tls1_2", "-groups", "brainpoolP256r1"],
    "P-521 in TLS 1.3": ["-tls1_3", "-groups", "P-521"],
    "X448 in TLS 1.3": ["-tls1_3", "-groups", "X448"],
    "finite fields in TLS 1.3": ["-tls1_3", "-groups", "ffdhe2048:ffdhe3072"],
    "signatures with SHA-1": [
        "-tls1_2", "-sigalgs", "ECDSA+SHA1:RSA+SHA1", "-cipher", "ALL:@SECLEVEL=0"],
    "CCM in TLS 1.3": [
        "-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256"],
    "HTTP/2 alone": ["-alpn", "h2"],
    "SRP": ["-tls1_2", "-cipher", "SRP:@SECLEVEL=0", "-srpuser", "x", "-srppass", "pass:x"],
    "a key that both know": ["-tls1_2", "-cipher", "PSK:@SECLEVEL=0", "-psk", "00"],
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(client, what):
    assert NONE in client(*REFUSED[what])


ACCEPTED = {
    "TLS 1.2": (["-tls1_2"], ["New, TLSv1.2, Cipher is ECDHE-ECDSA-"]),
    "TLS 1.3": (["-tls1_3"], ["New, TLSv1.3, Cipher is TLS_"]),
    "the newest version by default": ([], ["New, TLSv1.3, "]),
    "TLS 1.2 from those that lack more": (["-no_tls1_3"], ["New, TLSv1.2, "]),
    "X25519 in TLS 1.2": (
        [*RSA, "-tls1_2", "-groups", "X25519"], ["Server Temp Key: X25519, 253 bits"]),
    "P-256 in TLS 1.2": (
        [*RSA, "-tls1_2", "-groups", "P-256"], ["Server Temp Key: ECDH, prime256v1"]),
    "P-384 in TLS 1.2": (
        [*RSA, "-tls1_2", "-groups", "P-384"], ["Server Temp Key: ECDH, secp384r1"]),
    "X25519 in TLS 1.3": (["-tls1_3", "-groups", "X25519"], ["Server Temp Key: X25519"]),
    "P-256 in TLS 1.3": (["-tls1_3", "-groups", "P-256"], ["Server Temp Key: ECDH, prime256v1"]),
    "P-384 in TLS 1.3": (["-tls1_3", "-groups", "P-384"], ["Server Temp Key: ECDH, secp384r1"]),
    # It asks for another key share (RFC 8446 §4.1.4).
    "a second ClientHello": (
        ["-tls1_3", "-groups", "P-521:X25519"], ["Server Temp Key: X25519"]),
    "each cipher of TLS 1.3, 128 bits": (
        ["-ciphersuites", "TLS_AES_128_GCM_SHA256"], ["Cipher is TLS_AES_128_GCM_SHA256"]),
    "each cipher of TLS 1.3, 256 bits": (
        ["-ciphersuites", "TLS_AES_256_GCM_SHA384"], ["Cipher is TLS_AES_256_GCM_SHA384"]),
    "each cipher of TLS 1.3, ChaCha20": (
        ["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
        ["Cipher is TLS_CHACHA20_POLY1305_SHA256"]),
    "the client's preference among the ciphers": (
        ["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256"],
        ["Cipher is ECDHE-ECDSA-CHACHA20-POLY1305"]),
    # CRIME
    "no compression": (["-tls1_2", "-comp"], ["Compression: NONE", "Expansion: NONE"]),
    "the renegotiation extension": (["-tls1_2"], ["Secure Renegotiation IS supported"]),
    "the extended master secret": (["-tls1_2"], ["Extended master secret: yes"]),
    "no fallback where there is none": (
        ["-tls1_3", "-fallback_scsv"], ["New, TLSv1.3, "]),
    "HTTP/1.1 by ALPN": (["-alpn", "h2,http/1.1"], ["ALPN protocol: http/1.1"]),
    "no ALPN": ([], ["No ALPN negotiated"]),
    "no NPN": (["-tls1_2", "-nextprotoneg", "http/1.1,h2"], ["No ALPN negotiated"]),
    "no OCSP response": (["-status"], ["OCSP response: no response sent"]),
    "the chain, but not its root": (
        ["-showcerts"], ["Verify return code: 0 (ok)", "0 s:CN = localhost", " 1 s:CN = Interm"]),
    "no request for a certificate": ([], ["No client certificate CA names sent"]),
    "no early data": (["-tls1_3"], ["Max Early Data: 0"]),
    "a ticket in TLS 1.2": (["-tls1_2"], ["TLS session ticket lifetime hint: 43200 (seconds)"]),
    "a ticket in TLS 1.3": (["-tls1_3"], ["TLS session ticket lifetime hint: 43200 (seconds)"]),
    # A small limit that a client asks for (RFC 6066 §4).
    "small records": (["-tls1_2", "-maxfraglen", "512"], ["New, TLSv1.2, "]),
}


@pytest.mark.parametrize("what", ACCEPTED)
def test_accepted(client, what):
    options, words = ACCEPTED[what]
    # TLS 1.3's ticket follows the handshake, so the output waits for an answer.
    output = client(
        "-ign_eof", *options,
        sent="GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    for word in words:
        assert word in output
    assert "HTTP/1.1 200 OK" in output
    assert "Next protocol" not in output


@pytest.mark.parametrize("kind", CIPHERS)
def test_all_ciphers_of_openssl(client, kind):
    """Offers all of them, and again without the one that was chosen, until all are refused."""
    found = set()
    while True:
        offered = ":".join([ANY_CIPHER, *(f"!{one}" for one in found)])
        output = client("-tls1_2", "-cipher", offered, name=NAMES[kind])
        if NONE in output:
            break
        found.add(re.search(r"Cipher is (\S+)", output)[1])
        assert "Server Temp Key: X25519" in output, "without forward secrecy"
        assert f"s:CN = {NAMES[kind]}" in output
    assert found == set(CIPHERS[kind])


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_sessions_are_resumed_by_tickets_only(client, tmp_path, version):
    session = tmp_path / "session.pem"
    request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    def outcome(*options):
        output = client(version, "-ign_eof", *options, sent=request)
        assert "HTTP/1.1 200 OK" in output
        return re.search(r"^(New|Reused), TLS", output, re.MULTILINE)[1]

    assert outcome("-sess_out", session) == "New"
    assert outcome("-sess_in", session) == "Reused"
    # Without a ticket, the server stores nothing that could be resumed.
    if version == "-tls1_2":
        assert outcome("-no_ticket", "-sess_out", session) == "New"
        assert outcome("-no_ticket", "-sess_in", session) == "New"


def allow_early_data(path):
    """Lets OpenSSL's client believe that a session allows early data: its file gets the number
    max_early_data.
    """
    name = "SSL SESSION PARAMETERS"
    encoded = ssl.PEM_cert_to_DER_cert(path.read_text().replace(name, "CERTIFICATE"))
    assert encoded[:2] == b"\x30\x82"
    at, parts = 4, []
    while at < len(encoded):
        size, head = encoded[at + 1], 2
        if size & 0x80:
            head = 2 + (size & 0x7F)
            size = int.from_bytes(encoded[at + 2 : at + head], "big")
        parts.append(encoded[at : at + head + size])
        at += head + size
    # The field [15] EXPLICIT INTEGER, before those with a higher tag.
    field = b"\xaf\x04\x02\x02\x40\x00"
    assert field[0] not in [part[0] for part in parts]
    place = sum(part[0] < 0xA0 or part[0] < field[0] for part in parts)
    body = b"".join([*parts[:place], field, *parts[place:]])
    encoded = b"\x30\x82" + len(body).to_bytes(2, "big") + body
    path.write_text(ssl.DER_cert_to_PEM_cert(encoded).replace("CERTIFICATE", name))


def test_early_data_is_not_accepted(client, tmp_path):
    """Whoever records it could repeat the request (RFC 8446 §8)."""
    session, early = tmp_path / "session.pem", tmp_path / "early.txt"
    request = "GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n"
    last = request.format("/healthz", "Connection: close\r\n")
    assert "200 OK" in client("-tls1_3", "-ign_eof", "-sess_out", session, sent=last)
    early.write_text(request.format("/nowhere", ""))
    allow_early_data(session)
    output = client(
        "-tls1_3", "-ign_eof", "-sess_in", session, "-early_data", early, sent=last)
    assert "Early data was rejected" in output
    assert "Reused, TLSv1.3" in output
    assert "HTTP/1.1 200 OK" in output and "404" not in output


# Handshakes by hand


def test_any_cipher_that_may_ever_be_defined(server):
    """Offers all 65,536 numbers, in some hellos, and again without those that were chosen."""
    signals = {hellos.RENEGOTIATION_SIGNAL, hellos.FALLBACK_SIGNAL}
    for kind, name in NAMES.items():
        found = set()
        for begin in range(0, 1 << 16, 7_000):
            offered = set(range(begin, min(begin + 7_000, 1 << 16))) - signals
            while True:
                answer = offer(server, ciphers=sorted(offered), name=name)
                if answer.alert:
                    assert answer.alert == HANDSHAKE_FAILURE
                    break
                assert answer.version == TLS12 and answer.cipher in offered
                offered.remove(answer.cipher)
                found.add(answer.cipher)
        assert found == set(CIPHERS[kind].values())


@pytest.mark.parametrize("version", [hellos.SSL3, TLS10, TLS11])
def test_old_versions(server, version):
    """As the highest version, also with ciphers of today, and in the extension of TLS 1.3."""
    ciphers = [*NUMBERS, 0xC009, 0xC013, 0x002F, 0x000A, 0x0005]
    answer = offer(server, version=version, ciphers=ciphers)
    assert answer.alert in (PROTOCOL_VERSION, HANDSHAKE_FAILURE) and not answer.cipher
    extension = hellos.vector(hellos.numbers([version]), 1)
    answer = offer(server, ciphers=ciphers, extensions=[(hellos.VERSIONS, extension)])
    assert answer.alert == PROTOCOL_VERSION and not answer.cipher


def test_ssl_2(server):
    body = b"\x01\x00\x02\x00\x03\x00\x00\x00\x10\x07\x00\xc0" + bytes(16)
    answer = ask(server, (0x8000 | len(body)).to_bytes(2, "big"), body)
    assert not answer.cipher


@pytest.mark.parametrize("version", [0x0303, 0x0304, 0x0399, 0x7F12, 0xFFFF])
def test_versions_of_the_future(server, version):
    """A server answers with its own (RFC 5246 §E.1), and a mark of the downgrade (RFC 8446 §4.1.3).
    """
    answer = offer(server, version=version, ciphers=NUMBERS)
    assert answer.version == TLS12 and answer.cipher in NUMBERS
    assert answer.random.endswith(b"DOWNGRD\x01")


def test_what_is_unknown_is_ignored(server):
    grease = hellos.GREASE
    answer = offer(
        server, name=NAMES["rsa"], ciphers=[grease, *NUMBERS],
        extensions=[
            (grease, b""), (0x3A3A, b"\0"),
            (hellos.GROUPS, hellos.vector(hellos.numbers([grease, hellos.P384]), 2)),
            (hellos.SIGNATURES,
             hellos.vector(hellos.numbers([grease, *hellos.SIGNATURE_SCHEMES]), 2)),
            (hellos.VERSIONS, hellos.vector(hellos.numbers([grease, TLS12]), 1)),
        ])
    assert answer.version == TLS12 and answer.group == hellos.P384
    assert grease not in answer.extensions


def test_compression_is_not_chosen(server):
    """CRIME: neither deflate nor LZS."""
    answer = offer(server, ciphers=NUMBERS, compressions=b"\x01\x40\x00")
    assert answer.cipher and answer.compression == 0
    # All must offer none (RFC 5246 §7.4.1.2).
    answer = offer(server, ciphers=NUMBERS, compressions=b"\x01")
    assert answer.alert and not answer.cipher


@pytest.mark.parametrize("way", ["extension", "signal"])
def test_secure_renegotiation_is_announced(server, way):
    """Clients that know it refuse a server that doesn't (RFC 5746)."""
    options = {"ciphers": NUMBERS}
    if way == "signal":
        options = {"ciphers": [*NUMBERS, hellos.RENEGOTIATION_SIGNAL],
                   "without": [hellos.RENEGOTIATION]}
    answer = offer(server, **options)
    assert answer.extensions[hellos.RENEGOTIATION] == b"\0"


def test_a_fallback(server):
    answer = offer(server, ciphers=[*NUMBERS, hellos.FALLBACK_SIGNAL])
    assert answer.alert == INAPPROPRIATE_FALLBACK


def test_the_extended_master_secret(server):
    answer = offer(server, ciphers=NUMBERS, extensions=[(hellos.MASTER_SECRET, b"")])
    assert answer.extensions[hellos.MASTER_SECRET] == b""


def test_no_heartbeat(server):
    """Heartbleed: neither the extension is accepted, nor the record."""
    first = records_of(hello(ciphers=NUMBERS, extensions=[(hellos.HEARTBEATS, b"\x01")]))
    with server.connect() as sock:
        sock.sendall(first)
        answer = hellos.read_answer(sock)
        assert answer.cipher and hellos.HEARTBEATS not in answer.extensions
        sock.sendall(record(hellos.HEARTBEAT, b"\x01\x40\x00"))
        answer = hellos.read_answer(sock)
    assert answer.alert == UNEXPECTED_MESSAGE and not answer.other


def test_an_early_change_of_the_cipher(server):
    """CVE-2014-0224: it must not be accepted before the key exchange."""
    with server.connect() as sock:
        sock.sendall(records_of(hello(ciphers=NUMBERS)))
        assert hellos.read_answer(sock).cipher
        sock.sendall(record(hellos.CHANGE_CIPHER_SPEC, b"\x01"))
        assert hellos.read_answer(sock).alert == UNEXPECTED_MESSAGE


def test_the_session_identifier_of_a_client_is_not_extended(server):
    """Ticketbleed: a server that resumes repeats its bytes, and no more; others send their own."""
    answer = offer(server, ciphers=NUMBERS, session=b"\x01", extensions=[
        (hellos.TICKET, b"\x2a" * 64)])
    assert answer.cipher and answer.session == b""
    assert answer.extensions[hellos.TICKET] == b""


@pytest.mark.parametrize(
    ("version", "size"),
    [
        (ssl.TLSVersion.TLSv1_2, (1 << 14) + 2_049), (ssl.TLSVersion.TLSv1_2, 65_535),
        (ssl.TLSVersion.TLSv1_3, (1 << 14) + 257), (ssl.TLSVersion.TLSv1_3, 65_535),
    ],
)
def test_records_that_are_too_big(server, chain, version, size):
    """After the handshake (RFC 5246 §6.2.3, RFC 8446 §5.2)."""
    manual = ManualClient(chain[0].context(minimum_version=version, maximum_version=version))
    with server.connect() as sock:
        manual.shake_hands(sock)
        sock.sendall(record(hellos.DATA, bytes(size)))
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(65_536):
                manual.incoming.write(piece)
    with pytest.raises(ssl.SSLError, match="(?i)record.overflow"):
        manual.tls.read(1)


@pytest.mark.parametrize("size", [16_385, 65_535])
def test_handshake_records_that_are_too_big(server, size):
    answer = ask(server, record(hellos.HANDSHAKE, hello(ciphers=NUMBERS).ljust(size, b"\0"), TLS10))
    assert not answer.cipher and (answer.alert or answer.ended)


def test_a_damaged_hello(server):
    # The lengths of the extensions disagree.
    answer = ask(server, records_of(hello(ciphers=NUMBERS)[:-5] + b"\xff" * 5))
    assert answer.alert == DECODE_ERROR


def test_plain_text(server):
    with server.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while piece := sock.recv(65_536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_the_certificate_is_that_of_the_name(server, chain):
    context = chain[0].context(check_hostname=False)
    for name, expected in [("localhost", "localhost"), ("rsa.test", "rsa.test"),
                           ("unknown.test", "localhost"), (None, "localhost")]:
        with connect(server, context, name) as connection:
            assert dict(*connection.getpeercert()["subject"])["commonName"] == expected
