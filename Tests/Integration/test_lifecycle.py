"""Starting and stopping: a stop closes every client, in time and once."""

import selectors
import signal
import time

import pytest
from apus import Apus, port_that_no_client_gets, wait_until
from channels import wait_logged
from wire import CLOSE, TEXT, Ended, Wire, frame


@pytest.mark.alone
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_sends_1012_to_all_over_the_spread(start, number):
    server = start("drain.spread=2s", "drain.deadline=10s")
    chatters = [Wire.to(server, f"/ws/{n}") for n in range(20)]
    wires = [Wire.to(server, "/ws") for _ in range(40)]
    begun = time.monotonic()
    server.signal(number)
    left = []
    with selectors.DefaultSelector() as selector:
        for wire in wires:
            selector.register(wire.socket, selectors.EVENT_READ, wire)
        while selector.get_map():
            events = selector.select(5)
            assert events, f"{len(left)} of 40 were told"
            for key, _ in events:
                selector.unregister(key.fileobj)
                left.append(time.monotonic() - begun)
                closing = key.data.close_frame()
                assert closing.code == 1012
                key.data.send_frame(CLOSE, closing.payload[:2])
                key.data.close()
    for wire in chatters:
        assert wire.close_frame().code == 1012
        wire.close()
    assert server.wait(5) == 0
    assert 1 < max(left) < 4, "within two seconds, and what a busy machine adds"
    assert len({int(when * 10) for when in left}) >= 5, "spread over it, not at its end"


def test_a_stop_sends_1001_if_configured(start):
    server = start("drain.close_code=1001")
    with Wire.to(server, "/ws") as wire:
        server.signal(signal.SIGTERM)
        wire.expect_failure(1001)
        assert server.wait(5) == 0


def test_a_stop_without_clients_is_fast(start):
    server = start("drain.spread=10s", "drain.deadline=30s")
    server.stop(seconds=2)


def test_requests_before_a_stop_are_answered(start):
    server = start()
    with Wire.to(server, "/ws") as wire:
        wire.send(b"".join(frame(TEXT, b"%d" % number) for number in range(1_000)))
        assert wire.text() == "Message received: 0"
        server.signal(signal.SIGTERM)
        received = []
        while (last := wire.frame()).opcode != CLOSE:
            received.append(last.payload)
        assert received == [b"Message received: %d" % number for number in range(1, 1_000)]
        assert last.code == 1012
        wire.send_frame(CLOSE, last.payload)
        wire.ends()
        wire.close()
        assert server.wait(5) == 0


def test_a_client_that_does_not_leave_is_reset_at_the_deadline(start):
    server = start("drain.spread=0s", "drain.deadline=500ms", "limits.close.timeout=1h")
    with Wire.to(server, "/ws") as wire:
        server.signal(signal.SIGTERM)
        assert wire.close_frame().code == 1012
        assert server.wait(3) == 0
        wire.ends()


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_stops_at_once(start, first, second):
    server = start("drain.spread=30s", "drain.deadline=60s")
    wires = [Wire.to(server, "/ws") for _ in range(10)]
    server.signal(first)
    wait_logged(server, "draining connections")
    server.signal(second)
    assert server.wait(3) == 0
    for wire in wires:
        wire.ends()
        wire.close()


def test_a_delayed_stop_serves_clients_until_a_second_signal(start):
    server = start("drain.delay=1h")
    with Wire.to(server, "/ws") as early:
        server.signal(signal.SIGTERM)
        wait_logged(server, "not ready any more")
        with Wire.to(server, "/ws") as late:
            for wire in (early, late):
                wire.send_text("x")
                assert wire.text() == "Message received: x"
            for path, status in (("/healthz", 200), ("/readyz", 503)):
                with Wire.to(server) as asking:
                    asking.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                    assert asking.response().status == status
            server.signal(signal.SIGTERM)
            assert server.wait(30) == 0
            early.ends()
            late.ends()


def test_no_new_client_is_admitted_during_a_stop(start):
    server = start("drain.spread=2s", "drain.deadline=5s")
    wires = [Wire.to(server, "/ws") for _ in range(2)]
    server.signal(signal.SIGTERM)
    wait_until(lambda: not echoes(server), "new clients turned away")
    for wire in wires:
        wire.expect_failure(1012)
    assert server.wait(5) == 0


def echoes(server):
    try:
        with Wire.to(server, "/ws") as wire:
            wire.send_text("x")
            return wire.frame().opcode == TEXT
    except (AssertionError, Ended, OSError):
        return False


def test_ready_is_printed_once_on_standard_output_and_the_rest_on_standard_error(start):
    server = start(args=["--loops", "1"])
    server.stop()
    assert server.stdout.text() == f"listening on http://{server.authority}"
    [start_line] = [line for line in server.stderr.lines if line.endswith(" listening")]
    assert f" addresses={server.authority} loops=1 " in start_line


def test_the_same_port_can_be_used_again_at_once():
    port = str(port_that_no_client_gets())
    first = Apus(args=["--port", port])
    try:
        with Wire.to(first, "/ws") as wire:
            first.signal(signal.SIGTERM)
            wire.expect_failure(1012)
        first.stop()
        for _ in range(3):
            again = Apus(args=["--port", port])
            try:
                Wire.to(again, "/ws").reset()
                again.stop()
            finally:
                again.kill()
    finally:
        first.kill()
