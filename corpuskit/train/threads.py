"""How torch's threads wait for one another; imported before torch, since OpenMP reads it when it is loaded.

By default a thread of GNU OpenMP that is done spins for a while until the others are. On free cores that is
best: threads that sleep at once are woken for each small product, and a step took up to four times as long.
When other programs want the same cores it is worst: a thread spins in the time that the others need, and
two threads took ten times as long as one. So they sleep where there are fewer free cores than threads, be it
by one: all threads wait for the one that shares its core. A value that the user has set stays.
"""

import os
import time
from pathlib import Path

_LOOKS = 5
_SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def _others() -> int:
    """Programs that run beside this one: the median of some looks."""
    running = []
    for _ in range(_LOOKS):
        running.append(int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[0]))
        time.sleep(0.004)
    return sorted(running)[_LOOKS // 2] - 1


def _threads() -> int:
    """Threads that torch will have; of two threads of hardware that share a core it uses one."""
    cores = {Path(_SIBLINGS.format(number)).read_text(encoding="ascii") for number in os.sched_getaffinity(0)}
    return int(os.environ.get("OMP_NUM_THREADS") or len(cores))


def _cores_are_taken() -> bool:
    """Whether torch's threads and the programs beside them are more than the machine has cores."""
    try:
        threads = _threads()
        return threads > 1 and threads + _others() > (os.cpu_count() or 1)
    except (OSError, ValueError, IndexError, AttributeError):
        return False  # No Linux, so no GNU OpenMP either.


if _cores_are_taken():
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
