"""The loads that servers are measured with, by name."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """A load: the scenario of `apus bench` and its options."""

    kind: str
    bench: str
    path: str = "/"

    @property
    def scenario(self) -> str:
        return self.bench.split()[0]

    @property
    def mode(self) -> str:
        return "fanout" if self.scenario == "fanout" else "echo"

    @property
    def is_compressed(self) -> bool:
        return self.kind not in ("plain", "fanout", "app")

    @property
    def command(self) -> str:
        """What someone would type."""
        scenario, _, options = self.bench.partition(" ")
        return f"apus bench {scenario} URL {options}"


PLAIN = "--payload binary"
ALONE, TAKEOVER = "--compression on", "--compression takeover"
CASES = {
    "echo20": Case("plain", f"echo -c 100 {PLAIN} --size 20"),
    "echo20p16": Case("plain", f"echo -c 100 --in-flight 16 {PLAIN} --size 20"),
    "echo1k": Case("plain", f"echo -c 100 {PLAIN} --size 1KiB"),
    "echo1kjson": Case("plain", "echo -c 100 --size 1KiB"),
    "echo16k": Case("plain", f"echo -c 50 --in-flight 4 {PLAIN} --size 16KiB"),
    "echo64k": Case("plain", f"echo -c 10 {PLAIN} --size 64KiB"),
    "echo1m": Case("plain", f"echo -c 4 {PLAIN} --size 1MiB"),
    "defl1k": Case("deflate", f"echo -c 100 --size 1KiB {ALONE}"),
    "defl1kp16": Case("deflate", f"echo -c 100 --in-flight 16 --size 1KiB {ALONE}"),
    "defl4k": Case("deflate", f"echo -c 100 --size 4KiB {ALONE}"),
    "defl64k": Case("deflate", f"echo -c 20 --size 64KiB {ALONE}"),
    "take1k": Case("takeover", f"echo -c 100 --size 1KiB {TAKEOVER}"),
    "take4k": Case("takeover", f"echo -c 100 --size 4KiB {TAKEOVER}"),
    "fanout128": Case("fanout", f"fanout -c 1000 {PLAIN} --size 128"),
    "fanout128k8": Case("fanout", f"fanout -c 1000 --in-flight 8 {PLAIN} --size 128"),
    "fanout1k": Case("fanout", f"fanout -c 1000 {PLAIN} --size 1KiB"),
    "fanoutdefl1k": Case("fanoutdef", f"fanout -c 1000 --size 1KiB {ALONE}"),
    "fanouttake1k": Case("fanouttake", f"fanout -c 1000 --size 1KiB {TAKEOVER}"),
    "idle": Case("plain", f"idle -c 10000 --duration 2s {PLAIN} --size 128"),
    "idledefl": Case("deflate", f"idle -c 10000 --duration 2s --size 1KiB {ALONE}"),
    "idletake": Case("takeover", f"idle -c 10000 --duration 2s --size 1KiB {TAKEOVER}"),
    "connect": Case("plain", "connect -c 64"),
    # The application's own routes, which put words before what they send back.
    "appecho": Case(
        "app", "echo -c 100 --payload chat --size 128 --reply-prefix 'Message received: '", "/ws"),
    "appchat": Case(
        "app", "fanout -c 1000 --payload chat --size 128 --reply-prefix 'Client 7: '", "/ws/7"),
}
