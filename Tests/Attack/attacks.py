"""The attacks: the behaviour of their peers, the settings of the server, and its limits."""

import dataclasses
import sqlite3
from collections.abc import Callable

import paths  # noqa: F401
from deflate import deflate
from payloads import (
    FORM,
    KIB,
    MIB,
    Address,
    deflated,
    empty_blocks,
    escaped_marks,
    marks,
    text,
    zip_bomb,
)
from peers import Group
from wire import BINARY, CONTINUATION, PING, PONG, TEXT, frame

KEYED = {"auth.jwt.secret": "a secret of thirty-two bytes, or more"}
UNREAD = {"reads": "none", "receive_buffer": 4 * KIB, "segment": 536}
SIPS = UNREAD | {"reads": "sips"}
MEMORY, ASSEMBLY, BACKLOG = "limits.memory.max", "limits.assembly.max", "topics.backlog.max"


@dataclasses.dataclass
class Attack:
    """An attack, and its requirements."""

    name: str
    about: str
    groups: Callable[[Address], list[Group]]
    settings: dict[str, str] = dataclasses.field(default_factory=dict)
    # The keys whose limits, added up, bound the memory that the server may use for it.
    budgets: tuple[str, ...] = (MEMORY,)
    # Called with the server before the attack.
    prepare: Callable | None = None
    # Kinds of honest clients besides the usual ones.
    witnesses: tuple[str, ...] = ()
    reads_log: bool = True
    # Whether it takes part when all attack at once.
    joins: bool = True
    # The most milliseconds of a turn, if they are more than for others.
    turn_ms: float | None = None
    seconds: float | None = None


ATTACKS = {}


def attack(**options):
    """Registers an attack, by the name and docstring of its function."""

    def add(groups):
        name = groups.__name__.replace("_", "-")
        ATTACKS[name] = Attack(name, groups.__doc__, groups, **options)
        return groups

    return add


@attack(joins=False)
def nothing(server):
    """No attack: the effect of this machine on round trips."""
    return []


# Texts


@attack()
def marks_in_messages(server):
    """Messages with long sequences of combining marks, in parsed JSON or words."""
    long = marks(440 * KIB)
    bearer = server.upgrade("/ws", Sec_WebSocket_Protocol="bearer")
    messages = [
        b'{"token":"a","%s":"x"}' % long,
        b'{"\\u0074oken":"a","%s":"x"}' % long,
        b'{"token":"%s"}' % long,
    ]
    commands = [b"subscribe " + long, long, b"publish x " + long]
    return [
        *(Group(1, bearer, text(message)) for message in messages),
        *(Group(1, server.upgrade("/topics"), text(command), reopens=True) for command in commands),
    ]


@attack(settings=KEYED | {"auth.users": "{users}", "auth.query_token": "true",
                          "auth.token.rate.per_address": "0", "auth.token.rate.per_user": "0"})
def marks_in_requests(server):
    """The same in members, fields, queries, paths and headers of requests."""
    body, head, url = marks(60 * KIB), marks(7 * KIB), escaped_marks(7 * KIB)
    requests = [
        server.post(b"/tasks", b'{"%s":1,"id":1,"title":"x"}' % body),
        server.post(b"/tasks", b'{"id":"%s","title":"x"}' % body),
        server.post(b"/tasks", b'{"id":"1","title":"%s"}' % body),
        server.post(b"/publish/x", b'{"%s":1,"message":"x"}' % body),
        server.post(b"/publish/x", b"%s=1&message=x" % body, FORM),
        server.post(b"/publish/" + url, b'{"message":"x"}'),
        server.post(b"/publish/x?" + url + b"=1", b'{"message":"x"}'),
        server.post(b"/publish/x", b"x", head),
        server.post(b"/token", b"%s=1&grant_type=password" % body, FORM),
        server.post(b"/token", b"grant_type=%s" % body, FORM),
        server.get(b"/tasks?limit=" + url),
        server.get(b"/tasks?" + url + b"=1"),
        server.get(b"/" + url),
        server.get(b"/ws/" + url),
        server.get(b"/healthz", b"Connection: " + head),
        server.get(b"/healthz", b"Accept: " + head),
    ]
    upgrades = [
        server.upgrade("/ws", Origin=head.decode()),
        server.upgrade("/ws", Authorization=head.decode()),
        server.upgrade("/ws", Sec_WebSocket_Protocol="bearer, " + head.decode()),
        server.upgrade("/ws", Sec_WebSocket_Extensions=head.decode()),
        server.upgrade(f"/ws/secure/x?token=a&{url.decode()}=1"),
        server.upgrade("/ws/" + url.decode()),
    ]
    return [
        *(Group(1, flood=request, reopens=True) for request in requests),
        *(Group(1, upgrade, reopens=True, lives=0) for upgrade in upgrades),
    ]


