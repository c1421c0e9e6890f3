"""A server with a JWK Set, as an issuer of tokens has one."""

import contextlib
import http.server
import json
import ssl
import threading


class Issuer:
    """Serves `answer`, a status and a body, and counts the requests."""

    def __init__(self, *keys, certificate=None):
        self.requests = 0
        self._changed = threading.Condition()
        self.publish(*keys)
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                with issuer._changed:
                    issuer.requests += 1
                    status, body = issuer.answer
                    issuer._changed.notify_all()
                self.send_response(status)
                self.send_header("Content-Type", "application/jwk-set+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self._thread.start()

    def publish(self, *keys):
        self.answer = 200, json.dumps({"keys": [key.jwk() for key in keys]}).encode()

    @property
    def url(self):
        return f"{self.scheme}://localhost:{self.server.server_address[1]}/jwks.json?v=1"

    def wait_for(self, count, seconds=5):
        with self._changed:
            assert self._changed.wait_for(lambda: self.requests >= count, seconds), self.requests

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()
