"""The answers to offers of permessage-deflate, as exact headers (RFC 7692 §5, §7.1)."""

import pytest
from negotiation import (
    CLIENT_BITS,
    CLIENT_FLAG,
    NAME,
    SERVER_BITS,
    SERVER_FLAG,
    agreement,
    server_may_keep,
)
from tap import extensions
from wire import TEXT, Wire, upgrade_request


def offering(server, *lines, path="/echo"):
    """Returns a connection that offered in this many header lines, and the only answer or None."""
    wire = Wire.to(server)
    value = "\r\nSec-WebSocket-Extensions: ".join(lines)
    wire.send(upgrade_request(path, server.authority, Sec_WebSocket_Extensions=value))
    head = wire.take_through(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 "), head
    answers = extensions(head)
    assert len(answers) <= 1, answers
    return wire, answers[0] if answers else None


# The offer, and the negotiated window bits of the server and the client.
ACCEPTED = {
    "nothing more": ([NAME], 15, 15),
    "the server's bits": ([f"{NAME}; {SERVER_BITS}=10"], 10, 15),
    "more bits than the server uses": ([f"{NAME}; {SERVER_BITS}=15"], 12, 15),
    "the client's bits": ([f"{NAME}; {CLIENT_BITS}=10"], 15, 10),
    "8 bits for the client": ([f"{NAME}; {CLIENT_BITS}=8"], 15, 8),
    "any bits for the client": ([f"{NAME}; {CLIENT_BITS}"], 15, 15),
    "a quoted value": ([f'{NAME}; {SERVER_BITS}="10"'], 10, 15),
    "two quoted values": ([f'{NAME}; {CLIENT_BITS}="9"; {SERVER_BITS}="11"'], 11, 9),
    "an escape in a quoted value": ([f'{NAME}; {SERVER_BITS}="1\\1"'], 11, 15),
    "no spaces": ([f"{NAME};{SERVER_FLAG};{CLIENT_BITS}=9"], 15, 9),
    "many spaces": ([f"  {NAME} \t;  {SERVER_BITS}=9 ; \t {CLIENT_FLAG}  "], 9, 15),
    "everything": (
        [f"{NAME}; {SERVER_FLAG}; {CLIENT_FLAG}; {SERVER_BITS}=9; {CLIENT_BITS}=9"],
        9,
        9,
    ),
    "8 bits for the server, then 9": ([f"{NAME}; {SERVER_BITS}=8, {NAME}; {SERVER_BITS}=9"], 9, 15),
    "8 bits for the server, then none": ([f"{NAME}; {SERVER_BITS}=8, {NAME}"], 15, 15),
    "an unknown parameter, then none": ([f"{NAME}; unknown=1, {NAME}; {CLIENT_BITS}=10"], 15, 10),
    "two good ones": ([f"{NAME}; {SERVER_BITS}=11, {NAME}; {SERVER_BITS}=10"], 11, 15),
    "another extension before": ([f"x-webkit-deflate-frame, {NAME}; {SERVER_BITS}=11"], 11, 15),
    "another extension behind": ([f"{NAME}; {SERVER_BITS}=11, x-unknown; a=b"], 11, 15),
    "empty elements": ([f", ,{NAME}; {SERVER_BITS}=11,,"], 11, 15),
    "two lines": (["x-unknown; a", f"{NAME}; {SERVER_BITS}=11"], 11, 15),
    "two lines, bad and good": ([f"{NAME}; {CLIENT_BITS}=7", f"{NAME}; {CLIENT_BITS}=12"], 15, 12),
    "two lines, both good": ([f"{NAME}; {CLIENT_BITS}=12", f"{NAME}; {CLIENT_BITS}=13"], 15, 12),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_an_offer_is_accepted(deflating, case):
    lines, server_bits, client_bits = ACCEPTED[case]
    wire, answer = offering(deflating, *lines)
    with wire:
        agreed = agreement(lines, answer)
        assert (agreed.server_bits, agreed.client_bits) == (server_bits, client_bits), answer
        takeovers = deflating.configuration == "takeovers"
        may_keep = server_may_keep(deflating.configuration)
        assert agreed.server_keeps == (may_keep and SERVER_FLAG not in lines[0])
        assert agreed.client_keeps == (takeovers and CLIENT_FLAG not in lines[0])


@pytest.mark.parametrize("flag", [SERVER_FLAG, CLIENT_FLAG])
def test_a_flag_is_echoed(deflating, flag):
    """§7.1.1: one flag must be echoed. The other one may be, and gorilla fails without it."""
    wire, answer = offering(deflating, f"{NAME}; {flag}")
    with wire:
        takeovers = deflating.configuration == "takeovers"
        ours = set() if server_may_keep(deflating.configuration) else {SERVER_FLAG}
        if not takeovers:
            ours.add(CLIENT_FLAG)
        assert set(answer.split("; ")) == {NAME, flag} | ours


def test_the_client_is_limited_to_the_configured_window_if_it_allows_it(start):
    """§7.1.2.2: without the offer, the answer must not contain it."""
    server = start("compression.client_window_bits=10", args=["--tools"])
    for offered, expected in (("", None), ("; {}", 10), ("; {}=9", 9), ("; {}=11", 10)):
        line = NAME + offered.format(CLIENT_BITS)
        wire, answer = offering(server, line)
        with wire:
            assert agreement([line], answer).client_bits == (expected or 15)
            assert (CLIENT_BITS in answer) == bool(expected)


DECLINED = [
    f"{NAME}; unknown",
    f"{NAME}; {SERVER_FLAG}; unknown=10",
    f"{NAME}; {SERVER_FLAG}; {SERVER_FLAG}",
    f"{NAME}; {CLIENT_FLAG}; {CLIENT_FLAG}",
    f"{NAME}; {SERVER_BITS}=10; {SERVER_BITS}=10",
    f"{NAME}; {CLIENT_BITS}; {CLIENT_BITS}=10",
    f"{NAME}; {SERVER_FLAG}=1",
    f"{NAME}; {CLIENT_FLAG}=true",
    f'{NAME}; {CLIENT_FLAG}="1"',
    f"{NAME}; {SERVER_BITS}",
    *(
        f"{NAME}; {SERVER_BITS}={bits}"
        for bits in (0, 7, 8, 16, "08", "010", "+9", "-9", "9x", "0x9")
    ),
    *(f"{NAME}; {CLIENT_BITS}={bits}" for bits in (0, 7, 16, "08", "+9", "1.0", "true")),
    f"{NAME}; {CLIENT_BITS}={10**40}",
    f'{NAME}; {CLIENT_BITS}="7"',
    f"{NAME}; {SERVER_BITS}=8, {NAME}; {SERVER_BITS}=8; {SERVER_FLAG}, {NAME}; {CLIENT_BITS}=16",
    "permessage-bzip2",
    "x-webkit-deflate-frame",
    f"{NAME}-x",
]


@pytest.mark.parametrize("line", DECLINED)
def test_an_offer_is_declined_and_the_connection_works_without(deflating, line):
    wire, answer = offering(deflating, line)
    with wire:
        assert answer is None
        wire.send_text("grüße " * 100)
        assert wire.frame().rsv == 0
        wire.send_frame(TEXT, b"\x00", rsv=4)
        wire.expect_failure(1002)


def test_without_an_offer_there_is_no_answer(deflating):
    with Wire.to(deflating) as wire:
        wire.send(upgrade_request("/echo", deflating.authority))
        assert extensions(wire.take_through(b"\r\n\r\n")) == []


@pytest.mark.parametrize(
    "settings, paths",
    [
        (["compression.enabled=false"], []),
        (["routes.echo.compression.enabled=false"], ["/ws/7", "/echo"]),
        (["routes.chat.compression.enabled=false"], ["/ws", "/echo"]),
        (["compression.enabled=false", "routes.chat.compression.enabled=true"], ["/ws/7"]),
    ],
    ids=str,
)
def test_compression_can_be_disabled_completely_or_for_a_route(start, settings, paths):
    server = start(*settings, args=["--tools"])
    for path in ("/ws", "/ws/7", "/echo"):
        wire, answer = offering(server, NAME, path=path)
        with wire:
            assert (answer is not None) == (path in paths), path
