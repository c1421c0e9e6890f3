"""Echo at /echo and broadcast at /broadcast with PyPI's websockets on uvloop.

    python_websockets.py PORT

permessage-deflate as the library has it by default: level 6, 12 window bits, memory level 5.
"""

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

members: set[ServerConnection] = set()


async def handle(connection: ServerConnection) -> None:
    if connection.request.path == "/broadcast":
        members.add(connection)
        try:
            async for message in connection:
                broadcast(members, message)
        finally:
            members.remove(connection)
    else:
        async for message in connection:
            await connection.send(message)


async def main() -> None:
    async with serve(handle, "127.0.0.1", int(sys.argv[1]), backlog=4096) as server:
        await server.serve_forever()


uvloop.run(main())
