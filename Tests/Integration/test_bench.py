"""`apus bench` with our server and a third-party one: its counts, and its reports of errors."""

import contextlib
import json
import signal
import socket
import subprocess

import apus
import pytest
from foreign import served

SHORT = ("--duration", "500ms", "--warmup", "0s", "--connections", "10")


def bench(*args, seconds=60):
    return apus.run("bench", *args, seconds=seconds)


def figures(*args, status=0):
    """Returns the JSON output of a run."""
    done = bench(*args, "--json")
    assert done.returncode == status, done.stderr + done.stdout
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def tools():
    """Returns a server with `/echo` and `/broadcast`, on one loop."""
    server = apus.Apus(
        "drain.spread=0s", "drain.deadline=2s", "server.loops=1",
        "compression.threshold=0", args=["--tools"],
    )
    yield server
    try:
        server.stop()
    finally:
        server.kill()


@contextlib.contextmanager
def echoing(note=lambda message: None):
    """PyPI's `websockets` as an echo server that reports each message."""
    def echo(connection):
        for message in connection:
            note(message)
            connection.send(message)

    with served(echo) as url:
        yield url


@pytest.fixture(scope="module")
def foreign():
    """PyPI's `websockets` as an echo server, with compression if it is offered."""
    with echoing() as url:
        yield url


@pytest.mark.alone
def test_a_busy_polling_generator_reports_its_real_work(tools):
    found = figures("echo", tools.ws("/echo"), *SHORT, "--rate", "100", "--spin")
    assert found["errors"] == 0 and found["messages"] > 10
    # Fifty messages are little work, however often it polled for them.
    assert found["generator_busy"][0] < 0.5


