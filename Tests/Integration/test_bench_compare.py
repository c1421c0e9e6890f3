"""`apus bench compare`, completely, but for a short time."""

import json
import os
import xml.etree.ElementTree

import apus
import pytest

SMALL = ("--size", "64,1KiB", "--subscribers", "10", "--duration", "100ms", "--repeats")
ECHO = {"plain", "alone", "takeover"}
BRIEF = ("--subscribers", "0", "--duration", "100ms", "--repeats", "1")
# The same words in the help and below the results.
NOTES = ("The link is the server's own", "Takeover is from server to client")
CHARTS = {
    "echo-cpu", "echo-wire", "echo-break-even", "fanout-cpu", "fanout-wire", "fanout-break-even",
}


def compare(*options):
    done = apus.run("bench", "compare", *SMALL, *options, seconds=180)
    assert done.returncode == 0, done.stderr + done.stdout
    return done


@pytest.fixture(scope="module")
def charts(tmp_path_factory):
    return tmp_path_factory.mktemp("charts")


@pytest.fixture(scope="module")
def found(charts):
    """Returns the JSON of a comparison, which also writes charts."""
    return json.loads(compare("3", "--json", "--svg", str(charts)).stdout)


def test_every_case_has_results_at_every_size(found):
    cases = {(one.get("subscribers"), one["way"], one["size"]) for one in found["measured"]}
    wanted = {(None, way, size) for way in ECHO for size in (64, 1024)}
    wanted |= {(10, way, size) for way in ECHO | {"shared"} for size in (64, 1024)}
    assert cases == wanted and len(found["measured"]) == len(wanted)
    for one in found["measured"]:
        report = one["report"]
        assert report["errors"] == 0 and report["messages"] > 0 and report["verified"] > 0, one
        assert report["server"]["cpu_microseconds_per_message"] > 0
        assert report["latency_microseconds"]["p99"] > 0
        times = sorted(one["cpu_microseconds_per_message_of_runs"])
        assert len(times) == 3
        assert times[1] == report["server"]["cpu_microseconds_per_message"], "the one in the middle"
        assert ("pays" in one) == (one["way"] != "plain")
        assert ("extensions" in report) == (one["way"] != "plain")
    assert found["machine"]["cores"] >= 1
    assert any(name.startswith("libz.so.") for name in found["machine"]["libraries"])
    assert found["version"]


def test_each_case_compresses_as_named(found):
    ratio = {
        (one.get("subscribers"), one["way"]): one["report"]["ratio"]
        for one in found["measured"] if one["size"] == 1024
    }
    for load in (None, 10):
        assert ratio[load, "plain"] > 1
        assert ratio[load, "takeover"] < ratio[load, "alone"] < 0.9
    assert ratio[10, "shared"] < ratio[10, "alone"]


def test_each_load_and_case_has_an_answer(found):
    answers = {(one.get("subscribers"), one["way"]) for one in found["answers"]}
    assert answers == {
        (None, "alone"), (None, "takeover"), (10, "alone"), (10, "takeover"), (10, "shared"),
    }
    for one in found["answers"]:
        assert set(one["smallest_sizes"].values()) <= {None, 64, 1024}
    assert "Compression pays on a link" in found["explanation"]


def test_charts_are_valid(found, charts):
    assert {file.stem for file in charts.glob("*.svg")} == CHARTS
    for file in charts.glob("*.svg"):
        root = xml.etree.ElementTree.parse(file).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg", file
        assert "nan" not in file.read_text() and "inf" not in file.read_text(), file


def test_markdown_has_the_table_and_the_answer():
    text = compare("1", "--markdown").stdout
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert sum(line.startswith("| echo | plain | ") for line in rows) == 2
    assert any(line.startswith("| pays from |") for line in rows)
    assert sum(line.startswith("| fanout to 10 | shared context | ") for line in rows) == 3
    assert "Compression pays on a link" in text
    first = text.splitlines()[0]
    assert " core" in first and "Linux " in first and "; apus " in first and "libz.so." in first
    for note in NOTES:
        assert note in text


def test_the_help_names_the_link_and_the_direction():
    words = " ".join(apus.run("bench", "compare", "--help").stdout.split())
    for note in NOTES:
        assert note in words


