"""A call in a thread of its own gives and raises what it would in this one."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from corpuskit.errors import InputError
from corpuskit.tokenizer.native_call import call_native
from corpuskit.tokenizer.tokenizer import Tokenizer


def test_all_is_read_and_errors_are_raised_from_both_sides() -> None:
    found: list[int] = []
    call_native(found.extend, range(5))
    assert found == [0, 1, 2, 3, 4]

    def breaks() -> Iterator[int]:
        yield 1
        raise InputError("no more")

    with pytest.raises(InputError, match="no more"):
        call_native(found.extend, breaks())
    with pytest.raises(ZeroDivisionError):
        call_native(lambda numbers: 1 // next(numbers), [0])
    assert found[:6] == [0, 1, 2, 3, 4, 1]


def test_an_interrupted_call_reads_nothing_more() -> None:
    """What it reads, a file or a source, is let go of before the error is answered."""
    read, ended = [0], threading.Event()

    def numbers() -> Iterator[int]:
        try:
            while True:
                read[0] += 1
                if read[0] == 10:
                    signal.raise_signal(signal.SIGINT)
                time.sleep(0.01)
                yield read[0]
        finally:
            ended.set()

    with pytest.raises(KeyboardInterrupt):
        call_native(list, numbers())
    assert ended.is_set()
    count = read[0]
    time.sleep(0.1)
    assert read[0] == count


def test_in_another_thread_a_tokenizer_is_trained_as_in_the_main_one() -> None:
    found: list[Tokenizer] = []
    texts = ["a sailor found a map of the coast"] * 5
    thread = threading.Thread(target=lambda: found.append(Tokenizer.train(texts, 400)))
    thread.start()
    thread.join()
    assert found[0].data == Tokenizer.train(texts, 400).data
