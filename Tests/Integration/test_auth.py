"""`/ws/secure/{topic}` with tokens created by PyJWT, and attacks on them."""

import hashlib
import hmac
import json
import time

import jwt
import pytest
from conftest import shared
from tokens import INVALID, KEYED, PATH, SECRET, Key
from tokens import answer, bearer, encoded, token, write_jwks
from wire import BINARY, Wire


@pytest.fixture(scope="module")
def keys():
    algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
    algorithms += ["ES256", "ES384", "ES512", "EdDSA"]
    return {name: Key(name, f"key-{name}") for name in algorithms}


@pytest.fixture(scope="module")
def secured(keys, tmp_path_factory):
    """Returns a server with a secret and a key of each kind."""
    path = tmp_path_factory.mktemp("keys") / "jwks.json"
    oct_key = {"kty": "oct", "kid": "oct", "alg": "HS384", "k": encoded(b"k" * 48)}
    # An RSA key without `alg` is for RS256. Keys of unknown kinds are ignored.
    bare = keys["RS256"].jwk(kid="bare")
    del bare["alg"]
    unknown = {"kty": "AKP", "kid": "unknown", "alg": "ML-DSA-44", "pub": "AA"}
    jwks = write_jwks(path, *(key.jwk() for key in keys.values()), oct_key, bare, unknown)
    with shared(KEYED, jwks, "auth.jwt.audience=apus", "auth.jwt.issuer=tests") as server:
        yield server


def good(**changes):
    return {"aud": "apus", "iss": "tests"} | changes


def test_text_reaches_the_whole_topic_with_the_senders_name(secured, client):
    ada, eve = (client(secured, PATH, **bearer(token(sub, **good()))) for sub in ("ada", "eve"))
    other = client(secured, "/ws/secure/other", **bearer(token("bob", **good())))
    ada.send("hello")
    assert [socket.recv(timeout=30) for socket in (ada, eve)] == ["ada: hello"] * 2
    eve.send(b"\xff")
    assert [socket.recv(timeout=30) for socket in (ada, eve)] == [b"eve: \xff"] * 2
    other.send("alone")
    assert other.recv(timeout=30) == "bob: alone"


@pytest.mark.parametrize(
    "algorithm",
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"],
)
def test_a_key_of_the_set_verifies_its_own_algorithm(secured, keys, algorithm):
    text = keys[algorithm].token(**good())
    assert answer(secured, text).status == 101
    # The same signature with the name of another key.
    for other in keys.values():
        if other.kid != keys[algorithm].kid:
            stolen = keys[algorithm].token(headers={"kid": other.kid}, **good())
            assert answer(secured, stolen).status == 401


def test_shared_secrets_of_the_set_verify(secured):
    text = token(key=b"k" * 48, algorithm="HS384", headers={"kid": "oct"}, **good())
    assert answer(secured, text).status == 101


def test_a_key_without_alg_is_only_for_one_algorithm(secured, keys):
    assert answer(secured, keys["RS256"].token(headers={"kid": "bare"}, **good())).status == 101
    for algorithm in ("RS384", "PS256"):
        stolen = token(
            key=keys["RS256"].private, algorithm=algorithm, headers={"kid": "bare"}, **good()
        )
        assert answer(secured, stolen).status == 401


def confused(key, kid):
    """HS256 with the public part of an RSA key as the secret, which its owner publishes."""
    header = encoded({"alg": "HS256", "typ": "JWT", "kid": kid})
    signed = f"{header}.{encoded({'sub': 'ada', 'exp': 9e9} | good())}"
    return f"{signed}.{encoded(hmac.digest(key, signed.encode(), hashlib.sha256))}"


def signed(payload):
    """A token with a valid signature and any claims."""
    payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return jwt.api_jws.encode(payload, SECRET, algorithm="HS256")


def deep_claim(claims, depth):
    nested = b"[" * depth + b"]" * depth
    return json.dumps(claims | {"x": 0}).encode().replace(b'"x": 0', b'"x": ' + nested)


def with_key(attacker, **headers):
    """A token that contains the key that verifies it."""
    return attacker.token(headers={"jwk": attacker.jwk()} | headers, **good())


