"""Chat rooms on FastAPI: see docs/compared.md."""

import asyncio
import sys
from collections import defaultdict
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, WebSocket, WebSocketDisconnect
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field


class Room(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=40)]
    title: str


class Chat(BaseModel):
    text: str


class Line(BaseModel):
    sender: Annotated[str, Field(serialization_alias="from")]
    text: str


class Members:
    """Stands for a database."""

    names = {"token-of-ada": "ada", "token-of-bob": "bob"}

    async def name(self, token: str) -> str | None:
        return self.names.get(token)


class Rooms:
    """The rooms, and the connections in each: the fan-out is the program's own."""

    def __init__(self) -> None:
        self.rooms = {"lobby": Room(name="lobby", title="Lobby")}
        self.lines: defaultdict[str, set[asyncio.Queue[str | None]]] = defaultdict(set)

    def join(self, room: str) -> asyncio.Queue[str | None]:
        lines: asyncio.Queue[str | None] = asyncio.Queue(1_000)
        self.lines[room].add(lines)
        return lines

    def leave(self, room: str, lines: asyncio.Queue[str | None]) -> None:
        self.lines[room].discard(lines)
        if not self.lines[room]:
            del self.lines[room]

    def publish(self, line: Line, *names: str) -> None:
        text = line.model_dump_json(by_alias=True)
        for name in names:
            for lines in list(self.lines.get(name, ())):
                if lines.qsize() < 999:
                    lines.put_nowait(text)
                else:
                    # A slow consumer is disconnected once a thousand messages wait for it.
                    self.leave(name, lines)
                    lines.put_nowait(None)


rooms = Rooms()
members = Members()


async def clock() -> None:
    """Publishes the time to all rooms."""
    while True:
        await asyncio.sleep(1)
        rooms.publish(Line(sender="clock", text=str(datetime.now(timezone.utc))), *rooms.lines)


@asynccontextmanager
async def lifespan(app: FastAPI):
    task = asyncio.create_task(clock())
    yield
    task.cancel()


async def member(authorization: Annotated[str, Header()] = "") -> str:
    """Returns the name of the token's owner."""
    scheme, _, token = authorization.partition(" ")
    name = await members.name(token) if scheme.lower() == "bearer" else None
    if name is None:
        raise HTTPException(401, "No valid token.", {"WWW-Authenticate": "Bearer"})
    return name


app = FastAPI(lifespan=lifespan)


@app.get("/api/rooms")
async def list_rooms() -> list[Room]:
    return sorted(rooms.rooms.values(), key=lambda room: room.name)


@app.post("/api/rooms", status_code=201)
async def add_room(room: Room) -> Room:
    if room.name in rooms.rooms:
        raise HTTPException(409, "The room exists.")
    rooms.rooms[room.name] = room
    return room


@app.websocket("/rooms/{room}")
async def talk(websocket: WebSocket, room: str, name: Annotated[str, Depends(member)]) -> None:
    if room not in rooms.rooms:
        raise HTTPException(404, "There is no such room.")
    await websocket.accept()
    lines = rooms.join(room)

    async def send() -> None:
        while (line := await lines.get()) is not None:
            await websocket.send_text(line)
        await websocket.close(4008)

    sending = asyncio.create_task(send())
    try:
        while True:
            chat = Chat.model_validate_json(await websocket.receive_text())
            rooms.publish(Line(sender=name, text=chat.text), room)
    except WebSocketDisconnect:
        pass
    finally:
        rooms.leave(room, lines)
        sending.cancel()


app.mount("/", StaticFiles(directory="public", html=True))

if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    uvicorn.run(app, host="127.0.0.1", port=port)
