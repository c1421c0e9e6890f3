"""Users, and signing in as one."""

import subprocess
from urllib.parse import urlencode

from apus import binary, clean_environment
from wire import Wire

FORM = "application/x-www-form-urlencoded"


def users(*arguments, password=None, status=0):
    done = subprocess.run(
        [binary(), "users", *arguments],
        input=password and password + "\nnot this line\n",
        stdin=None if password else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        env=clean_environment(),
    )
    assert done.returncode == status, done
    return done


def post(server, fields=(), body=None, content_type=FORM, source=None, **headers):
    data = urlencode(fields).encode() if body is None else body
    lines = {"Host": server.authority, "Content-Length": len(data)} | headers
    if content_type:
        lines["Content-Type"] = content_type
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    with Wire.to(server, source=source) as wire:
        wire.socket.settimeout(30)
        wire.send(f"POST /token HTTP/1.1\r\n{head}\r\n".encode() + data)
        return wire.response()


def sign_in(server, username="ada", password="correct horse", **more):
    fields = {"grant_type": "password", "username": username, "password": password} | more
    return post(server, {name: value for name, value in fields.items() if value is not None})
