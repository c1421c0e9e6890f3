"""`GET /metrics` on the admin listener: what it counts is what the clients did."""

import pathlib
import re
import ssl
import subprocess
import time
import urllib.error

import pytest
from apus import ROOT, wait_until
from certificates import ask, connect
from deflate import DeflateWire, bomb, deflate
from metrics import ADMIN, TABLE, Scrape, all_families, fetch, table, text_of
from wire import BINARY, CLOSE, CONTINUATION, Wire, close_payload, frame, upgrade_request

ECHO = {"route": "/echo"}


@pytest.fixture
def serve(start):
    def started(*settings, **options):
        server = start(ADMIN, "server.loops=2", *settings, args=["--tools"], **options)
        server.takes_over = False
        return server

    return started


def closed(wire, code):
    """Closes with a code, and waits for the end."""
    wire.send_frame(CLOSE, close_payload(code))
    wire.close_frame()
    wire.ends()
    wire.close()


def get(server, path, method="GET"):
    with Wire.to(server) as wire:
        wire.send(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return wire.response(head_only=method == "HEAD").status


def settled(server, name, value, **labels):
    """Waits until a metric has a value."""
    return wait_until(
        lambda: (scrape := Scrape(server))(name, **labels) == value and scrape,
        f"{name} {labels} = {value}")


# The format


def test_promtool_has_nothing_to_criticise(serve):
    server = serve()
    with Wire.to(server, "/echo") as wire:
        wire.send_text("hello")
        assert wire.text() == "hello"
    get(server, "/nowhere")
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text_of(server), capture_output=True, text=True,
        timeout=10)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_histograms_are_cumulative_and_add_up(serve):
    server = serve()
    for _ in range(5):
        with Wire.to(server, "/echo") as wire:
            closed(wire, 1000)
    scrape = Scrape(server)
    histograms = [one for one in scrape.families.values() if one.kind == "histogram"]
    assert len(histograms) >= 3
    for family in histograms:
        buckets = {}
        for (name, labels), value in family.samples.items():
            if name.endswith("_bucket"):
                rest = frozenset(item for item in labels if item[0] != "le")
                buckets.setdefault(rest, []).append((float(dict(labels)["le"]), value))
        for labels, found in buckets.items():
            bounds = [bound for bound, _ in found]
            values = [value for _, value in found]
            assert bounds == sorted(set(bounds)) and bounds[-1] == float("inf")
            assert values == sorted(values)
            assert values[-1] == family.samples[f"{family.name}_count", labels]
            total = family.samples[f"{family.name}_sum", labels]
            assert (total > 0) >= (values[0] < values[-1])
    assert scrape("apus_websocket_handshake_duration_seconds_count") == 5
    assert scrape("apus_websocket_handshake_duration_seconds_sum") > 0
    assert scrape("apus_loop_turn_duration_seconds_count", loop="0") > 0
    assert scrape("apus_loop_turn_duration_seconds_count", loop="1") > 0


# The counts


def test_messages_and_bytes_are_those_of_the_clients(serve):
    server = serve()
    sizes = {"/echo": [0, 5, 200, 70_000], "/ws": [3, 300], "/echo/async": [1]}
    prefix = len(b"Message received: ")
    for path, lengths in sizes.items():
        with Wire.to(server, path) as wire:
            for length in lengths:
                wire.send_frame(BINARY, bytes(length))
                received = wire.frame()
                assert len(received.payload) == length + (prefix if path == "/ws" else 0)
            closed(wire, 1000)
    scrape = settled(server, "apus_websocket_connections_open", 0)
    for path, lengths in sizes.items():
        more = prefix * len(lengths) if path == "/ws" else 0
        found = [
            scrape(f"apus_websocket_{name}", route=path)
            for name in (
                "messages_received_total", "messages_sent_total", "received_bytes_total",
                "sent_bytes_total", "connections_opened_total")
        ]
        assert found == [len(lengths), len(lengths), sum(lengths), sum(lengths) + more, 1]
    assert scrape("apus_websocket_messages_received_total") == 7
    assert scrape("apus_connections_accepted_total") == 3