@attack()
def dear_requests(server):
    """Pipelined requests whose bodies take long to parse."""
    full = 64 * KIB - 100
    chunks = b"1\r\na\r\n" * full + b"0\r\n\r\n"
    numbers = b'{"id":1%s.5,"title":"x"}' % (b"0" * (full - 30))
    bodies = [
        server.post(b"/publish/x", b"message=" + b"%61" * (full // 3 - 10), FORM),
        server.post(b"/publish/x", b"&".join([b"a=b"] * (full // 4)), FORM),
        server.post(b"/publish/x", b'{"a":[' + b",".join([b"0"] * (full // 2 - 10)) + b"]}"),
        server.post(b"/tasks", b"{" + b",".join(b'"%d":0' % n for n in range(6_000)) + b"}"),
        server.post(b"/tasks", numbers),
        server.request("POST", b"/publish/x", b"Transfer-Encoding: chunked") + chunks,
        server.get(b"/" + b"a/" * 3_500),
        server.get(b"/tasks?" + b"a=b&" * 1_800),
    ]
    return [Group(2, flood=body * 4, reopens=True) for body in bodies]


# Connections


@attack(settings={"limits.connections.max": "100", "limits.connections.per_address": "10"},
        joins=False)
def silent_connections(server):
    """Connections from a few addresses, each beyond its limit, that never finish a request."""
    request = server.post(b"/tasks", b"{}")
    return [
        Group(130, source="127.0.0.2", reopens=True),
        Group(130, request[:1], source="127.0.0.3", reopens=True),
        Group(130, request[:-4], source="127.0.0.4", reopens=True),
        Group(130, request[:-1], source="127.0.0.5", reopens=True),
    ]


@attack()
def churn(server):
    """Connections that open and close: silent, in a handshake or open; by FIN or by reset."""
    hellos = [b"", b"GET", server.upgrade("/ws"), server.upgrade("/ws") + text(b"x"),
              server.deflating("/echo") + deflated(deflate(b"x")), server.get(b"/healthz")]
    return [
        Group(100, hello, lives=0, reopens=True, resets=resets)
        for hello in hellos for resets in (False, True)
    ]


@attack()
def leaving_together(server):
    """Members of the chat that all leave at the same moment, which is announced to the others."""
    return [
        Group(400, server.upgrade("/ws/7"), reopens=True),
        Group(600, server.upgrade("/ws/7"), lives=0.5, reopens=True),
    ]


@attack(settings={"limits.handshake.timeout": "700ms"}, joins=False)
def late_together(server):
    """Unfinished requests with the same deadline."""
    request = server.post(b"/tasks", b"{}")
    return [Group(2_000, request[:20], reopens=True), Group(2_000, request[:-1], reopens=True)]


# Memory


def fill_tasks(target):
    """Stores 57 MB of tasks, as another server with the same database could."""
    description = "d" * 10_000
    with sqlite3.connect(target.database, timeout=10) as database:
        database.executemany(
            "INSERT INTO tasks VALUES (?, 'title', ?, '2026-01-01T00:00:00.000000Z')",
            ((number, description) for number in range(5_700)),
        )
    database.close()


@attack(prepare=fill_tasks, witnesses=("tasks",), seconds=2)
def unread_tasks(server):
    """Requests for all tasks, 57 MB, whose answers are not read, or only in small parts."""
    request = server.get(b"/tasks")
    return [
        Group(24, request, **UNREAD),
        Group(8, request * 50, **UNREAD),
        Group(8, request, **SIPS),
    ]


@attack(budgets=(MEMORY, ASSEMBLY))
def unfinished_messages(server):
    """Messages of 1 MiB without their last byte, and fragmented ones of peers that answer pings."""
    whole = frame(BINARY, b"x" * MIB)
    fragments = text(b"x" * 64 * KIB, fin=False)
    fragments += frame(CONTINUATION, b"x" * 64 * KIB, fin=False) * 3
    return [
        Group(260, server.upgrade("/ws") + whole[:-1], reopens=True),
        Group(100, server.upgrade("/ws") + fragments, beat=frame(PONG), reopens=True),
        Group(40, server.deflating("/echo") + frame(BINARY, b"x" * 256 * KIB, rsv=4)[:-1]),
        # Their decompression needs a buffer, which is freed after each.
        Group(1, server.deflating("/echo"), deflated(deflate(bytes(100 * KIB))), reopens=True),
    ]


@attack(settings={ASSEMBLY: "64MiB"}, budgets=(MEMORY, ASSEMBLY), seconds=2.5)
def hoarding(server):
    """Unread answers and echoes, messages that wait for them, and incomplete content."""
    tiny = text(b"") * (256 * KIB // 6)
    return [
        Group(150, server.upgrade("/ws"), frame(BINARY, b"x" * MIB), **UNREAD),
        Group(80, server.upgrade("/echo/async"), frame(BINARY, b"x" * MIB), **UNREAD),
        Group(80, server.upgrade("/echo/async"), tiny, after=1, **UNREAD),
        Group(600, server.post(b"/tasks", b"x" * 60 * KIB)[:-1], **UNREAD),
        Group(200, server.get(b"/healthz", b"X: " + b"x" * 7 * KIB)[:-1], **UNREAD),
        Group(400, flood=server.get(b"/healthz") * 100, after=1.5, **UNREAD),
        Group(50, flood=server.get(b"/") * 50, after=1.5, **UNREAD),
    ]


@attack(settings={BACKLOG: "64MiB"}, budgets=(MEMORY, BACKLOG), seconds=2)
def slow_readers(server):
    """Subscribers that read nothing, or little, of large publications and of many tiny ones."""
    publish = server.post(b"/publish/x", b'{"message":"%s"}' % (b"x" * 60 * KIB))
    return [
        Group(100, server.upgrade("/ws/redis/x"), reopens=True, **UNREAD),
        Group(50, server.deflating("/ws/redis/x"), reopens=True, **SIPS),
        Group(100, server.upgrade("/broadcast"), reopens=True, **UNREAD),
        Group(2, flood=publish, reopens=True, after=0.2),
        # Each takes up more than the bytes of its frame.
        Group(1, server.upgrade("/broadcast"), text(b"") * 40_000, reopens=True, after=0.2),
    ]


# Turns of the loop


@attack()
def pipelined_refusals(server):
    """Megabytes of requests that are refused, on each of many connections."""
    refused = [
        server.get(b"/nowhere"),
        server.request("PUT", b"/tasks"),
        server.get(b"/ws"),
        server.upgrade("/nowhere"),
        server.get(b"/nowhere", *[b"a: b"] * 60),
    ]
    return [Group(6, flood=request * 4_000, reopens=True) for request in refused]


@attack()
def pipelined_answers(server):
    """The same with requests that are answered."""
    answered = [
        server.get(b"/healthz"),
        server.request("HEAD", b"/"),
        server.get(b"/"),
        server.post(b"/publish/x?message=a", b""),
    ]
    return [Group(6, flood=request * 4_000, reopens=True) for request in answered]


@attack()
def tiny_frames(server):
    """Floods of the shortest messages, fragments and control frames."""
    fragments = text(b"", fin=False) + frame(CONTINUATION, fin=False) * 1_000
    fragments += frame(CONTINUATION)
    pinging = text(b"", fin=False) + (frame(PING) + frame(CONTINUATION, fin=False)) * 1_000
    pinging += frame(CONTINUATION)
    floods = [text(b"x") * 40_000, frame(PING) * 40_000, frame(PONG) * 40_000]
    floods += [fragments * 40, pinging * 20]
    commands = [text(b"%ssubscribe x" % un) for un in (b"", b"un")]
    return [
        *(Group(4, server.upgrade("/ws"), flood, reopens=True) for flood in floods),
        Group(4, server.upgrade("/topics"), b"".join(commands) * 5_000, reopens=True),
        Group(4, server.upgrade("/echo/async"), text(b"x") * 40_000, reopens=True),
        Group(4, server.deflating("/echo"), deflated(deflate(b"x"), TEXT) * 20_000, reopens=True),
    ]


@attack(budgets=(MEMORY, BACKLOG), settings={BACKLOG: "64MiB"})
def chatter(server):
    """Tiny messages to many members of the chat, alternating with messages of another topic."""
    return [
        Group(500, server.upgrade("/ws/7"), reopens=True),
        Group(100, server.upgrade("/ws/redis/x"), reopens=True),
        Group(1, server.upgrade("/ws/8"), text(b"x") * 40_000, reopens=True, after=0.3),
        Group(1, flood=server.post(b"/publish/x", b'{"message":"x"}') * 100, reopens=True,
              after=0.3),
    ]


@attack(budgets=(MEMORY, BACKLOG), settings={BACKLOG: "64MiB"})
def mixed_topics(server):
    """Tiny publications of two topics in turn, so that they can't be sent in runs."""
    member = server.upgrade("/topics") + text(b"subscribe a") + text(b"subscribe b")
    publications = text(b"publish a\nx") + text(b"publish b\nx")
    return [
        Group(500, member, reopens=True),
        Group(1, server.upgrade("/topics"), publications * 10_000, reopens=True, after=0.3),
    ]


# One publication is delivered in one turn.
@attack(turn_ms=1_000, budgets=(MEMORY, BACKLOG), settings={BACKLOG: "64MiB"})
def large_publications(server):
    """The largest messages to many members, who have negotiated many kinds of compression."""
    words = b"".join(b"%d words " % number for number in range(100_000))
    message = text(words[: MIB - 1])
    windows = [f"; server_max_window_bits={bits}" for bits in (9, 10, 11, 12, 13, 14, 15)]
    return [
        Group(200, server.upgrade("/ws/7"), reopens=True),
        *(Group(5, server.deflating("/ws/7", window), reopens=True) for window in windows),
        Group(1, server.upgrade("/ws/8"), message, reopens=True, after=0.2),
    ]


@attack(budgets=(MEMORY, BACKLOG), settings={BACKLOG: "64MiB"})
def published_requests(server):
    """Pipelined requests that publish to a channel with many subscribers."""
    return [
        Group(100, server.upgrade("/ws/redis/x"), reopens=True),
        Group(8, flood=server.post(b"/publish/x", b'{"message":"x"}') * 1_000, reopens=True,
              after=0.2),
    ]


@attack(budgets=(MEMORY, ASSEMBLY))
def empty_blocks_of_deflate(server):
    """Compressed messages of 1 MiB that consist of tables only."""
    return [
        Group(4, server.deflating("/echo"), deflated(empty_blocks(MIB - 64)), reopens=True),
        Group(4, server.deflating("/ws"), deflated(empty_blocks(64 * KIB)), reopens=True),
    ]


@attack(budgets=(MEMORY, ASSEMBLY))
def zip_bombs(server):
    """Compressed messages that decompress to the size limit, and to more."""
    return [
        Group(20, server.deflating("/echo"), zip_bomb(64 * MIB), reopens=True),
        Group(20, server.deflating("/echo"), zip_bomb(MIB), reopens=True),
        Group(20, server.deflating("/echo"), zip_bomb(64 * KIB) * 20, reopens=True),
    ]


# Logs


def chatting(server):
    return [
        Group(200, server.upgrade("/ws/7"), lives=0, reopens=True),
        Group(50, server.upgrade("/ws/7") + text(b"\xff"), reopens=True),
    ]


@attack(reads_log=False, joins=False)
def unread_log(server):
    """Chat clients that connect and leave while nobody reads the log."""
    return chatting(server)


@attack(reads_log=False, joins=False, settings={"log.level": "debug"})
def unread_debug_log(server):
    """The same with everything that can be logged."""
    return chatting(server)


# All of them


def all_at_once():
    """The requirements of all attacks that run together, each in a separate process."""
    members = [attack for attack in ATTACKS.values() if attack.joins]
    settings, budgets, witnesses = {}, set(), set()
    for member in members:
        settings |= member.settings
        budgets |= set(member.budgets)
        witnesses |= set(member.witnesses)
    return members, Attack(
        "all-at-once", "All of them that can be together.", None, settings,
        tuple(sorted(budgets)), prepare=fill_tasks, witnesses=tuple(witnesses), seconds=4,
    )
