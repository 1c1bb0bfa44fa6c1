"""How torch's threads wait for one another; imported before torch, since OpenMP reads it when it is loaded.

By default a thread of GNU OpenMP that is done spins until the others are. When other programs want the same
cores it spins in the time that the others need: two threads then took ten times as long as one, or more.
Waiting passively costs some microseconds each time. A value that the user has set stays.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