def test_compressed_messages_count_with_their_own_size(serve):
    server = serve("compression.threshold=64")
    text = b"the same words again and again " * 40
    compressed = deflate(text)
    with DeflateWire.to(server) as wire:
        wire.send_deflated(compressed)
        assert wire.message() == text
    scrape = Scrape(server)
    assert scrape("apus_websocket_received_bytes_total", **ECHO) == len(text)
    assert scrape("apus_websocket_sent_bytes_total", **ECHO) == len(text)
    assert scrape("apus_compression_negotiated_total") == 1
    assert scrape("apus_compression_messages_inflated_total") == 1
    assert scrape("apus_compression_inflate_input_bytes_total") == len(compressed)
    assert scrape("apus_compression_inflate_output_bytes_total") == len(text)
    assert scrape("apus_compression_messages_deflated_total") == 1
    assert scrape("apus_compression_deflate_input_bytes_total") == len(text)
    assert 0 < scrape("apus_compression_deflate_output_bytes_total") < len(text)
    assert scrape("apus_compression_duration_seconds_total") > 0


def test_close_codes_are_those_of_the_clients(serve):
    server = serve()
    codes = [1000, 1000, 1001, 3000, 3999, 4001, 4500, 4501]
    for code in codes:
        with Wire.to(server, "/echo") as wire:
            closed(wire, code)
    with Wire.to(server, "/echo") as wire:
        wire.send_frame(CLOSE)
        wire.ends()
    Wire.to(server, "/echo").reset()
    scrape = settled(server, "apus_websocket_connections_closed_total", len(codes) + 2)
    found = {
        dict(labels)["code"]: value
        for (_, labels), value in scrape.families[
            "apus_websocket_connections_closed_total"].samples.items()
        if value
    }
    assert found == {
        "1000": 2, "1001": 1, "1005": 1, "1006": 1, "3000": 1, "3xxx": 1, "4001": 1, "4xxx": 2}
    assert scrape("apus_websocket_connections_opened_total", **ECHO) == len(codes) + 2


def test_responses_count_by_route_and_status(serve):
    server = serve("origins.allowed=https://known.example")
    assert get(server, "/healthz") == 200
    assert get(server, "/healthz", "HEAD") == 200
    assert get(server, "/healthz", "DELETE") == 405
    assert get(server, "/nowhere") == 404
    assert get(server, "/ws/text") == 422
    assert get(server, "/echo") == 426
    with Wire.to(server) as wire:
        wire.send(upgrade_request("/echo", Origin="https://other.example"))
        assert wire.response().status == 403
    with Wire.to(server) as wire:
        wire.send(b"GET / HTTP/1.1\r\n\r\n")
        assert wire.response().status == 400
    with Wire.to(server, "/echo"):
        pass
    scrape = Scrape(server)

    def responses(**labels):
        return scrape("apus_http_responses_total", **labels)

    assert responses(route="/healthz", method="GET", status="200") == 2
    assert responses(route="none", status="405") == 1
    assert responses(route="none", status="404") == 1
    assert responses(route="none", status="422") == 1
    assert responses(route="none", status="400") == 1
    assert responses(route="/echo", status="426") == 1
    assert responses(route="/echo", status="403") == 1
    assert responses(route="/echo", status="101") == 1
    assert responses() == 9
    # An invalid request has no head that could be counted.
    assert scrape("apus_http_requests_total") == 8
    with Wire.to(server) as wire:
        wire.send(b"GET /healthz HTTP/1.1\r\nHost: other.example\r\n\r\n")
        assert wire.response().status == 421
    scrape = Scrape(server)
    assert scrape("apus_http_misdirected_total") == 1
    assert responses(route="none", status="421") == 1


def test_publications_and_their_deliveries_count(serve):
    server = serve()
    with Wire.to(server, "/ws/redis/news") as one, Wire.to(server, "/ws/redis/news") as other:
        settled(server, "apus_topic_subscriptions", 2)
        for _ in range(3):
            assert get(server, "/publish/news?message=hello", "POST") == 200
        for wire in (one, other):
            for _ in range(3):
                wire.text()
        scrape = Scrape(server)
        assert scrape("apus_topics") == 1
        assert scrape("apus_topic_deliveries_total") == 6
        # Once for each event loop with a subscriber.
        assert scrape("apus_topic_publications_total") in (3, 6)
        assert scrape("apus_websocket_messages_sent_total", route="/ws/redis/{channel}") == 6
    settled(server, "apus_topics", 0)
    assert Scrape(server)("apus_broker_ready") == 1


