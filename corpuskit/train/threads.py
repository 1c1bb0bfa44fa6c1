"""How torch's threads wait for one another; imported before torch, since OpenMP reads it when it is loaded.

By default a thread of GNU OpenMP that is done spins for a while until the others are. On free cores that is
best: threads that sleep at once are woken for each small product, and a step took up to four times as long.
When other programs want the same cores it is worst: a thread spins in the time that the others need, and
two threads took ten times as long as one. So they sleep where the cores are taken already. A value that the
user has set stays.
"""

import os
import time

_BUSY = 0.75  # programs that run, for each core
_LOOKS = 5


def _cores_are_taken() -> bool:
    running = []
    for _ in range(_LOOKS):
        try:
            with open("/proc/loadavg", encoding="ascii") as file:
                running.append(int(file.read().split()[3].partition("/")[0]) - 1)  # without this one
        except (OSError, ValueError, IndexError):
            return False  # No Linux, so no GNU OpenMP either.
        time.sleep(0.004)
    return sorted(running)[_LOOKS // 2] >= _BUSY * (os.cpu_count() or 1)


if _cores_are_taken():
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
