"""`/ws/notifications/{topic}` and the tasks that it announces, with third-party clients."""

import asyncio
import subprocess

import aiohttp
import pytest
from task_client import CREATED, create, tasks
from websockets.exceptions import InvalidStatus
from wire import CLOSE, TEXT, Wire, close_payload


def listening(server, client, topic="tasks", **options):
    """Connects a subscriber. After the answer to a ping, it is subscribed."""
    socket = client(server, f"/ws/notifications/{topic}", **options)
    assert socket.ping().wait(30)
    return socket


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_new_task_is_announced_once_it_is_stored(start, client, compression):
    server = start("server.loops=2")
    sockets = [listening(server, client, compression=compression) for _ in range(4)]
    for id in range(5):
        title = f"Füttern {id} " + "x" * 100
        assert create(server, id, title) == (200, CREATED)
        for socket in sockets:
            assert socket.recv(timeout=30) == f"New task created: {title}"
            assert tasks(server)[-1]["title"] == title


def test_refused_tasks_are_not_announced(start, client):
    server = start()
    socket = listening(server, client)
    assert create(server, 1, "one")[0] == 200
    assert create(server, 1, "two")[0] == 409
    assert create(server, 2, 3)[0] == 422
    assert create(server, 2, "three")[0] == 200
    assert [socket.recv(timeout=30) for _ in range(2)] == [
        "New task created: one", "New task created: three",
    ]


def test_each_of_many_at_once_is_announced_once_and_in_one_order(start, client):
    server = start("server.loops=2")
    sockets = [listening(server, client) for _ in range(3)]

    async def post_all():
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            async def post(id):
                body = {"id": id, "title": f"{id}"}
                async with session.post(server.url("/tasks"), json=body) as response:
                    assert response.status == 200
            await asyncio.gather(*(post(id) for id in range(200)))

    asyncio.run(post_all())
    told = [[socket.recv(timeout=30) for _ in range(200)] for socket in sockets]
    assert sorted(told[0]) == sorted(f"New task created: {id}" for id in range(200))
    assert told[1] == told[0] and told[2] == told[0]


def test_a_topic_that_nobody_publishes_to_is_empty(start, client):
    server = start()
    other, socket = listening(server, client, "weather"), listening(server, client)
    assert create(server, 1, "one")[0] == 200
    assert socket.recv(timeout=30) == "New task created: one"
    # The answer to the ping follows everything that was published before.
    assert other.ping().wait(30)
    with pytest.raises(TimeoutError):
        other.recv(timeout=0)


def test_messages_of_a_client_are_read_and_dropped(start, client):
    server = start()
    socket, other = listening(server, client), listening(server, client)
    for n in range(100):
        socket.send(f"{n}" * 1_000)
        socket.send(bytes(1_000))
    assert socket.ping().wait(30)
    assert create(server, 1, "one")[0] == 200
    assert socket.recv(timeout=30) == other.recv(timeout=30) == "New task created: one"


def test_a_subscription_ends_with_its_connection(start):
    """However it ends. The server would report a leak at its stop."""
    server = start()
    for n in range(30):
        wire = Wire.to(server, f"/ws/notifications/{n % 3}")
        if n % 3 == 0:
            wire.send_frame(CLOSE, close_payload(1000))
            assert wire.frame().opcode == CLOSE
            wire.close()
        elif n % 3 == 1:
            wire.reset()
        else:
            wire.send_frame(TEXT, b"x", masked=False)
            wire.ends()
    server.stop()


@pytest.mark.parametrize("topic", ["a%0Ab", "x" * 242, "%7F"])
def test_an_invalid_topic_name_is_refused_before_the_upgrade(server, client, topic):
    with pytest.raises(InvalidStatus) as refused:
        client(server, f"/ws/notifications/{topic}")
    assert refused.value.response.status_code == 422
    assert b"topic" in refused.value.response.body


def test_the_route_has_its_own_keys(start, client):
    server = start("routes.notifications.message.max=10")
    socket = listening(server, client)
    socket.send("x" * 11)
    with pytest.raises(Exception, match="1009"):
        socket.recv(timeout=30)
    echo = client(server)
    echo.send("x" * 11)
    assert echo.recv(timeout=30) == "Message received: " + "x" * 11


def test_a_subscriber_in_node_receives_it(start, program):
    """With Node's `ws`, as its users write it."""
    from test_node import node_environment

    server = start()
    node = program("node", "nodejs", package="nodejs")
    script = """
        const socket = new (require("ws"))(process.argv[1]);
        socket.on("open", () => socket.ping());
        socket.on("pong", () => console.log("listening"));
        socket.on("message", (data) => { console.log(String(data)); socket.close(); });
    """
    process = subprocess.Popen(
        [node, "-e", script, server.ws("/ws/notifications/tasks")], stdout=subprocess.PIPE,
        text=True, env=node_environment(node),
    )
    try:
        assert process.stdout.readline() == "listening\n"
        assert create(server, 1, "für Node")[0] == 200
        assert process.stdout.readline() == "New task created: für Node\n"
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
