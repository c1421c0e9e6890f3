"""A rolling restart of two servers behind the shipped HAProxy configuration, under a crowd."""

import signal

from balancers import balanced  # noqa: F401
from channels import wait_logged
from comers import IS_BIG, SECONDS, SIZE, Crowd

# The shipped file, with quicker checks unless the test is a big one.
QUICK = {"inter 1s fastinter 500ms fall 2 rise 2": "inter 100ms fastinter 50ms fall 2 rise 2"}
DELAY, SPREAD = ("5s", "10s") if IS_BIG else ("1s", "500ms")


def test_no_handshake_fails_and_every_client_gets_1012(balanced):  # noqa: F811
    haproxy, a, b = balanced(
        f"drain.delay={DELAY}", f"drain.spread={SPREAD}", "drain.deadline=60s",
        "log.level=info", changes={} if IS_BIG else QUICK,
    )
    for name in "ab":
        haproxy.log.wait_for(lambda lines: f"by_cookie/{name} is UP" in "\n".join(lines), 1)
    restarted = []
    with Crowd(haproxy.host, haproxy.port) as crowd:
        crowd.wait_for_answers()
        for name, server in (("a", a), ("b", b)):
            closes, connections = crowd.closes[1012], server.sockets()
            server.signal(signal.SIGTERM)
            crowd.wait(lambda: server.process.poll() is not None, f"{name} ends")
            assert server.wait(1) == 0
            told = crowd.closes[1012] - closes
            assert told > 0.4 * SIZE, f"{told} told of {connections} sockets: {crowd}"
            assert not crowd.failures, f"{crowd}\n{haproxy.log.text()[-3000:]}"
            restarted.append(server.again())
            found = haproxy.log.wait_for(
                lambda lines: f"by_cookie/{name} is UP" in "\n".join(lines), SECONDS)
            assert found, haproxy.log.text()
            crowd.wait_for_answers()
            assert restarted[-1].process.poll() is None
        print(f"rolling restart under {SIZE} connections: {crowd}")
        assert not crowd.failures, crowd
        assert set(crowd.closes) == {1012}, crowd
    for server in restarted:
        server.signal(signal.SIGTERM)
    for server in restarted:
        wait_logged(server, "not ready any more")
        # The second signal, which ends the delay.
        server.stop()
