"""Many TLS clients with messages, while the certificate and limits change."""

import contextlib

from certificates import Authority, connect
from comers import SIZE, Crowd
from reloading import Reloadable
from wire import BINARY, Wire, frame, upgrade_request

RELOADS = 10


def test_clients_notice_nothing_of_ten_reloads(start, tmp_path):
    """APUS_CROWD=1000 makes it big."""
    authority = Authority(tmp_path)
    files = authority.issue("localhost")
    keys = {"tls.certificate": files[0], "tls.key": files[1], "limits.connections.max": 100_000}
    one = Reloadable(start, tmp_path, keys)

    @contextlib.contextmanager
    def echo():
        """A client that notices the limits."""
        with Wire(connect(one.server, authority.context())) as wire:
            wire.send(upgrade_request("/echo", "localhost"))
            assert wire.response().status == 101
            yield wire

    context = authority.context()
    with Crowd(one.server.host, one.server.port, context=context) as crowd:
        crowd.wait_for_answers()
        for number in range(1, RELOADS + 1):
            with echo() as wire:
                authority.issue("localhost")
                size = 1_000 * number
                lines = one.reload(keys | {
                    "limits.message.max": size, "limits.rate.messages": 100_000 + number,
                    "limits.connections.max": 100_000 + number,
                    "heartbeat.interval": f"{30 + number}s",
                })
                assert "need_restart=0" in lines[-1], lines
                # They hold for connections that were open before.
                wire.send(frame(BINARY, bytes(size)))
                assert len(wire.frame().payload) == size
                wire.send(frame(BINARY, bytes(size + 1)))
                assert wire.frame().code == 1009
            crowd.wait(lambda: len(crowd.certificates) > number, "the certificate is in use")
            crowd.wait_for_answers(1)
        crowd.end()
        print(f"{RELOADS} reloads under {SIZE} clients: {crowd}, "
              f"certificates {list(crowd.certificates.values())}")
        assert len(crowd.certificates) == RELOADS + 1
        assert not crowd.failures and not crowd.closes, crowd
        assert crowd.answers == crowd.questions
