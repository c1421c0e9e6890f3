"""HAProxy in front of two servers, with the shipped configuration file."""

import itertools
import re
import signal
import threading

import pytest
from apus import wait_until
from balancers import (  # noqa: F401
    TRUSTED,
    HAProxy,
    Keeping,
    Leaving,
    balanced,
    cookie_of,
    keep_alive_of_apus,
    seconds_in,
)
from websockets.exceptions import ConnectionClosed
from wire import BINARY, Wire, frame


def visits(server, client, count):
    """Waits until a client has left the chat `count` times by the log. Returns how often it did."""
    line = re.compile(rf"\bclient={client}\b.*client left the chat")

    def times(lines):
        return sum(1 for text in lines if line.search(text))

    server.stderr.wait_for(lambda lines: times(lines) >= count, 30 if count else 0)
    return times(server.stderr.text().split("\n"))


def visit(haproxy, client, **options):
    """Joins the chat and leaves. Returns the cookie of the response."""
    with haproxy.connect(f"/ws/{client}", **options) as connection:
        connection.send("hello")
        # Another client's leaving is announced when its connection is closed, perhaps only now.
        while (heard := connection.recv(timeout=30)).endswith("left the chat"):
            pass
        assert heard == f"Client {client}: hello"
        return cookie_of(connection)


def test_a_client_stays_with_its_instance_by_its_cookie(balanced):
    haproxy, a, b = balanced()
    instances = {"a": a, "b": b}
    seen = set()
    for client in range(6):
        cookie = visit(haproxy, client)
        seen.add(cookie)
        for _ in range(3):
            assert visit(haproxy, client, cookie=cookie) is None, "the cookie is set once"
        assert visits(instances[cookie], client, 4) == 4
        other = instances["b" if cookie == "a" else "a"]
        assert visits(other, client, 0) == 0
    assert seen == {"a", "b"}


def test_a_client_stays_with_its_instance_by_its_address(balanced):
    haproxy, a, b = balanced(sticky="by_source")
    count = {a: 0, b: 0}
    for client in range(2, 22):
        for _ in range(3):
            assert visit(haproxy, client, source=f"127.0.0.{client}") is None
    # Once both together have received everything, no more can arrive.
    for client in range(2, 22):
        wait_until(
            lambda: visits(a, client, 0) + visits(b, client, 0) == 3, f"{client} left", 30
        )
        there, elsewhere = sorted((a, b), key=lambda one: -visits(one, client, 0))
        assert (visits(there, client, 0), visits(elsewhere, client, 0)) == (3, 0)
        count[there] += 1
    assert min(count.values()) > 0, "all addresses on one instance"


@pytest.mark.parametrize("how", ["drained", "killed"])
def test_clients_of_a_stopping_instance_go_to_the_other_and_return(balanced, how):
    haproxy, *servers = balanced("drain.delay=1h", sticky="by_source")
    a, b = servers
    clients = itertools.count(1)

    def holder(source):
        """Returns the instance of a source's client, which has a different number each time."""
        client = next(clients)
        visit(haproxy, client, source=source)
        times = lambda: {one: visits(one, client, 0) for one in (a, b)}
        wait_until(lambda: sum(times().values()) == 1, f"{client} left", 30)
        return max((a, b), key=times().get)

    held = {holder(source): source for source in (f"127.0.0.{n}" for n in range(2, 22))}
    ours, theirs = held[a], held[b]
    with haproxy.connect("/ws", source=ours) as stayer:
        if how == "drained":
            a.signal(signal.SIGTERM)
            haproxy.wait_logged("by_source/a is DOWN")
        else:
            # HAProxy doesn't know yet: it finds out with the next client.
            a.process.kill()
        for _ in range(2):
            assert holder(ours) is b and holder(theirs) is b
        if how == "drained":
            stayer.send("x")
            assert stayer.recv(timeout=30) == "Message received: x"
            stop_at_once(a)
    if how == "killed":
        haproxy.wait_logged("by_source/a is DOWN")
    a = a.again()
    haproxy.wait_logged("by_source/a is UP")
    assert holder(ours) is a and holder(theirs) is b
    for server in (a, b):
        server.signal(signal.SIGTERM)
    stop_at_once(a, b)


