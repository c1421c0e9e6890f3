"""The peers of an attack, in a separate process.

python attacker.py ATTACK HOST PORT

Prints `ready` after creating its payloads. It attacks at the first byte of its input. At the next
byte it closes all its connections and prints `rested`, and so on until its input ends.
"""

import sys

from attacks import ATTACKS
from payloads import Address
from peers import Crowd, priority_of_attackers


def main(name, host, port):
    priority_of_attackers()
    address = Address(host, int(port))
    groups = ATTACKS[name].groups(address)
    print("ready", flush=True)
    while sys.stdin.buffer.raw.read(1):
        Crowd((host, int(port)), groups).attack(sys.stdin.fileno())
        if not sys.stdin.buffer.raw.read(1):
            break
        print("rested", flush=True)


main(*sys.argv[1:])
