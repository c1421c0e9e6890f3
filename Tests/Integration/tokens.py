"""Keys and tokens for tests, by PyJWT and cryptography, and the server's answers to them."""

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from websockets.exceptions import ConnectionClosed
from wire import Wire, upgrade_request

PATH = "/ws/secure/room"
INVALID = 'Bearer error="invalid_token"'
SECRET = "a secret for tests alone, of sixty-four bytes, which HS512 needs"
assert len(SECRET) == 64
KEYED = f"auth.jwt.secret={SECRET}"

CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


def token(sub="ada", seconds=3600.0, key=SECRET, algorithm="HS256", headers=None, **claims):
    """Returns a token of `sub` that expires after this many seconds. A claim that is None is
    omitted.
    """
    claims = {"sub": sub, "exp": time.time() + seconds} | claims
    present = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(present, key, algorithm=algorithm, headers=headers)


def encoded(part):
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """Returns a private key, and its public part as a JWK."""

    def __init__(self, algorithm, kid, size=2048):
        self.algorithm = algorithm
        self.kid = kid
        if algorithm in CURVES:
            self.private = ec.generate_private_key(CURVES[algorithm]())
        elif algorithm == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            self.private = rsa.generate_private_key(public_exponent=65537, key_size=size)
        self.public = self.private.public_key()

    def jwk(self, **members):
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        made = json.loads(algorithm.to_jwk(self.public))
        made.pop("key_ops", None)
        return made | {"kid": self.kid, "alg": self.algorithm} | members

    def pem(self):
        return self.public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def token(self, sub="ada", headers=None, **options):
        return token(
            sub,
            key=self.private,
            algorithm=self.algorithm,
            headers={"kid": self.kid} | (headers or {}),
            **options,
        )


def write_jwks(path, *keys):
    path.write_text(json.dumps({"keys": list(keys)}))
    return f"auth.jwt.jwks={path}"


def message(text):
    """Returns the message that contains a token."""
    return json.dumps({"token": text})


def bearer(text):
    return {"additional_headers": {"Authorization": f"Bearer {text}"}}


def answer(server, text=None, path=PATH, **changes):
    """Returns the answer to a handshake with a token in its header."""
    if text is not None:
        changes["Authorization"] = f"Bearer {text}"
    with Wire.to(server) as wire:
        wire.send(upgrade_request(path, server.authority, **changes))
        return wire.response()


def closed_with(socket):
    """Returns the close code and reason of a connection that the server closes. Earlier text is
    skipped.
    """
    with pytest.raises(ConnectionClosed) as raised:
        while True:
            socket.recv(timeout=30)
    return raised.value.rcvd.code, raised.value.rcvd.reason
