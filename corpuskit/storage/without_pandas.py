"""Arrow without pandas, which it would load for nothing.

The first time that a process makes an array of Python objects, or one of NumPy of an array, pyarrow imports
pandas where it is installed, to know its objects again: a fifth of a second of a processor in each process of
a build, where no step of this package handles such an object.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder

import pyarrow as pa


def leave_out_pandas() -> None:
    """Let pyarrow look for pandas now, in vain: it looks once in the life of a process.

    For processes of our own alone, in which no code of others runs: from here on a list that holds
    ``pandas.NA`` makes no array here. ``Table.to_pandas`` still loads pandas. Call it before there are
    threads that might import pandas; where it has been imported, nothing is done.
    """
    if "pandas" in sys.modules:
        return
    refused = _Refused()
    sys.meta_path.insert(0, refused)
    try:
        pa.array([], pa.null())  # The look of what is written in Python,
        pa.nulls(1).to_numpy(zero_copy_only=False)  # and that of what is written in C++.
    finally:
        sys.meta_path.remove(refused)


class _Refused(MetaPathFinder):
    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
