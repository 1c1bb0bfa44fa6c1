"""Arrow that does not load pandas."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

SCRIPT = """
import sys
import numpy as np
import pyarrow as pa
from corpuskit.storage.without_pandas import leave_out_pandas

finders = list(sys.meta_path)
leave_out_pandas()
assert sys.meta_path == finders
assert pa.array(["a", None], pa.string()).null_count == 1
assert pa.array(["a", None]).type == pa.string()
assert pa.array(np.arange(3)).to_numpy().tolist() == [0, 1, 2]
assert pa.array([1.5, float("nan")]).null_count == 0
assert pa.table({"x": [[1], [], None]}).column("x").to_pylist() == [[1], [], None]
assert "pandas" not in sys.modules
assert pa.table({"x": [1, 2]}).to_pandas().x.tolist() == [1, 2]
assert pa.table(sys.modules["pandas"].DataFrame({"x": [1.0, None]})).column("x").null_count == 1
leave_out_pandas()
"""


def test_arrays_are_made_and_read_without_it(environment: Callable[..., dict[str, str]]) -> None:
    """Also where their type is found out; and who asks for a frame gets one."""
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