def test_tls_handshakes_count_by_result(secure, authority):
    server = secure(ADMIN, "server.loops=2")
    session, context = None, authority.context(maximum_version=ssl.TLSVersion.TLSv1_2)
    for _ in range(2):
        with connect(server, context, session=session) as one:
            session = one.session
            assert ask(one).startswith(b"HTTP/1.1 200")
    with Wire.to(server) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wire.response().status == 400
    with Wire.to(server) as wire:
        wire.send(b"\x16\x03\x01\x00\x05wrong")
        wire.ends()
    scrape = settled(server, "apus_tls_handshakes_total", 1, result="failed")
    assert scrape("apus_tls_handshakes_total", result="completed") == 2
    assert scrape("apus_tls_handshakes_total", result="plain_text") == 1
    assert scrape("apus_tls_sessions_resumed_total") == 1
    assert scrape("apus_tls_handshake_duration_seconds_count") == 2
    assert scrape("apus_tls_handshake_duration_seconds_sum") > 0
    assert scrape("apus_tls_handshakes_in_progress") == 0
    # The refusal of plain text isn't a response to a request.
    assert scrape("apus_http_requests_total") == 2


# Refusals


def message(*fragments):
    last = len(fragments) - 1
    return b"".join(
        frame(CONTINUATION if index else BINARY, payload, fin=index == last)
        for index, payload in enumerate(fragments))


