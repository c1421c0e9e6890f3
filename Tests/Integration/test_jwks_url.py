"""Keys of tokens from a URL: cached, rotated, and kept while the issuer is out of reach."""

import certificates
import pytest
from apus import run, wait_until
from issuer import Issuer
from reloading import Reloadable
from tokens import Key, answer

OLD, NEW = Key("ES256", "old"), Key("EdDSA", "new")
QUICK = ("auth.jwt.jwks_pause=100ms", "auth.jwt.jwks_interval=1d")


@pytest.fixture
def issuer():
    issuers = []

    def make(*keys, **options):
        issuers.append(Issuer(*keys, **options))
        return issuers[-1]

    yield make
    for one in issuers:
        one.stop()


def is_accepted(server, key):
    return answer(server, key.token()).status == 101


def test_the_keys_of_a_url_verify_tokens(start, issuer):
    one = issuer(OLD)
    server = start(f"auth.jwt.jwks={one.url}")
    assert is_accepted(server, OLD) and is_accepted(server, OLD)
    assert answer(server, NEW.token()).status == 401
    # The set was fetched just before, so an unknown key doesn't cause another request.
    assert one.requests == 1


def test_a_new_key_is_found_when_a_token_has_it(start, issuer):
    one = issuer(OLD)
    server = start(f"auth.jwt.jwks={one.url}", *QUICK)
    one.publish(NEW)
    wait_until(lambda: is_accepted(server, NEW), "the new key is known")
    before = one.requests
    for _ in range(50):
        assert is_accepted(server, NEW)
    assert one.requests == before
    assert not is_accepted(server, OLD)


def test_a_set_is_fetched_at_intervals(start, issuer):
    one = issuer(OLD)
    server = start(f"auth.jwt.jwks={one.url}", "auth.jwt.jwks_interval=1s")
    one.publish(NEW)
    one.wait_for(2)
    wait_until(lambda: is_accepted(server, NEW), "the new key is known")


@pytest.mark.parametrize(
    "bad", [(503, b"{}"), (302, b""), (200, b"no set"), (200, b" " * ((1 << 20) + 1))])
def test_the_last_good_set_is_kept(start, issuer, bad):
    one = issuer(OLD)
    server = start(f"auth.jwt.jwks={one.url}", "auth.jwt.jwks_interval=1s")
    good, one.answer = one.answer, bad
    assert server.stderr.wait_for(
        lambda lines: any("can't be fetched" in line and "keys=1" in line for line in lines), 5)
    assert is_accepted(server, OLD)


def test_it_starts_without_the_issuer_and_finds_it_later(start, issuer):
    one = issuer(OLD)
    good, one.answer = one.answer, (500, b"")
    server = start(f"auth.jwt.jwks={one.url}", *QUICK)
    assert server.stderr.wait_for(lambda lines: any("keys=0" in line for line in lines), 5)
    assert answer(server, OLD.token()).status == 401
    one.answer = good
    wait_until(lambda: is_accepted(server, OLD), "the keys are fetched")


def test_the_certificate_of_the_issuer_is_verified(start, issuer, tmp_path):
    authority = certificates.Authority(tmp_path)
    one = issuer(OLD, certificate=authority.issue("localhost"))
    server = start(
        f"auth.jwt.jwks={one.url}", environment={"SSL_CERT_FILE": str(authority.path)})
    assert is_accepted(server, OLD)
    stranger = start(f"auth.jwt.jwks={one.url}")
    assert stranger.stderr.wait_for(lambda lines: any("tlsFailed" in line for line in lines), 5)
    assert answer(stranger, OLD.token()).status == 401


def test_a_reload_fetches_the_set(start, issuer, tmp_path):
    one = issuer(OLD)
    server = Reloadable(start, tmp_path, {"auth.jwt.jwks": one.url})
    one.publish(OLD, NEW)
    server.reload()
    assert is_accepted(server.server, NEW)
    # The issuer's failure is no error of the configuration.
    one.answer = 500, b""
    server.reload()
    server.reload({"auth.jwt.jwks": one.url, "auth.jwt.jwks_interval": "5m"})
    assert is_accepted(server.server, NEW)


def test_a_url_with_a_password_is_refused():
    done = run("config", "check", "--set", "auth.jwt.jwks=https://user:secret@a.example/")
    assert done.returncode == 78 and "not a URL that can be fetched" in done.stderr


def test_after_a_reload_only_the_new_url_is_fetched(start, issuer, tmp_path):
    first, second = issuer(OLD), issuer(OLD)
    keys = {"auth.jwt.jwks": first.url, "auth.jwt.jwks_interval": "1s"}
    one = Reloadable(start, tmp_path, keys)
    first.wait_for(2)
    one.reload(keys | {"auth.jwt.jwks": second.url})
    before = first.requests
    # More than two intervals. One request to the first may have been under way.
    second.wait_for(4)
    assert first.requests <= before + 1
    assert is_accepted(one.server, OLD)
