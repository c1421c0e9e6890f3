"""A server that isn't ours: PyPI's `websockets`, on a thread."""

import contextlib
import threading

from websockets.sync.server import serve


@contextlib.contextmanager
def served(handler, **options):
    """Serves with a handler; its URL."""
    with serve(handler, "127.0.0.1", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
        finally:
            server.shutdown()
            thread.join()
