"""Creates and lists tasks over HTTP."""

import asyncio
import itertools
import json
import re
import urllib.error
import urllib.request

import aiohttp

CREATED = {"message": "Task created successfully"}
# Without a proxy that the environment may name.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def ask(server, path="/tasks", body=None, type="application/json"):
    """Returns the status, content and header fields."""
    if isinstance(body, dict):
        body = json.dumps(body)
    request = urllib.request.Request(
        server.url(path), data=None if body is None else body.encode(),
        headers={"Content-Type": type} if body is not None else {},
    )
    try:
        with OPENER.open(request, timeout=30) as response:
            return response.status, json.load(response), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers


def create(server, id, title="t", **more):
    return ask(server, body={"id": id, "title": title, **more})[:2]


def tasks(server, query=""):
    status, listed, _ = ask(server, f"/tasks{query}")
    assert status == 200, listed
    return listed


def database(folder):
    return f"tasks.database={folder / 'tasks.sqlite'}"


def statuses_at_once(urls, ids):
    """Posts tasks with these ids, all at once, to the URLs in turn. Returns the statuses."""

    async def post(session, url, id):
        async with session.post(url, json={"id": id, "title": "t"}) as response:
            return response.status

    async def post_all():
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            urls_in_turn = itertools.cycle(urls)
            return await asyncio.gather(*(post(session, next(urls_in_turn), id) for id in ids))

    return asyncio.run(post_all())