def test_the_lines_of_a_file_are_compared_whole(tmp_path):
    file = tmp_path / "events.jsonl"
    lines = [json.dumps({"event": n, "price": n * 7919 % 10_007, "a": "b"}) for n in range(1_000)]
    file.write_text("\n".join(lines))
    done = apus.run(
        "bench", "compare", *BRIEF, "--payload", f"file:{file}", "--json", seconds=60
    )
    assert done.returncode == 0, done.stderr + done.stdout
    found = json.loads(done.stdout)
    average = round(sum(map(len, lines)) / len(lines))
    assert [(one["way"], one["size"]) for one in found["measured"]] == [
        (way, average) for way in ("plain", "alone", "takeover")
    ]
    for one in found["measured"]:
        assert one["report"]["lines"] == 1_000 and one["report"]["errors"] == 0
    assert "the 1,000 lines of a file" in found["explanation"]


def test_a_folder_that_is_not_writable_is_reported_before_the_run(tmp_path):
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "charts", "/proc/charts"):
        # The error takes seconds; the run would take minutes.
        done = apus.run("bench", "compare", "--svg", str(folder), seconds=10)
        assert done.returncode == 1 and done.stdout == ""
        assert f"--svg: {folder} can't be written to" in done.stderr


def with_converter(tmp_path, script):
    """Runs a comparison with charts and a script as the converter to PNG. Returns it with the
    charts' folder.
    """
    program = tmp_path / "rsvg-convert"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    folder = tmp_path / "charts"
    done = apus.run(
        "bench", "compare", *BRIEF, "--size", "64,1KiB", "--svg", str(folder), seconds=60,
        environment={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    return done, folder


def test_a_converter_creates_pictures(tmp_path):
    # The picture contains the source from which it was created.
    done, folder = with_converter(tmp_path, 'test "$1 $2 $3" = "--zoom 2 --output" && cp "$5" "$4"')
    assert done.returncode == 0, done.stderr
    charts = sorted(folder.glob("*.svg"))
    assert len(charts) == 3 and len(list(folder.iterdir())) == 6
    for chart in charts:
        assert chart.with_suffix(".png").read_bytes() == chart.read_bytes()


def test_a_failing_converter_is_reported(tmp_path):
    done, folder = with_converter(tmp_path, "exit 3")
    assert done.returncode == 1 and "\necho " in done.stdout, "the figures are there"
    assert "echo-cpu.png is not written" in done.stderr and "ended with status 3" in done.stderr
    assert {file.name for file in folder.iterdir()} == {
        "echo-cpu.svg", "echo-wire.svg", "echo-break-even.svg",
    }


def against(url, *options):
    """Returns the JSON of a comparison on an existing server."""
    done = apus.run("bench", "compare", url, *BRIEF[2:], *options, "--json", seconds=60)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_a_third_party_server_is_compared_by_what_it_negotiates(start):
    # It compresses each message without a context, whatever is offered.
    server = start(
        "compression.context_takeover=off", "compression.threshold=0", args=["--tools"]
    )
    found = against(server.ws("/echo"), "--size", "300")
    assert found["url"] == server.ws("/echo")
    assert [(one["way"], one["size"]) for one in found["measured"]] == [
        ("plain", 300), ("alone", 300),
    ]
    for one in found["measured"]:
        assert one["report"]["errors"] == 0 and one["report"]["messages"] > 0
        assert one["report"]["server"]["cpu_microseconds_per_message"] > 0, "found by its port"
        assert "memory" not in one["report"], "it has served others"
    assert any(
        words.startswith("real takeover is not measured: the server's messages stand alone")
        for words in found["warnings"]
    )


def test_a_server_without_compression_only_has_plain_results(start):
    server = start("compression.enabled=false", args=["--tools"])
    found = against(server.ws("/echo"), "--size", "300")
    assert [one["way"] for one in found["measured"]] == ["plain"]
    assert sum("agrees to no compression" in words for words in found["warnings"]) == 2


def test_a_fan_out_of_a_third_party_server_is_compared(start):
    server = start("compression.threshold=0", args=["--tools"])
    found = against(server.ws("/broadcast"), "--subscribers", "10", "--size", "300")
    assert [(one["way"], one["subscribers"]) for one in found["measured"]] == [
        ("plain", 10), ("alone", 10), ("takeover", 10),
    ]
    ratios = [one["report"]["ratio"] for one in found["measured"]]
    assert ratios[2] < ratios[1] < ratios[0]
