"""Echo at /echo and broadcast at /broadcast with FastAPI, served by uvicorn.

    uvicorn --no-access-log fastapi_tools:app

permessage-deflate as uvicorn has it by default: on, in the settings of PyPI's websockets.
"""

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
members: set[WebSocket] = set()


async def send(socket: WebSocket, message: dict) -> None:
    if message.get("text") is not None:
        await socket.send_text(message["text"])
    else:
        await socket.send_bytes(message["bytes"])


@app.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    while (message := await socket.receive())["type"] == "websocket.receive":
        await send(socket, message)


@app.websocket("/broadcast")
async def broadcast(socket: WebSocket) -> None:
    await socket.accept()
    members.add(socket)
    try:
        while (message := await socket.receive())["type"] == "websocket.receive":
            for member in list(members):
                try:
                    await send(member, message)
                except (RuntimeError, WebSocketDisconnect):
                    members.discard(member)
    finally:
        members.discard(socket)