def attacks(keys, attacker):
    now = time.time()
    valid = token(**good())
    head, body, signature = valid.split(".")
    claims = {"sub": "ada", "exp": now + 3600} | good()
    none = {"alg": "none", "typ": "JWT"}
    yield from {
        "none": f"{encoded(none)}.{encoded(claims)}.",
        "None": f"{encoded(none | {'alg': 'None'})}.{encoded(claims)}.",
        "none, signed": f"{encoded(none)}.{encoded(claims)}.{signature}",
        "confusion, PEM": confused(keys["RS256"].pem(), "key-RS256"),
        "confusion, modulus": confused(keys["RS256"].jwk()["n"].encode(), "key-RS256"),
        "confusion, no kid": confused(keys["RS256"].pem(), None),
        "other secret": token(key="x" * 64, **good()),
        "other HMAC": token(algorithm="HS512", **good()),
        "other kid": token(headers={"kid": "other"}, **good()),
        "kid of a path": token(headers={"kid": "../../../dev/null"}, **good()),
        "kid of another kind": token(headers={"kid": "key-RS256"}, **good()),
        "unknown kid of RSA": keys["RS256"].token(headers={"kid": "nobody"}, **good()),
        "key in the token": with_key(attacker),
        "key in the token, a kid of ours": with_key(attacker, kid="key-RS256"),
        "crit": token(headers={"crit": ["b64"], "b64": True}, **good()),
        "expired": token(seconds=-1, **good()),
        "no exp": token(exp=None, **good()),
        "exp a word": signed(claims | {"exp": "never"}),
        "exp as text": signed(claims | {"exp": str(now + 3600)}),
        "not yet valid": token(nbf=now + 600, **good()),
        "wrong audience": token(**good(aud="others")),
        "no audience": token(**good(aud=None)),
        "wrong issuer": token(**good(iss="eve")),
        "no issuer": token(**good(iss=None)),
        "no sub": token(sub=None, **good()),
        "empty sub": token(sub="", **good()),
        "changed": f"{head}.{encoded(claims | {'sub': 'root'})}.{signature}",
        "cut": valid[:-4],
        "no signature": f"{head}.{body}.",
        "four parts": f"{valid}.{signature}",
        "padded": f"{valid}==",
        "one part": "x",
        "empty": "",
        "spaces": f"{head}. {body}.{signature}",
        "binary": encoded(bytes(range(256))),
        "deep": signed(b"[" * 2500 + b"]" * 2500),
        "deep, open": signed(b"[" * 5000),
        "deep in a claim": signed(deep_claim(claims, 2400)),
        "no claims": signed(b""),
        "claims in a list": signed([claims]),
        "of 7 KiB": "a" * 7_000,
    }.items()


def test_every_attack_is_refused_in_the_same_form(secured, keys):
    shapes = {}
    for name, text in attacks(keys, Key("RS256", "attacker")):
        response = answer(secured, text)
        headers = {key: value for key, value in response.headers.items() if key != "date"}
        shapes[name] = (response.status, headers, response.body)
        assert response.status == 401, name
        assert headers["www-authenticate"] == INVALID, name
    first = next(iter(shapes.values()))
    assert all(shape == first for shape in shapes.values()), shapes
    # Without a token there is no error code, RFC 6750 §3.1; the rest is the same.
    response = answer(secured)
    assert response.status == 401 and response.headers["www-authenticate"] == "Bearer"
    assert response.body == first[2]


def test_attacks_are_refused_only_for_what_they_change(secured, start, tmp_path):
    claims = {"sub": "ada", "exp": time.time() + 3600} | good()
    assert answer(secured, signed(claims)).status == 101
    assert answer(secured, signed(deep_claim(claims, 5))).status == 101
    # A server that trusts the attacker's key accepts the tokens that contain it.
    attacker = Key("RS256", "attacker")
    trusted = [attacker.jwk(), attacker.jwk(kid="key-RS256")]
    jwks = write_jwks(tmp_path / "jwks.json", *trusted)
    fooled = start(jwks, "auth.jwt.audience=apus", "auth.jwt.issuer=tests")
    for text in (with_key(attacker), with_key(attacker, kid="key-RS256")):
        assert answer(fooled, text).status == 101


