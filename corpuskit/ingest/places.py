"""Files by path or by URI: ``dumps/enwiki.xml.bz2`` and ``s3://bucket/enwiki.xml.bz2`` are read alike.

URIs are those of pyarrow's file systems: ``file://``, ``s3://``, ``gs://``, ``hdfs://``. Dumps are read at
random, so that parts of one object are read by several workers without a copy on the local disk.
"""

from __future__ import annotations

import os
from typing import BinaryIO, cast

from corpuskit.digests import is_uri
from corpuskit.errors import InputError


def open_file(place: str) -> BinaryIO:
    """Open a file for reading at random.

    Raises:
        OSError: it is not there or may not be read.
        InputError: no file system is known for such a URI.
    """
    if not is_uri(place):
        return open(place, "rb")
    from pyarrow import ArrowInvalid, fs

    try:
        system, path = fs.FileSystem.from_uri(place)
    except ArrowInvalid as error:
        raise InputError(f"{place}: {error}", remedy="Use file://, s3://, gs:// or hdfs://.") from None
    return cast(BinaryIO, system.open_input_file(path))


def size_of(file: BinaryIO) -> int:
    """Bytes of an open file; its position is left at its end."""
    return file.seek(0, os.SEEK_END)


def base_name(place: str) -> str:
    """The last piece of a path or URI."""
    return place.rstrip("/").rpartition("/")[2] if is_uri(place) else os.path.basename(place)
