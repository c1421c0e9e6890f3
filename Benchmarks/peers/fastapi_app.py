"""The application in FastAPI: echo, chat, topic notifications, tasks in SQLite.

    uvicorn --no-access-log fastapi_app:app

What `apus serve` does on the same routes, as a user of FastAPI would write it. TASKS_DB names the
database, by default tasks.db. An answered POST is durable, as it is there: SQLite syncs its log
with each commit.
"""

import os
import sqlite3
import threading
from collections import defaultdict
from datetime import datetime, timezone

from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel


class Connections:
    """Those who are connected to one thing, and get what is broadcast there."""

    def __init__(self) -> None:
        self.active: list[WebSocket] = []

    async def connect(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.active.append(websocket)

    def disconnect(self, websocket: WebSocket) -> None:
        if websocket in self.active:
            self.active.remove(websocket)

    async def broadcast(self, message: str) -> None:
        for websocket in list(self.active):
            try:
                await websocket.send_text(message)
            except (RuntimeError, WebSocketDisconnect):
                self.disconnect(websocket)


class Topics:
    """Subscribers by topic."""

    def __init__(self) -> None:
        self.subscribers: defaultdict[str, Connections] = defaultdict(Connections)

    async def subscribe(self, topic: str, websocket: WebSocket) -> None:
        await self.subscribers[topic].connect(websocket)

    def unsubscribe(self, topic: str, websocket: WebSocket) -> None:
        self.subscribers[topic].disconnect(websocket)
        if not self.subscribers[topic].active:
            del self.subscribers[topic]

    async def notify(self, topic: str, message: str) -> None:
        if topic in self.subscribers:
            await self.subscribers[topic].broadcast(message)


class Task(BaseModel):
    id: int
    title: str
    description: str


class StoredTask(Task):
    created_at: datetime


class TaskStore:
    """Tasks in SQLite, used from the threads of FastAPI's pool."""

    def __init__(self, path: str) -> None:
        self.lock = threading.Lock()
        self.database = sqlite3.connect(path, check_same_thread=False)
        self.database.row_factory = sqlite3.Row
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = FULL")
        self.database.execute(
            "CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, title TEXT NOT NULL, "
            "description TEXT NOT NULL, created_at TEXT NOT NULL)")

    def insert(self, task: StoredTask) -> None:
        with self.lock, self.database:
            self.database.execute(
                "INSERT INTO tasks VALUES (?, ?, ?, ?)",
                (task.id, task.title, task.description, task.created_at.isoformat()))

    def all(self) -> list[StoredTask]:
        with self.lock:
            rows = self.database.execute("SELECT * FROM tasks ORDER BY id").fetchall()
        return [StoredTask(**row) for row in rows]


app = FastAPI()
chat = Connections()
topics = Topics()
tasks = TaskStore(os.environ.get("TASKS_DB", "tasks.db"))


@app.websocket("/ws")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while (message := await websocket.receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await websocket.send_text(f"Message received: {message['text']}")
        else:
            await websocket.send_bytes(b"Message received: " + message["bytes"])


@app.websocket("/ws/{client_id}")
async def talk(websocket: WebSocket, client_id: int) -> None:
    await chat.connect(websocket)
    try:
        while True:
            message = await websocket.receive_text()
            await chat.broadcast(f"Client {client_id}: {message}")
    except WebSocketDisconnect:
        chat.disconnect(websocket)
        await chat.broadcast(f"Client {client_id} left the chat")


@app.websocket("/ws/notifications/{topic}")
async def notifications(websocket: WebSocket, topic: str) -> None:
    await topics.subscribe(topic, websocket)
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        topics.unsubscribe(topic, websocket)


@app.post("/tasks")
async def create_task(task: Task) -> dict[str, str]:
    stored = StoredTask(**task.model_dump(), created_at=datetime.now(timezone.utc))
    try:
        await run_in_threadpool(tasks.insert, stored)
    except sqlite3.IntegrityError:
        raise HTTPException(409, f"Task {task.id} exists already") from None
    await topics.notify("tasks", f"New task created: {task.title}")
    return {"message": "Task created successfully"}


@app.get("/tasks")
def list_tasks() -> list[StoredTask]:
    return tasks.all()
