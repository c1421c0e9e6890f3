"""limits.lifetime: connections end after some time, so that clients spread over instances again."""

import time

from wire import CLOSE, Wire


def test_a_connection_is_closed_with_1012_at_the_end_of_its_lifetime(start):
    server = start("limits.lifetime=600ms")
    begun = time.monotonic()
    wires = [Wire.to(server, "/ws") for _ in range(20)]
    ends = []
    for wire in wires:
        with wire:
            # However much it says.
            wire.send_text("x")
            closing = wire.close_frame()
            ends.append(time.monotonic() - begun)
            assert (closing.code, closing.reason) == (1012, "lifetime")
            wire.send_frame(CLOSE, closing.payload[:2])
            wire.ends()
    assert min(ends) > 0.6 * 0.9 - 0.01


def test_other_requests_have_no_lifetime(start):
    server = start("limits.lifetime=100ms")
    with Wire.to(server) as plain, Wire.to(server, "/ws") as wire:
        assert wire.close_frame().code == 1012
        plain.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert plain.response().status == 200
