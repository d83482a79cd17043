"""Run a foreign server so that it never outlives its owner: `python leash.py PARENT CMD ARGS...`.

A server is expected to end when its standard input closes, but nothing forces one that Dure did
not write to do so. This process starts it in a group of its own, hands it the pipes untouched, and
ends the whole group once the owner is gone, `kill -9` included.
"""

import os
import signal
import subprocess
import sys


def _end_group(leader: int) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(leader, number)
        except ProcessLookupError:
            return


def main() -> int:
    owner, command = int(sys.argv[1]), sys.argv[2:]
    try:
        child = subprocess.Popen(command, start_new_session=True)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        while os.getppid() == owner:
            try:
                return child.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                continue
        return 1
    finally:
        _end_group(child.pid)


if __name__ == "__main__":
    sys.exit(main())
