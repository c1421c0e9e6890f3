"""A real Prometheus scrapes the server, and answers the queries of the Grafana dashboard."""

import contextlib
import json
import math
import re
import subprocess
import threading
import urllib.parse
import urllib.request

import pytest
from apus import ROOT, clean_environment, port_that_no_client_gets, wait_until
from metrics import ADMIN, Scrape, admin_url
from websockets.sync.client import connect
from wire import CLOSE, Wire, close_payload

DASHBOARD = ROOT / "config/grafana-dashboard.json"
NAME = re.compile(r"\b((?:apus|process)_[a-z_]+)")


def panels():
    """Returns the panels that have queries."""
    return [one for one in json.loads(DASHBOARD.read_text())["panels"] if one["type"] != "row"]


def queries():
    return [
        (panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]


class Prometheus:
    def __init__(self, folder, target):
        self.port = port_that_no_client_gets()
        settings = folder / "prometheus.yml"
        settings.write_text(json.dumps({
            "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms"},
            "scrape_configs": [{"job_name": "apus", "static_configs": [{"targets": [target]}]}],
        }))
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={settings}", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"],
            env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def fetch(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
            return response.read()

    def is_ready(self):
        assert self.process.poll() is None, self.process.stderr.read().decode()
        with contextlib.suppress(OSError):
            return self.fetch("/-/ready")

    def query(self, text):
        """Returns the values."""
        answer = json.loads(self.fetch("/api/v1/query?" + urllib.parse.urlencode({"query": text})))
        assert answer["status"] == "success", answer
        return [float(one["value"][1]) for one in answer["data"]["result"]]

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=10)


class Traffic:
    """Clients that come, do everything that the dashboard shows, and go, until it is stopped."""

    def __init__(self, server):
        self.server = server
        self.error = None
        self.rounds = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            while not self._over.is_set():
                self._round()
                self.rounds += 1
        except Exception as error:
            self.error = error

    def _round(self):
        words = "words that compress " * 50
        url = self.server.ws("/echo")
        with connect(url, proxy=None) as client, connect(
            self.server.ws("/ws/redis/news"), proxy=None
        ) as subscriber:
            client.send(words)
            assert client.recv(timeout=5) == words
            request = urllib.request.Request(
                self.server.url("/publish/news?message=hello"), method="POST")
            urllib.request.urlopen(request, timeout=5).close()
            assert "hello" in subscriber.recv(timeout=5)
        with Wire.to(self.server) as wire:
            wire.send(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert wire.response().status == 404
        with Wire.to(self.server, "/echo") as wire:
            wire.send_frame(CLOSE, close_payload(4000))
            wire.ends()

    def stop(self):
        self._over.set()
        self._thread.join()
        if self.error:
            raise self.error


@pytest.fixture
def scraped(start, tmp_path):
    server = start(ADMIN, "server.loops=2", args=["--tools"])
    prometheus = Prometheus(tmp_path, admin_url(server).removeprefix("http://"))
    traffic = Traffic(server)
    try:
        wait_until(prometheus.is_ready, "Prometheus is ready", 20)
        yield server, prometheus, traffic
    finally:
        traffic.stop()
        prometheus.stop()


def test_each_metric_of_the_dashboard_exists(start):
    known = set()
    for name, family in Scrape(start(ADMIN)).families.items():
        suffixes = ("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",)
        known |= {name + suffix for suffix in suffixes}
    used = {name for _, query in queries() for name in NAME.findall(query)}
    assert len(used) > 40
    assert not used - known


def test_the_dashboard_is_laid_out_without_overlaps():
    all_panels = json.loads(DASHBOARD.read_text())["panels"]
    ids = [panel["id"] for panel in all_panels]
    assert len(set(ids)) == len(ids)
    places = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in all_panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24


def test_prometheus_answers_each_query_of_the_dashboard(scraped):
    server, prometheus, traffic = scraped
    concrete = [
        (title, query.replace("$__rate_interval", "3s").replace("$instance", ".*"))
        for title, query in queries()
    ]
    left = dict.fromkeys(concrete)

    def all_answered():
        assert traffic.error is None
        for title, query in list(left):
            if prometheus.query(query):
                del left[title, query]
        return not left

    wait_until(lambda: prometheus.query("min_over_time(up[1s])") == [1.0], "a scrape", 10)
    with contextlib.suppress(AssertionError):
        wait_until(all_answered, "answers", 15)
    assert not left, left
    # The traffic of the clients is seen.
    moving = [
        "websocket_messages_received_total", "websocket_connections_closed_total",
        "http_responses_total", "topic_deliveries_total", "compression_messages_deflated_total",
        "loop_cpu_seconds_total", "loop_turn_duration_seconds_count",
        "websocket_handshake_duration_seconds_count",
    ]
    for name in moving:
        rate = f"sum(rate(apus_{name}[5s]))"
        wait_until(lambda rate=rate: sum(prometheus.query(rate)) > 0, name, 10)
    quantile = next(query for title, query in concrete if title == "Opening handshake")
    wait_until(lambda: any(not math.isnan(one) for one in prometheus.query(quantile)), quantile, 10)
    # Prometheus has seen what the server has counted, and nothing has gone down.
    traffic.stop()
    last = Scrape(server)
    count, families = last("apus_websocket_messages_received_total"), last.families
    assert count == traffic.rounds
    wait_until(
        lambda: prometheus.query("sum(apus_websocket_messages_received_total)") == [count],
        "the last count", 10)
    for name in [name for name, one in families.items() if one.kind == "counter"]:
        assert prometheus.query(f"sum(resets({name}[1m]))") == [0.0], name