def stop_at_once(*servers):
    """Stops servers that are already draining, and would continue for a long time."""
    for server in servers:
        assert server.stderr.wait_for(lambda lines: "not ready any more" in "".join(lines), 30)
        # The second signal, which resets all connections.
        server.signal(signal.SIGTERM)
        assert server.wait(30) == 0


class Crowd:
    """Clients that reconnect until they are stopped. All errors are in `faults`.

    Stayers keep their cookie, and their connection until the server drains it. Guests come without
    a cookie and leave.
    """

    def __init__(self, haproxy, stayers=6, guests=2):
        self.haproxy = haproxy
        self.over = threading.Event()
        self.faults = []
        self.codes = set()
        self.opened = {"a": 0, "b": 0}
        self._lock = threading.Lock()
        self.threads = [
            threading.Thread(target=self._guarded, args=(number, number < stayers), daemon=True)
            for number in range(stayers + guests)
        ]
        for thread in self.threads:
            thread.start()

    def _guarded(self, number, stays):
        try:
            cookie = None
            while not self.over.is_set():
                cookie = self._connect_once(number, cookie, stays)
        except Exception as error:
            self.faults.append(f"client {number}: {error!r}")

    def _connect_once(self, number, cookie, stays):
        with self.haproxy.connect("/ws", cookie=cookie if stays else None) as connection:
            cookie = cookie_of(connection) or cookie
            with self._lock:
                self.opened[cookie] += 1
            try:
                for text in map(str, itertools.count()):
                    connection.send(text)
                    assert connection.recv(timeout=30) == f"Message received: {text}"
                    if self.over.wait(0.02) or not stays:
                        return cookie
            except ConnectionClosed as closed:
                self.codes.add(closed.rcvd and closed.rcvd.code)
        return cookie

    def wait_for(self, instance, more):
        """Waits until an instance is reached `more` times from now on."""
        goal = self.opened[instance] + more
        wait_until(
            lambda: self.faults or self.opened[instance] >= goal, f"{more} reach {instance}", 30
        )
        assert not self.faults, self.faults

    def finish(self):
        self.over.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()


@pytest.mark.parametrize("announces", [False, True], ids=["header", "PROXY"])
@pytest.mark.parametrize("delay", ["0s", "2s"])
def test_an_instance_can_be_drained_and_return_without_errors_for_clients(
    balanced, delay, announces
):
    haproxy, a, b = balanced(
        f"drain.delay={delay}", "drain.spread=500ms", "drain.deadline=20s", announces=announces
    )
    crowd = Crowd(haproxy)
    try:
        crowd.wait_for("a", 4)
        crowd.wait_for("b", 4)
        for name, other, server in (("a", "b", a), ("b", "a", b)):
            server.signal(signal.SIGTERM)
            crowd.wait_for(other, 4)
            assert server.wait(30) == 0
            crowd.wait_for(other, 4)
            server.again()
            # Its checks must succeed first.
            crowd.wait_for(name, 4)
    finally:
        crowd.finish()
    assert not crowd.faults, haproxy.log.text()
    assert crowd.codes == {1012}, "who stayed was let go"


def test_an_instance_that_will_stop_keeps_its_clients_and_gets_no_new_ones(balanced):
    haproxy, a, b = balanced("drain.delay=1h")
    with haproxy.connect("/ws", cookie="a") as stayer:
        a.signal(signal.SIGTERM)
        haproxy.wait_logged("by_cookie/a is DOWN", "503")
        for cookie in (None, "a", None, "a"):
            with haproxy.connect("/ws", cookie=cookie) as connection:
                assert cookie_of(connection) == "b"
        stayer.send("x")
        assert stayer.recv(timeout=30) == "Message received: x"
    b.signal(signal.SIGTERM)
    stop_at_once(a, b)


