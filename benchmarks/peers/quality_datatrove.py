"""Verdicts of datatrove's filters: ``python quality_datatrove.py DOCUMENTS RUNS REPORT``.

Run by the peers' Python. DOCUMENTS is a JSON file, a list of texts. REPORT becomes a JSON file: by filter,
the reason of each document (null where it stays) and the processor seconds of each run, and the lines that C4
keeps.

Words are split at white space, each text once for all filters, as datatrove keeps the last few: the tokenizer
that it ships with (spaCy's) takes more than nine tenths of its time. C4's filter has no bound on sentences,
which would need a model that is fetched.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils import text as texts
from datatrove.utils import word_tokenizers


class WhiteSpace(word_tokenizers.WordTokenizer):
    """Pieces between white space."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        return [text]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def main() -> None:
    splitter = WhiteSpace()
    word_tokenizers.load_word_tokenizer = lambda language: splitter
    filters = {
        "gopher_quality": GopherQualityFilter(),
        "gopher_repetition": GopherRepetitionFilter(),
        "fineweb": FineWebQualityFilter(),
        "c4_lines": C4QualityFilter(min_num_sentences=-1),
    }
    documents = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    report: dict[str, Any] = {name: {"seconds": [], "reasons": []} for name in filters}
    for _ in range(int(sys.argv[2])):
        for name in filters:
            report[name] |= {"reasons": [], "texts": []}
        seconds = dict.fromkeys(filters, 0.0)
        for text in documents:
            texts.split_into_parts.cache_clear()
            for name, each in filters.items():
                document = Document(text=text, id="x")
                started = time.process_time()
                try:
                    verdict = each.filter(document)
                except ZeroDivisionError:  # FineWeb's line ends to the words of a text without words.
                    verdict = (False, "no words")
                seconds[name] += time.process_time() - started
                report[name]["reasons"].append(None if verdict is True else verdict[1])
                if name == "c4_lines":
                    report[name]["texts"].append(document.text)
        for name, spent in seconds.items():
            report[name]["seconds"].append(spent)
    Path(sys.argv[3]).write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main()
