"""Certificates of an authority for the tests of TLS, and clients that trust it."""

import contextlib
import datetime
import ipaddress
import socket
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PEM = serialization.Encoding.PEM
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


class Authority:
    """An authority that issues certificates into a folder. It has certified itself, unless there is
    a `parent`.
    """

    def __init__(self, folder, name="Authority of tests", parent=None):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = (parent or self)._sign(
            self.name, self.key, x509.BasicConstraints(ca=True, path_length=None), [], -DAY, DAY)
        self.path = folder / f"{name.replace(' ', '-')}.pem"
        self.path.write_bytes(self.certificate.public_bytes(PEM))

    def _sign(self, subject, key, constraints, names, begin, end):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject).issuer_name(self.name).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + begin).not_valid_after(NOW + end)
            .add_extension(constraints, critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def delegate(self, name):
        """Returns an authority that this one has certified."""
        return Authority(self.folder, name, parent=self)

    def issue(self, *names, kind="ec", begin=-DAY, end=DAY, file=None, padding=0):
        """Returns the paths of a certificate and its key. `padding` makes it large."""
        key = (
            ec.generate_private_key(ec.SECP256R1()) if kind == "ec"
            else rsa.generate_private_key(65537, 2048)
        )
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        alternatives = []
        for name in (*names, *(f"padding-{number:060}" for number in range(padding // 72))):
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        certificate = self._sign(
            subject, key, x509.BasicConstraints(ca=False, path_length=None), alternatives, begin,
            end)
        file = file or names[0].replace("*", "star")
        paths = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        paths[0].write_bytes(certificate.public_bytes(PEM))
        paths[1].write_bytes(key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return paths

    def context(self, client=None, **attributes):
        """Returns a client's context that trusts only this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.path)
        if client:
            context.load_cert_chain(*client)
        for name, value in attributes.items():
            setattr(context, name, value)
        return context


def settings(paths, *others):
    """Returns the settings of a server with a certificate and its key."""
    return (f"tls.certificate={paths[0]}", f"tls.key={paths[1]}", *others)


def connect(server, context, name="localhost", session=None, **options):
    """Opens a TLS connection."""
    plain = server.connect(**options)
    try:
        return context.wrap_socket(plain, server_hostname=name, session=session)
    except BaseException:
        plain.close()
        raise


def ask(connection, path="/healthz"):
    """Returns the response to a request, up to the end of the connection."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    return read_all(connection)


def read_all(connection):
    answer = b""
    with contextlib.suppress(ssl.SSLError, ConnectionResetError):
        while piece := connection.recv(65_536):
            answer += piece
    return answer


class ManualClient:
    """A TLS client without a socket, so that a test decides which bytes are sent, and when."""

    def __init__(self, context, name="localhost"):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    def hello(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def shake_hands(self, plain, send=socket.socket.sendall):
        """Does the handshake over a socket. `send` replaces the way of sending."""
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                send(plain, self.outgoing.read())
                piece = plain.recv(65_536)
                assert piece, "closed in the handshake"
                self.incoming.write(piece)
        send(plain, self.outgoing.read())

    def encrypt(self, data):
        self.tls.write(data)
        return self.outgoing.read()
