"""A server whose configuration file a test changes while it runs."""

import signal

SUCCESS = "configuration reloaded"
FAILURE = "configuration not reloaded"


class Reloadable:
    """A server with a configuration file. `keys` are `{"limits.message.max": "1KiB"}`."""

    def __init__(self, start, folder, keys=None, args=("--tools",), **options):
        self.file = folder / "apus.yaml"
        self.write(keys or {})
        self.server = start(args=["--port", "0", "--config", str(self.file), *args], **options)

    def write(self, keys):
        # A key with dots isn't nested, so each has a section of its own.
        tree = {}
        for name, value in keys.items():
            *sections, last = name.split(".")
            place = tree
            for section in sections:
                place = place.setdefault(section, {})
            place[last] = value
        self.file.write_text("\n".join(self._lines(tree, 0)) + "\n")

    def _lines(self, tree, depth):
        for name, value in tree.items():
            if isinstance(value, dict):
                yield f"{'  ' * depth}{name}:"
                yield from self._lines(value, depth + 1)
            else:
                yield f"{'  ' * depth}{name}: {value}"

    def reload(self, keys=None, mark=SUCCESS, send=None):
        """Replaces the file's keys and reloads. Returns the lines that were logged."""
        if keys is not None:
            self.write(keys)
        before = len(self.server.stderr.lines)
        if send:
            send(self.server)
        else:
            self.server.signal(signal.SIGHUP)

        def found(lines):
            new = lines[before:]
            return new if any(SUCCESS in line or FAILURE in line for line in new) else None

        lines = self.server.stderr.wait_for(found, 5)
        assert lines, f"no reload within 5 s:\n{self.server.stderr.text()}"
        assert any(mark in line for line in lines), "\n".join(lines)
        return lines
