"""One attack on a server with honest clients: the experience of each client, and the leaks."""

import contextlib
import dataclasses
import json
import subprocess
import sys
import time

from apus import wait_until
from paths import HERE
from target import DRAIN_SECONDS, MIB, Target

# The goals, except for round trips, which depend on the machine: people judge them.

# The most CPU time of a turn. Turns take a fifth of it; the rest is a reserve for slow machines.
TURN_MS_MAX = 250
# With all attacks at once, including a stop that ends thousands of connections in one turn.
TURN_MS_MAX_OF_ALL = 1_500
# The share of honest round trips that may be refused for lack of memory when all attack at once.
REFUSED_MAX = 0.02
MEMORY_SLACK = 64 * MIB
STOP_SECONDS_MAX = DRAIN_SECONDS + 1
RELEASE_SECONDS_MAX = 6
# The database opens files for its readers when they are first needed.
MORE_FILES_MAX = 16

SECONDS = 1.2
# Bytes within a fifth of a second.
STILL_GROWING = 4 * MIB
# An attack lasts this long when the server is stopped.
SECONDS_BEFORE_STOP = 0.3
WITNESSES = ("echo", "deflate", "large", "anew")


class Child:
    """A process with a pipe to it and one from it."""

    def __init__(self, script, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / script), *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )

    def expect(self, word):
        line = self.process.stdout.readline()
        assert line == word + "\n", f"{self.process.args[1:]}: {line!r} instead of {word}"

    def tell(self, letter):
        self.process.stdin.write(letter)
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.communicate()


class Witness(Child):
    """An honest client. `finish` returns its times and failures."""

    def __init__(self, kind, target):
        super().__init__("witness.py", kind, target.host, target.port)
        self.kind = kind

    def finish(self):
        try:
            output, _ = self.process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            self.kill()
            return {"times": [15_000.0], "failures": [f"{self.kind}: hung"]}
        return json.loads(output)


@dataclasses.dataclass
class Outcome:
    """The outcome of an attack. `faults` are missed goals that don't depend on speed."""

    name: str
    trips: int = 0
    p99_ms: float = 0
    # Of messages on existing connections.
    echo_ms: float = 0
    longest_ms: float = 0
    longest_of: str = ""
    failures: list = dataclasses.field(default_factory=list)
    turn_ms: float | None = None
    grown: int = 0
    allowed: int = 0
    released_seconds: float | None = None
    stop_seconds: float = 0
    faults: list = dataclasses.field(default_factory=list)
    is_of_all: bool = False
    turn_ms_max: float = TURN_MS_MAX

    @property
    def goal_ms(self):
        return 250 if self.is_of_all else 100


def try_attack(attack, seconds=None, attackers=None):
    """Runs an attack, or all of `attackers` at once."""
    with contextlib.ExitStack() as stack:
        target = Target(attack.settings, attack.reads_log)
        stack.callback(target.kill)
        outcome = Outcome(
            attack.name, is_of_all=bool(attackers), turn_ms_max=attack.turn_ms or TURN_MS_MAX
        )
        if attack.prepare:
            attack.prepare(target)
        unused = descriptors(target)
        members = attackers or [attack]
        children = [Child("attacker.py", it.name, target.host, target.port) for it in members]
        witnesses = [Witness(kind, target) for kind in WITNESSES + attack.witnesses]
        for child in children + witnesses:
            stack.callback(child.kill)
            child.expect("ready")

        target.forget_peak()
        before = target.resident_bytes()
        tell(children, "+")
        let_attack(target, seconds or attack.seconds or SECONDS)
        note_round_trips(outcome, witnesses)
        outcome.grown = target.peak_bytes() - before
        outcome.allowed = target.budget(attack.budgets) + MEMORY_SLACK

        tell(children, "-")
        note_release(outcome, target, unused)
        tell(children, "+")
        time.sleep(SECONDS_BEFORE_STOP)
        outcome.stop_seconds, faults = target.end(STOP_SECONDS_MAX)
        outcome.turn_ms = target.longest_turn_ms()
    judge(outcome)
    outcome.faults += faults
    return outcome


def let_attack(target, seconds):
    """Waits for some time, and for the same time again while the server's memory still grows."""
    deadline = time.monotonic() + 2 * seconds
    time.sleep(seconds)
    peak = target.peak_bytes()
    while time.monotonic() < deadline:
        time.sleep(0.2)
        before, peak = peak, target.peak_bytes()
        if peak - before < STILL_GROWING:
            return


def tell(children, letter):
    """Starts attackers with `+`. Ends their attack with `-` and waits for that."""
    for child in children:
        child.tell(letter)
    if letter == "-":
        for child in children:
            child.expect("rested")


def note_round_trips(outcome, witnesses):
    for witness in witnesses:
        witness.process.stdin.close()
        witness.process.stdin = None
    times = []
    for witness in witnesses:
        met = witness.finish()
        times += met["times"]
        outcome.failures += met["failures"]
        longest = max(met["times"])
        if witness.kind in ("echo", "deflate"):
            outcome.echo_ms = max(outcome.echo_ms, longest)
        if longest > outcome.longest_ms:
            outcome.longest_ms, outcome.longest_of = longest, witness.kind
    times.sort()
    outcome.trips = len(times)
    outcome.p99_ms = times[int(len(times) * 0.99)]


def descriptors(target):
    """Returns how many of the server's descriptors are sockets, and how many are others."""
    sockets = target.sockets()
    return sockets, target.descriptors() - sockets


def note_release(outcome, target, unused):
    """Waits until the server has no more descriptors than before the first client."""

    def is_released():
        sockets, others = descriptors(target)
        return sockets <= unused[0] and others <= unused[1] + MORE_FILES_MAX

    begun = time.monotonic()
    with contextlib.suppress(AssertionError):
        wait_until(is_released, "released", RELEASE_SECONDS_MAX)
        outcome.released_seconds = time.monotonic() - begun


def judge(outcome):
    """Records the goals that the outcome misses."""
    failed_max = outcome.trips * REFUSED_MAX if outcome.is_of_all else 0
    if len(outcome.failures) > failed_max:
        outcome.faults.append(
            f"{len(outcome.failures)} of {outcome.trips} round trips failed, such as "
            f"\"{outcome.failures[0]}\""
        )
    turn_ms_max = TURN_MS_MAX_OF_ALL if outcome.is_of_all else outcome.turn_ms_max
    if outcome.turn_ms is not None and outcome.turn_ms > turn_ms_max:
        outcome.faults.append(f"a turn of the loop took {outcome.turn_ms:.0f} ms of CPU time")
    if outcome.grown > outcome.allowed:
        outcome.faults.append(
            f"memory grew by {outcome.grown // MIB} MiB, {outcome.allowed // MIB} are allowed"
        )
    if outcome.released_seconds is None:
        outcome.faults.append(f"connections are left after {RELEASE_SECONDS_MAX} s")
