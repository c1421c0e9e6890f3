"""The documents that describe the routes: `/openapi.json` and `/asyncapi.json`."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from apus import run
from channels import request
from openapi_spec_validator import OpenAPIV31SpecValidator
from signing_in import users
from tokens import KEYED

# What AsyncAPI 3.0 demands of the parts that the document uses.
NAME = r"^[\w.-]+$"
REFERENCE = {
    "type": "object", "required": ["$ref"], "additionalProperties": False,
    "properties": {"$ref": {"type": "string", "pattern": "^#/"}},
}
ASYNCAPI = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["asyncapi", "info"],
    "additionalProperties": False,
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "defaultContentType": {"type": "string"},
        "info": {
            "type": "object", "required": ["title", "version"], "additionalProperties": False,
            "properties": dict.fromkeys(["title", "version", "description"], {"type": "string"}),
        },
        "channels": {
            "type": "object", "propertyNames": {"pattern": NAME},
            "additionalProperties": {
                "type": "object", "required": ["address"], "additionalProperties": False,
                "properties": {
                    "address": {"type": "string", "pattern": "^/[^?#]*$"},
                    "summary": {"type": "string"},
                    "description": {"type": "string"},
                    "messages": {
                        "type": "object", "propertyNames": {"pattern": NAME},
                        "additionalProperties": {
                            "type": "object", "additionalProperties": False,
                            "properties": {
                                "name": {"type": "string"},
                                "contentType": {"type": "string"},
                                "description": {"type": "string"},
                                "payload": {
                                    "$ref": "https://json-schema.org/draft/2020-12/schema"
                                },
                            },
                        },
                    },
                    "parameters": {
                        "type": "object", "propertyNames": {"pattern": "^[A-Za-z0-9_-]+$"},
                        "additionalProperties": {
                            "type": "object", "additionalProperties": False,
                            "properties": {"description": {"type": "string"}},
                        },
                    },
                    "bindings": {
                        "type": "object", "required": ["ws"], "additionalProperties": False,
                        "properties": {
                            "ws": {
                                "type": "object", "additionalProperties": False,
                                "properties": {
                                    "method": {"enum": ["GET", "POST"]},
                                    "query": {"type": "object", "required": ["type"]},
                                    "headers": {"type": "object", "required": ["type"]},
                                    "bindingVersion": {"const": "0.1.0"},
                                },
                            }
                        },
                    },
                },
            },
        },
        "operations": {
            "type": "object", "propertyNames": {"pattern": NAME},
            "additionalProperties": {
                "type": "object", "required": ["action", "channel"],
                "additionalProperties": False,
                "properties": {
                    "action": {"enum": ["send", "receive"]},
                    "channel": REFERENCE,
                    "summary": {"type": "string"},
                    "messages": {"type": "array", "items": REFERENCE, "minItems": 1},
                    "security": {"type": "array", "items": REFERENCE},
                },
            },
        },
        "components": {
            "type": "object", "additionalProperties": False,
            "properties": {
                "securitySchemes": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object", "required": ["type", "scheme"],
                        "properties": {"type": {"const": "http"}, "scheme": {"const": "bearer"}},
                    },
                }
            },
        },
    },
}


def document(server, path):
    status, _, body = request(server, path)
    assert status == 200
    return json.loads(body)


def resolved(whole, reference):
    part = whole
    for name in reference["$ref"].removeprefix("#/").split("/"):
        part = part[name]
    return part


def plain(path):
    """The path of a route as the documents have it."""
    return re.sub(r"(:int|\.\.\.)\}", "}", path)


@pytest.mark.parametrize("settings", [(), (KEYED, "auth.required_for=echo,tasks,publish")])
def test_the_documents_are_valid_and_have_every_route(start, settings):
    server = start(*settings)
    requests, sockets = document(server, "/openapi.json"), document(server, "/asyncapi.json")
    OpenAPIV31SpecValidator(requests).validate()
    jsonschema.validate(sockets, ASYNCAPI)
    for operation in sockets["operations"].values():
        channel = resolved(sockets, operation["channel"])
        known = channel["messages"].values()
        assert all(resolved(sockets, message) in known for message in operation["messages"])
        assert all(resolved(sockets, scheme) for scheme in operation.get("security", []))

    routes = document(server, "/about")["routes"]
    secured = {
        (method.upper(), path): bool(operation.get("security"))
        for path, item in requests["paths"].items() for method, operation in item.items()
    }
    assert secured == {
        (route["method"], plain(route["path"])): route["token"]
        for route in routes if route["kind"] == "http"
    }
    tokens = {channel["address"]: False for channel in sockets["channels"].values()}
    for operation in sockets["operations"].values():
        if operation.get("security"):
            tokens[resolved(sockets, operation["channel"])["address"]] = True
    assert tokens == {
        plain(route["path"]): route["token"] for route in routes if route["kind"] == "websocket"
    }
    version = run("--version").stdout.split("\n")[0].removeprefix("apus ")
    assert requests["info"]["version"] == sockets["info"]["version"] == version


def test_everything_is_described(start):
    server = start()
    for path, item in document(server, "/openapi.json")["paths"].items():
        for operation in item.values():
            assert operation["summary"] and operation["tags"], path
            assert any(status.startswith("2") for status in operation["responses"]), path
    for channel in document(server, "/asyncapi.json")["channels"].values():
        assert channel["summary"] and channel["messages"], channel["address"]


def test_schemathesis_finds_nothing_that_the_document_does_not_say(start, tmp_path):
    file = tmp_path / "users"
    users("add", "ada", "--file", file, password="correct horse battery staple")
    server = start(
        KEYED, f"auth.users={file}", "auth.token.rate.per_address=0", "auth.token.rate.per_user=0",
        f"tasks.database={tmp_path / 'tasks.sqlite'}",
    )
    settings = tmp_path / "schemathesis.toml"
    # Methods that no server knows get 501, which is the right answer (RFC 9110 §9.1).
    settings.write_text('[phases.coverage]\nunexpected-methods = ["DELETE", "PUT", "PATCH"]\n')
    checks = [
        "not_a_server_error", "status_code_conformance", "content_type_conformance",
        "response_schema_conformance", "unsupported_method",
    ]
    ran = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"), "--config-file", settings, "run",
            server.url("/openapi.json"), "--max-examples", "15", "--seed", "1",
            "--checks", ",".join(checks), "--mode", "all", "--no-color",
        ],
        cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
    )
    assert ran.returncode == 0, ran.stdout
    # All but the document itself.
    assert "Tested: 9" in ran.stdout, ran.stdout
