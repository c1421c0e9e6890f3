"""Echo at /echo and broadcast at /broadcast with aiohttp on uvloop.

    python_aiohttp.py PORT

permessage-deflate as aiohttp has it by default: on, zlib level 1.
"""

import sys

import uvloop
from aiohttp import WSMsgType, web

routes = web.RouteTableDef()
members: set[web.WebSocketResponse] = set()


async def send(socket: web.WebSocketResponse, message) -> None:
    if message.type is WSMsgType.TEXT:
        await socket.send_str(message.data)
    elif message.type is WSMsgType.BINARY:
        await socket.send_bytes(message.data)


@routes.get("/echo")
async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await send(socket, message)
    return socket


@routes.get("/broadcast")
async def broadcast(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    members.add(socket)
    try:
        async for message in socket:
            for member in list(members):
                try:
                    await send(member, message)
                except ConnectionError:
                    members.discard(member)
    finally:
        members.discard(socket)
    return socket


app = web.Application()
app.add_routes(routes)
web.run_app(
    app, host="127.0.0.1", port=int(sys.argv[1]), backlog=4096, access_log=None, print=None,
    loop=uvloop.new_event_loop())