def test_an_echo_is_counted_and_compared(tools):
    found = figures("echo", tools.ws("/echo"), *SHORT, "--size", "20,200", "--in-flight", "3")
    assert found["errors"] == 0 and not found["interrupted"]
    assert found["messages"] > 10 and found["messages_per_second"] > 0
    assert found["verified"] >= 10, "each connection's first message"
    # Headers of two and four bytes, because the sizes alternate.
    assert found["wire_bytes_per_message_in"] == pytest.approx(113, abs=3)
    assert found["wire_bytes_per_message_out"] == pytest.approx(117, abs=3)
    latency = found["latency_microseconds"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["p999"] <= latency["max"]
    assert found["server"]["cpu_microseconds_per_message"] > 0, "found by its port"
    assert found["memory"]["bytes_after"] > 0
    assert len(found["generator_busy"]) == 1 and found["generator_busy"][0] > 0


@pytest.mark.parametrize("compression", ["on", "takeover"])
def test_compressed_messages_have_fewer_bytes_and_the_same_content(tools, compression):
    found = figures(
        "echo", tools.ws("/echo"), *SHORT, "--size", "1KiB", "--compression", compression
    )
    assert found["errors"] == 0 and found["verified"] >= 10
    assert "permessage-deflate" in found["extensions"]
    assert 0.2 < found["ratio"] < 0.8


def test_a_fan_out_reaches_all_on_several_loops(tools):
    found = figures(
        "fanout", tools.ws("/broadcast"), *SHORT, "--loops", "2", "--compression", "takeover",
        "--size", "500",
    )
    assert found["errors"] == 0 and found["verified"] >= 10
    assert found["messages"] >= 10
    assert found["ratio"] < 0.7


def test_several_publishers_do_not_repeat_one_another(tools):
    # If all sent the same messages, context takeover would look better than it is.
    ratios = [
        figures(
            "fanout", tools.ws("/broadcast"), *SHORT, "--compression", "takeover", "--size", "500",
            "--publishers", publishers,
        )["ratio"]
        for publishers in ("1", "4")
    ]
    assert ratios[1] == pytest.approx(ratios[0], rel=0.1)


def test_a_publisher_need_not_receive_its_own_messages():
    members = set()

    def broadcast(connection):
        members.add(connection)
        for message in connection:
            for other in members - {connection}:
                other.send(message)

    with served(broadcast) as url:
        # 2,400 messages, of which 1,000 may be unanswered on a connection that waits for its own.
        found = figures(
            "fanout", url, "--connections", "2", "--warmup", "0s", "--duration", "3s",
            "--rate", "800",
        )
    assert found["errors"] == 0
    assert found["messages"] > 2_000, "more than a thousand, to two subscribers"


def test_an_open_loop_keeps_its_rate(tools):
    found = figures("echo", tools.ws("/echo"), *SHORT, "--rate", "400", "--duration", "1s")
    assert found["errors"] == 0
    assert found["messages"] > 0
    assert found["rate_per_second"] == 400
    assert found["messages"] <= 600, "no faster than asked for"


def test_an_open_loop_sends_all_due_messages(tools):
    # The interval of 60 per second is not a whole number of milliseconds.
    found = figures("echo", tools.ws("/echo"), *SHORT, "--rate", "60", "--duration", "2s")
    assert found["errors"] == 0 and 100 <= found["messages"] <= 125


def test_sizes_are_mixed_by_their_weights(tools):
    found = figures("echo", tools.ws("/echo"), *SHORT, "--size", "20*9,200", "--in-flight", "3")
    assert found["errors"] == 0 and found["verified"] >= 10
    assert found["sizes"] == [20, 200] and found["size_weights"] == [9, 1]
    # Headers of two and four bytes, and a masking key of four.
    assert found["wire_bytes_per_message_in"] == pytest.approx((9 * 22 + 204) / 10, abs=2)
    assert found["wire_bytes_per_message_out"] == pytest.approx((9 * 26 + 208) / 10, abs=2)


@pytest.mark.parametrize("compression", ["off", "takeover"])
def test_the_lines_of_a_file_are_sent_complete(tmp_path, compression):
    lines = [json.dumps({"n": n, "word": "größer"}, ensure_ascii=False) for n in range(50)]
    file = tmp_path / "events.jsonl"
    file.write_bytes("\n\n".join(lines).encode())
    seen = set()
    with echoing(seen.add) as url:
        found = figures(
            "echo", url, *SHORT, "--duration", "1s", "--payload", f"file:{file}",
            "--compression", compression,
        )
    assert found["errors"] == 0 and found["verified"] >= 10
    assert found["lines"] == 50 and "sizes" not in found
    assert seen == set(lines), "text, all of them, and nothing else"


@pytest.mark.parametrize(
    "contents, kind", [("aä€😀b\n" * 3, str), (b"\xff\x00\n" * 5, bytes)], ids=["text", "bytes"],
)
def test_a_file_is_split_into_slices_of_a_size(tmp_path, contents, kind):
    file = tmp_path / "file"
    file.write_bytes(contents.encode() if kind is str else contents)
    seen = set()
    with echoing(seen.add) as url:
        found = figures("echo", url, *SHORT, "--payload", f"file:{file}", "--size", "7")
    assert found["errors"] == 0 and found["sizes"] == [7]
    assert seen and all(type(message) is kind for message in seen)
    sizes = {len(message.encode()) if kind is str else len(message) for message in seen}
    assert max(sizes) == 7 and min(sizes) >= (4 if kind is str else 7)


def test_permanent_and_short_connections(tools):
    idle = figures("idle", tools.ws("/echo"), *SHORT)
    assert idle["errors"] == 0 and idle["verified"] == 10
    connect = figures("connect", tools.ws("/echo"), *SHORT)
    assert connect["errors"] == 0 and connect["messages"] > 10
    apus.wait_until(lambda: tools.sockets() <= 2, "every connection let go", 30)


def test_as_many_handshakes_as_requested_are_in_progress():
    with socket.create_server(("127.0.0.1", 0), backlog=300) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        with subprocess.Popen(
            [apus.binary(), "bench", "connect", url, "--connections", "300", "--duration", "2s"],
            stdout=subprocess.DEVNULL,
        ) as process, contextlib.ExitStack() as peers:
            listener.settimeout(30)
            for _ in range(300):
                peers.enter_context(listener.accept()[0])
            # No client was answered.
            assert process.wait(30) == 1


def test_silent_connections_send_nothing(tools):
    # `/ws` would send back something else.
    found = figures("idle", tools.ws("/ws"), *SHORT, "--silent")
    assert found["errors"] == 0 and found["verified"] == 0


@pytest.mark.parametrize("compression", ["off", "on", "takeover"])
def test_a_third_party_server(foreign, compression):
    found = figures("echo", foreign, *SHORT, "--size", "300", "--compression", compression)
    assert found["errors"] == 0
    assert found["messages"] > 0 and found["verified"] >= 10
    assert ("extensions" in found) == (compression != "off")


def test_missing_compression_is_an_error(start):
    server = start("compression.enabled=false", args=["--tools"])
    done = bench("echo", server.ws("/echo"), *SHORT, "--compression", "on")
    assert done.returncode == 1 and "does not agree to compression" in done.stderr


def failure(*args):
    """What a failed run says; it prints no figures, and with `--json` only the error."""
    done = bench(*args, "--markdown")
    assert done.returncode == 1 and done.stdout == "", done.stdout
    words = json.loads(bench(*args, "--json").stdout)
    assert words.keys() <= {"error", "advice", "scenario", "url"}
    assert words["scenario"] == args[0] and words["advice"]
    return done.stderr


def test_a_server_that_never_answers_is_no_success():
    with served(lambda connection: list(connection)) as url:
        words = failure("echo", url, *SHORT)
        assert "nothing came back: 10 messages are unanswered, the longest for " in words
        assert "nothing came back: 10 deliveries are unanswered" in failure("fanout", url, *SHORT)


def test_a_listener_that_answers_no_handshake_is_no_success():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        words = failure("connect", url, *SHORT)
    assert "no connection was opened: 10 handshakes are unanswered, the longest for " in words


def test_tables_for_people(tools):
    text = bench("echo", tools.ws("/echo?token=secret"), *SHORT, "--progress")
    assert text.returncode == 0
    assert "p99.9" in text.stdout and "server CPU" in text.stdout
    assert "measuring" in text.stderr
    markdown = bench("echo", tools.ws("/echo"), *SHORT, "--markdown")
    assert markdown.stdout.startswith("| echo | ws://127.0.0.1:")
    assert "secret" not in text.stdout + text.stderr


@pytest.mark.parametrize("scenario", ["echo", "fanout", "idle"])
def test_contents_that_differ_are_no_success(tools, scenario):
    # `/ws` puts words in front of each message.
    words = failure(scenario, tools.ws("/ws"), *SHORT)
    assert ("nothing came back" if scenario == "fanout" else "is not what was sent") in words
    assert "apus serve --tools" in words


@pytest.mark.parametrize("scenario", ["echo", "fanout", "idle", "connect"])
def test_connections_that_are_refused_are_no_success(tools, scenario):
    words = failure(scenario, tools.ws("/nowhere"), *SHORT)
    assert "the server answered 404" in words and "Check the URL" in words
    assert "connection refused" in failure(scenario, "ws://127.0.0.1:1/", *SHORT)


def test_a_comparison_without_results_is_no_success(tools):
    brief = ("--duration", "100ms", "--repeats", "1", "--sizes", "64,1KiB")
    words = failure("compare", tools.ws("/ws"), *brief)
    assert words.startswith("apus bench compare: echo, plain, 64 B: wrong contents: ")
    assert "connection refused" in failure("compare", "ws://127.0.0.1:1/", *brief)


def test_figures_are_printed_although_a_connection_was_lost():
    lost = iter([True])

    def echo(connection):
        for message in connection:
            connection.send(message)
            if next(lost, False):
                return

    with served(echo) as url:
        done = bench("echo", url, *SHORT)
    assert done.returncode == 1 and "messages" in done.stdout
    assert "! 1 error: connection " in done.stdout and "closed by the server" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("scenario", ["echo", "fanout", "idle", "connect"])
def test_an_interrupt_during_the_warmup_is_no_success(tools, scenario, number):
    path = "/broadcast" if scenario == "fanout" else "/echo"
    status, output, errors = interrupted(
        "warming up", number, scenario, tools.ws(path), "--connections", "4", "--warmup", "1h",
    )
    assert (status, output) == (1, "")
    assert "apus bench: interrupted: nothing was measured" in errors


def test_an_interrupt_while_connections_open_is_no_success():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        status, output, errors = interrupted("connections open", signal.SIGINT, "echo", url)
    assert (status, output) == (1, "") and "nothing was measured" in errors


def interrupted(when, number, *args):
    """A run that gets a signal once its progress says `when`: status, output and errors."""
    process = subprocess.Popen(
        [apus.binary(), "bench", *args, "--progress"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=apus.clean_environment(),
    )
    lines = apus.Lines(process.stderr)
    try:
        assert lines.wait_for(lambda lines: any(when in line for line in lines), 30), lines.text()
        process.send_signal(number)
        output = process.stdout.read()
        status = process.wait(30)
        lines.wait_for(lambda lines: False, 5)
        return status, output, lines.text()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    "url, words",
    [
        ("ws://127.0.0.1:1/", "refused"),
        ("wss://127.0.0.1:1/", "refused"),
        ("http://127.0.0.1/", "ws, wss or ws+unix"),
    ],
)
def test_an_unreachable_server_is_reported(url, words):
    done = bench("echo", url, *SHORT)
    assert done.returncode in (1, 64)
    assert words in done.stderr and done.stdout == ""


def test_a_refused_path_is_reported(tools):
    done = bench("echo", tools.ws("/nowhere"), *SHORT)
    assert done.returncode == 1 and "404" in done.stderr


def test_an_interrupt_prints_what_there_is(tools):
    status, output, _ = interrupted(
        "measuring", signal.SIGINT, "echo", tools.ws("/echo"), "--duration", "1h", "--warmup", "0s",
        "--json",
    )
    found = json.loads(output)
    assert status == 0 and found["interrupted"] and found["messages"] > 0


@pytest.mark.parametrize(
    "command, scheme",
    [("echo", "ws"), ("fanout", "wss"), ("idle", "ws"), ("connect", "http"), ("compare", "ws")],
)
def test_passwords_in_urls_are_refused_and_not_repeated(command, scheme):
    done = bench(command, f"{scheme}://user:pa55word@127.0.0.1:1/")
    assert done.returncode == 64 and done.stdout == ""
    assert "user or password in a URL isn't supported" in done.stderr
    assert "--header" in done.stderr and "pa55word" not in done.stderr


def test_several_sizes_go_with_commas():
    for words in (("--sizes", "128", "64"), ("--size", "64", "1KiB"), ("--subscribers", "1", "2")):
        done = bench("compare", *words)
        assert done.returncode == 64 and "with commas and without spaces" in done.stderr