def test_only_the_configured_algorithm_of_the_secret_is_accepted(start):
    server = start(KEYED, "auth.jwt.algorithm=HS512")
    assert answer(server, token(algorithm="HS512")).status == 101
    assert answer(server, token()).status == 401


def test_unusable_keys_do_not_affect_others(start, tmp_path):
    good, other = Key("ES256", "good"), Key("RS256", "other")
    weak = Key("RS256", "weak", size=1024)
    short = {"kty": "oct", "kid": "short", "alg": "HS256", "k": encoded(b"k")}
    half = {name: value for name, value in other.jwk().items() if name != "n"}
    jwks = write_jwks(tmp_path / "jwks.json", weak.jwk(), short, half, {}, 7, good.jwk())
    server = start(jwks)
    assert answer(server, good.token()).status == 101
    assert answer(server, weak.token()).status == 401
    assert answer(server, other.token()).status == 401
    warnings = [line for line in server.stderr.text().splitlines() if "is ignored" in line]
    assert len(warnings) == 5 and all("warning" in line for line in warnings)
    assert "RSA needs 2048 bits, it has 1024" in warnings[0] and "weak" in warnings[0]


@pytest.mark.parametrize("kid", ["any", "", "caf\u00e9", "../x"])
def test_a_kid_does_not_matter_if_the_secret_is_the_only_key(start, kid):
    server = start(KEYED)
    assert answer(server, token(headers={"kid": kid})).status == 101
    assert answer(server, token(headers={"kid": kid}, algorithm="HS512")).status == 401
    assert answer(server, token(headers={"kid": kid}, key="x" * 64)).status == 401


def test_leeway_and_tokens_without_expiry(start):
    server = start(KEYED, "auth.jwt.leeway=60s", "auth.jwt.expiry_required=false")
    for text, status in [
        (token(seconds=-30), 101),
        (token(seconds=-61), 401),
        (token(nbf=time.time() + 30), 101),
        (token(nbf=time.time() + 600), 401),
        (token(exp=None), 101),
    ]:
        assert answer(server, text).status == status


def test_without_keys_the_route_is_refused_with_a_reason(start):
    server = start()
    for path, method in [(PATH, "GET"), ("/token", "POST")]:
        response = answer(server, token()) if method == "GET" else post(server, path)
        assert response.status == 503
        assert "auth.jwt.secret" in json.loads(response.body)["detail"]
    notices = [line for line in server.stderr.text().splitlines() if "no keys" in line]
    assert len(notices) == 1


def post(server, path, **headers):
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    with Wire.to(server) as wire:
        request = f"POST {path} HTTP/1.1\r\nHost: {server.authority}\r\nContent-Length: 0\r\n"
        wire.send(f"{request}{lines}\r\n".encode())
        return wire.response()


def test_an_invalid_topic_is_refused(start, client):
    server = start(KEYED, "topics.name.max=20")
    for topic in ["x" * 14, "%0a", "%1f"]:
        assert answer(server, token(), path=f"/ws/secure/{topic}").status == 422
        assert answer(server, path=f"/ws/secure/{topic}").status == 401
    fits = client(server, f"/ws/secure/{'x' * 13}", **bearer(token()))
    fits.send("x")
    assert fits.recv(timeout=30) == "ada: x"


def test_a_secret_is_never_shown(start):
    server = start(KEYED, "log.level=trace")
    answer(server, "x")
    answer(server, token())
    server.stop()
    assert SECRET not in server.stderr.text() + server.stdout.text()


def test_a_binary_message_is_not_a_token_message(secured, client):
    ada = client(secured, PATH, **bearer(token(**good())))
    ada.send(b'{"token":"x"}')
    assert ada.recv(timeout=30) == b'ada: {"token":"x"}'
    with Wire.to(secured, PATH, Authorization=f"Bearer {token(**good())}") as wire:
        wire.send_frame(BINARY, b"")
        assert wire.frame().payload == b"ada: "