LIMITS = {
    "frame_size": ("limits.frame.max=100", message(bytes(101)), 1009),
    "message_size": ("limits.message.max=1000", message(bytes(600), bytes(600)), 1009),
    "fragments": ("limits.fragments.max=2", message(b"a", b"b", b"c"), 1009),
    "message_rate": ("limits.rate.messages=1", message(b"a") * 10, 1008),
    "byte_rate": ("limits.rate.bytes=1KiB", message(bytes(900)) * 10, 1008),
    "message_time": ("limits.message.timeout=100ms", frame(BINARY, b"a", fin=False), 1008),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_an_exceeded_limit_counts(serve, limit):
    settings, sent, code = LIMITS[limit]
    settings = [settings] if isinstance(settings, str) else settings
    server = serve("limits.rate.policy=close", *settings)
    with Wire.to(server, "/echo") as wire:
        wire.send(sent)
        assert wire.close_frame().code == code
    scrape = settled(server, "apus_limits_exceeded_total", 1, limit=limit)
    assert scrape("apus_limits_exceeded_total") == 1
    assert scrape("apus_websocket_faults_total", code=str(code)) == 1
    assert scrape("apus_websocket_faults_total") == 1


def test_what_all_together_must_not_hold_counts(serve):
    server = serve("limits.message.max=64KiB", "limits.assembly.max=64KiB")
    wires = [Wire.to(server, "/echo") for _ in range(4)]
    for wire in wires:
        wire.send_frame(BINARY, bytes(60_000), fin=False)
    # Either the newcomer is refused, or the one that holds the most pays.
    scrape = wait_until(
        lambda: (now := Scrape(server))("apus_limits_exceeded_total") and now, "a limit")
    met = [scrape("apus_limits_exceeded_total", limit=one) for one in ("assembly_size", "memory")]
    assert scrape("apus_limits_exceeded_total") == sum(met)
    assert scrape("apus_budget_max_bytes", budget="assembly") == 64 << 10
    assert scrape("apus_budget_used_bytes", budget="assembly") > 0
    for wire in wires:
        wire.close()
    settled(server, "apus_budget_used_bytes", 0, budget="assembly")


def test_a_message_that_inflates_too_much_counts(serve):
    server = serve("limits.message.max=64KiB")
    with DeflateWire.to(server) as wire:
        wire.send_deflated(bomb(1 << 20))
        assert wire.close_frame().code == 1009
    settled(server, "apus_limits_exceeded_total", 1, limit="inflated_size")


def test_refused_connections_count_by_the_step_that_refuses(serve):
    server = serve("limits.connections.max=2")
    first, second = Wire.to(server, "/echo"), Wire.to(server, "/echo")
    with first, second:
        with Wire.to(server, "/echo") as third:
            assert third.close_frame().code == 1008
            third.send_frame(CLOSE, close_payload(1008))
            third.ends()
        scrape = settled(server, "apus_connections_refused_total", 1, reason="limit")
        assert scrape("apus_connections_max") == 2
        assert scrape("apus_websocket_connections_closed_total", code="1008") == 1
        assert scrape("apus_websocket_connections_open", **ECHO) == 2


# Over time


def counters(scrape):
    return {
        key: value
        for family in scrape.families.values() if family.kind != "gauge"
        for key, value in family.samples.items()
    }


def test_no_counter_goes_down_when_connections_close(serve):
    server = serve()
    wires = [Wire.to(server, path) for path in ("/echo", "/ws", "/topics") * 3]
    for wire in wires[::3]:
        wire.send_text("hello")
        assert wire.text() == "hello"
    before = Scrape(server)
    assert before("apus_websocket_connections_open") == 9
    for wire in wires:
        wire.close()
    after = settled(server, "apus_websocket_connections_open", 0)
    then, now = counters(before), counters(after)
    assert not then.keys() - now.keys()
    assert not {key: (value, now[key]) for key, value in then.items() if now[key] < value}
    assert after("apus_websocket_connections_opened_total") == 9
    assert after("apus_websocket_connections_closed_total") == 9
    assert after("apus_websocket_messages_received_total", **ECHO) == 3


def test_peers_cannot_add_series(serve):
    server = serve()

    def visit(number):
        with Wire.to(server, "/echo") as wire:
            closed(wire, 3100 + number)
        get(server, f"/nowhere/{number}")
        get(server, "/healthz", f"METHOD{number}")
        with Wire.to(server, f"/ws/redis/channel-{number}?query={number}") as wire:
            closed(wire, 4100 + number)

    visit(0)
    before = Scrape(server).series()
    for number in range(1, 6):
        visit(number)
    assert Scrape(server).series() == before


# Access, and the process


def test_metrics_are_on_the_admin_listener_only(serve):
    server = serve("admin.token=0123456789abcdef0123456789abcdef")
    assert get(server, "/metrics") == 404
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(server)
    assert refused.value.code == 401
    assert fetch(server, Authorization="Bearer 0123456789abcdef0123456789abcdef").status == 200


def test_the_figures_of_the_process_are_those_of_the_kernel(serve):
    server = serve()
    scrape = Scrape(server)
    assert abs(scrape("process_resident_memory_bytes") - server.resident_bytes()) < 8 << 20
    assert abs(scrape("process_cpu_seconds_total") - server.cpu_seconds()) < 0.5
    stat = pathlib.Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    assert abs(scrape("process_threads") - int(stat[17])) <= 2
    # The scrape has a connection.
    assert abs(scrape("process_open_fds") - server.descriptors()) <= 2
    assert abs(scrape("process_start_time_seconds") - time.time()) < 30
    limits = pathlib.Path(f"/proc/{server.pid}/limits").read_text()
    soft = re.search(r"^Max open files\s+(\d+)", limits, re.MULTILINE)[1]
    assert scrape("process_max_fds") == int(soft)
    assert scrape("apus_build_info") == 1


# The documentation


def test_the_documentation_lists_every_metric(serve):
    page = (ROOT / "docs/metrics.md").read_text()
    written = TABLE.findall(page)
    assert len(written) == 1
    assert written[0].strip() == table(all_families(serve())), "run `make docs-metrics`"


def test_the_alerts_of_the_documentation_are_valid(serve, tmp_path):
    page = (ROOT / "docs/metrics.md").read_text()
    rules = next(
        block for block in re.findall(r"^```yaml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
        if block.startswith("groups:"))
    file = tmp_path / "rules.yml"
    file.write_text(rules)
    checked = subprocess.run(
        ["promtool", "check", "rules", file], capture_output=True, text=True, timeout=10)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    known = Scrape(serve()).families
    used = set(re.findall(r"\b(?:apus|process)_[a-z_]+\b", rules))
    assert used and not used - known.keys()
