"""The admin listener of a server under test."""

import http.client
import json
import re

URL = re.compile(r"\burl=\"?(http://[^\s\"]+)")
LISTEN = "admin.listen=127.0.0.1:0"
TOKEN = "0123456789abcdef0123456789abcdef"


class Answer:
    """A response. `json` is the value of its body."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def detail(self):
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.json["status"] == self.status
        return self.json["detail"]


class Admin:
    def __init__(self, server, token=None):
        self.url = server.stderr.wait_for(self.found, 5)
        self.authority = self.url.removeprefix("http://")
        self.token = token

    @staticmethod
    def found(lines):
        lines = [line for line in lines if "the admin listener is ready" in line]
        return URL.search(lines[0])[1] if lines else None

    def request(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if body is not None:
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(self.authority, timeout=5)
        try:
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def connections(self, query=""):
        return self.get(f"/admin/connections{query}").json