@pytest.mark.parametrize("answer", [b"", Leaving.BUSY], ids=["nothing", "503"])
def test_requests_that_a_stopping_instance_does_not_accept_go_to_the_other(
    start, program, answer
):
    leaving = Leaving(answer)
    server = start(TRUSTED)
    path = program("haproxy", "/usr/sbin/haproxy", package="haproxy")
    haproxy = HAProxy(path, leaving.authority, server.authority)
    try:
        # If processes are paused meanwhile, HAProxy may use the other instance without a request.
        for _ in range(20):
            if len(leaving.asked) < 4:
                wire, outcome = haproxy.attempt(Cookie="APUS=a")
                assert outcome == "open"
                wire.close()
        assert leaving.asked == [b"GET"] * 4, haproxy.log.text()
        # A request that may have had an effect isn't repeated.
        for _ in range(5):
            if len(leaving.asked) < 5:
                status = haproxy.post("/publish", b"hi", cookie="a").status
        assert status in (502, 503)
        assert leaving.asked == [b"GET"] * 4 + [b"POST"], haproxy.log.text()
        haproxy.stop()
    finally:
        haproxy.kill()
        leaving.listening.close()


@pytest.mark.parametrize("announces", [False, True], ids=["header", "PROXY"])
def test_an_address_is_the_clients_own_whatever_it_claims(balanced, announces):
    haproxy, a, _ = balanced(
        "limits.connections.per_address=1", "limits.close.timeout=1h", announces=announces
    )

    def attempt(source, claimed):
        # All on one instance, and each is counted separately.
        return haproxy.attempt(
            source=source, Cookie="APUS=a", X_Forwarded_For=claimed, Forwarded=f"for={claimed}"
        )

    first, outcome = attempt("127.0.0.2", "192.0.2.1")
    assert outcome == "open"
    second, outcome = attempt("127.0.0.2", "192.0.2.2")
    assert outcome == 1008
    third, outcome = attempt("127.0.0.3", "192.0.2.1")
    assert outcome == "open"
    third.send(frame(BINARY, b"unmasked", masked=False))
    third.expect_failure(1002)
    line = a.stderr.wait_for(
        lambda lines: next((line for line in lines if "connection failed" in line), None), 30
    )
    assert re.search(r"peer=127\.0\.0\.3\b", line), line
    for wire in (first, second, third):
        wire.close()


def test_an_idle_connection_is_closed_before_the_server_closes_it(program):
    # A POST at the same moment would be lost, and not sent again.
    assert seconds_in("config/haproxy.cfg", "timeout http-keep-alive") < keep_alive_of_apus()
    path = program("haproxy", "/usr/sbin/haproxy", package="haproxy")
    keeping = Keeping()
    haproxy = HAProxy(
        path, keeping.authority, keeping.authority,
        changes={"timeout http-keep-alive 5s": "timeout http-keep-alive 1s"},
    )
    try:
        clients = [Wire(haproxy.socket(), seconds=30) for _ in range(2)]
        for number in (1, 2):
            for name, client in zip("ab", clients):
                client.send(f"GET /{name}{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                assert client.response().status == 200
        # No client's connection is used for another client: it could be about to close.
        assert keeping.connections == [[b"/a1", b"/a2"], [b"/b1", b"/b2"]]
        wait_until(lambda: len(keeping.ended) == 2, "let go", 30)
        assert all(client.ends() == b"" for client in clients)
    finally:
        haproxy.kill()
        keeping.close()


def test_refusals_are_passed_on_with_their_status(balanced):
    haproxy, _, _ = balanced("limits.connections.per_address=1", "limits.close.timeout=1h")
    for path, headers, status in (
        ("/nowhere", {}, 404), ("/ws/seven", {}, 422), ("/ws", {"Upgrade": None}, 426),
        ("/ws", {"Sec_WebSocket_Version": "7"}, 426), ("/ws", {"Sec_WebSocket_Key": "x"}, 400),
    ):
        wire, outcome = haproxy.attempt(path, **headers)
        assert outcome == status
        wire.close()
    # One on each instance, one more on each that is refused, and then neither has room.
    attempts = [haproxy.attempt(source="127.0.0.2") for _ in range(5)]
    outcomes = [outcome for _, outcome in attempts]
    assert sorted(map(str, outcomes[:4])) == ["1008", "1008", "open", "open"]
    assert outcomes[4] == 503
    for wire, _ in attempts:
        wire.close()
