"""Questions that a corpus answers: which of its texts is a passage from?

Each question shows a passage of a document and asks for the document's title. Passages do not overlap; one
that holds a word of its title, or stands in two documents, is not asked about. What is held out is drawn by
the hash of the passage, so that no passage is both taught and asked, and wrong choices are titles of the same
source and language. So a rate above chance is knowledge of the corpus. The same corpus and settings give the
same bytes, whatever language it is in: nothing is known of words but that blanks part them, where there are
any.

    train.jsonl      {"prompt": passage, "completion": title}, to be taught: `finetune` with `task: instruct`;
                     and {"passage", "title"}, for `task: classify`
    held_out.jsonl   {"question": passage, "choices": titles, "answer": title, "document": id}
    held_out.yaml    these as a task of `eval`, asked letter by letter as they are taught
"""

from __future__ import annotations

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from corpuskit.errors import EmptyError, SettingError, check_fields, counted
from corpuskit.run.folder import Run
from corpuskit.run.layout import FINAL
from corpuskit.storage.files import UNFINISHED, sha256_json, write_file, writing

TRAIN, HELD_OUT, TASK = "train.jsonl", "held_out.jsonl", "held_out.yaml"
FILES = (TRAIN, HELD_OUT, TASK)

_ASKS = "\n\nTitle:"
_TITLES = 2000
"""Titles of a source and language that wrong choices are drawn from."""
_LEAST_WORD = 4
"""Characters of a word of a title that gives the answer away."""


@dataclass(frozen=True)
class Asking:
    """How questions are made.

    Attributes:
        count: questions to be taught, at most.
        held_out: questions to be asked; as many must be left to be taught.
        choices: of each question to be asked; by chance one in so many is right.
        characters: of a passage, at most.
        each: questions of a document, at most: a long book would leave no room for others.
        seed: draws what is asked and the choices.
    """

    count: int = 2000
    held_out: int = 200
    choices: int = 4
    characters: int = 160
    each: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises SettingError for what is no number, or below the least that makes sense."""
        check_fields(self)
        least = {"count": 1, "held_out": 1, "choices": 2, "characters": 20, "each": 1, "seed": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise SettingError(
                    f"{name} = {getattr(self, name)} is below {value}", remedy=f"Give {value} or more."
                )


class Question(NamedTuple):
    """A passage, and the title of the document that it is from; `group` is its source and language."""

    rank: int
    order: str
    passage: str
    title: str
    document: str
    group: tuple[str, str]


def make_questions(folder: Path, out: Path, asking: Asking) -> dict[str, Any]:
    """Write the questions of a finished run into a folder.

    Returns:
        How many are taught and held out, of how many documents, and what part is right by chance.

    Raises:
        RunError: the run is not finished.
        EmptyError: its documents give too few questions.
        SettingError: the folder holds what others wrote.
    """
    refuse_others(out, FILES)
    found, titles = _draw(Run.open_finished(folder), asking)
    choosable = {group for group, kept in titles.items() if len(kept) >= asking.choices}
    known = Counter(each.passage for each in found)
    usable = [each for each in found if each.group in choosable and known[each.passage] == 1]
    usable.sort(key=lambda each: sha256_json([asking.seed, "held out", each.passage]))
    held, taught = usable[: asking.held_out], usable[asking.held_out :][: asking.count]
    if len(taught) < asking.held_out:
        raise EmptyError(
            f"{folder}: its documents give {counted(len(usable), 'question')}: {asking.held_out} are to be "
            f"held out and {max(0, len(taught))} are left to be taught",
            remedy=f"Set held_out to at most half of them, or build more documents with titles: a source and "
            f"language needs {asking.choices} titles.",
        )
    rows = [
        {
            "prompt": each.passage + _ASKS,
            "completion": f" {each.title}",
            "passage": each.passage,
            "title": each.title,
        }
        for each in taught
    ]
    with writing(out, "Call the same command again."):
        out.mkdir(parents=True, exist_ok=True)
    write_file(out / TRAIN, _lines(rows))
    write_file(out / HELD_OUT, _lines([_asked(each, sorted(titles[each.group]), asking) for each in held]))
    write_file(out / TASK, _TASK.encode())
    return {
        "taught": len(taught),
        "held_out": len(held),
        "documents": len({each.document for each in usable}),
        "by_chance": 1 / asking.choices,
    }


_TASK = f"""\
# Passages that are not among those of {TRAIN}, asked letter by letter as these are taught.
name: held-out questions
data: {HELD_OUT}
prompt: "{{question}}\\n\\nTitle:"
choices: choices
gold: answer
separator: " "
begin: true
"""


def refuse_others(out: Path, names: tuple[str, ...]) -> None:
    """Raise SettingError where the folder of a step holds what the step does not write."""
    if not out.exists():
        return
    own = {*names, *(f"{UNFINISHED}{name}" for name in names)}
    others = (
        sorted(path.name for path in out.iterdir() if path.name not in own) if out.is_dir() else [out.name]
    )
    if others:
        raise SettingError(
            f"{out}: holds what the step does not write: {', '.join(others[:3])}",
            remedy="Rename the step, or move it away: what others wrote is never touched.",
        )


def _draw(run: Run, asking: Asking) -> tuple[list[Question], dict[tuple[str, str], set[str]]]:
    """The questions of least rank and hash, and titles of each source and language; memory is bounded."""
    most = asking.count + asking.held_out
    heap: list[tuple[tuple[int, ...], int, Question]] = []
    titles: dict[tuple[str, str], set[str]] = defaultdict(set)
    for number, (document, title, group, text) in enumerate(_documents(run)):
        if len(titles[group]) < _TITLES:
            titles[group].add(title)
        for question in _of_document(document, title, group, text, asking):
            key = (-question.rank, *(-int(question.order[i : i + 8], 16) for i in (0, 8)))
            entry = (key, -number, question)
            if len(heap) < most:
                heapq.heappush(heap, entry)
            elif entry[:2] > heap[0][:2]:
                heapq.heapreplace(heap, entry)
    return [question for _, _, question in heap], titles


def _documents(run: Run) -> Iterator[tuple[str, str, tuple[str, str], str]]:
    """Id, title, source and language, and text of each document with a title that is trained on."""
    for name in sorted(run.files(FINAL)):
        if not name.endswith(".parquet"):
            continue
        for batch in run.read_batches(name):
            for row in batch.to_pylist():
                title = " ".join(row["title"].split())
                # Of documents without a side, sections are held out: a few of their passages were not read.
                if title and row.get("split") not in ("validation", "test"):
                    yield row["id"], title, (row["source"], row["language"]), row["text"]


def _of_document(
    document: str, title: str, group: tuple[str, str], text: str, asking: Asking
) -> list[Question]:
    """Questions of a document, the least hashes first; its beginning, which often names it, is left out."""
    told = [word for word in title.casefold().split() if len(word) >= _LEAST_WORD] or [title.casefold()]
    passages = list(_passages(text, asking.characters))[1:]
    free = [each for each in passages if not any(word in each.casefold() for word in told)]
    drawn = sorted((sha256_json([asking.seed, document, each]), each) for each in set(free))
    return [
        Question(rank, order, each, title, document, group)
        for rank, (order, each) in enumerate(drawn[: asking.each])
    ]


def _passages(text: str, characters: int) -> Iterator[str]:
    """Pieces of a text that do not overlap, cut at blanks where there are any; short ones are left out."""
    text = " ".join(text.split())
    start = 0
    while start < len(text):
        end = min(len(text), start + characters)
        if end < len(text) and (blank := text.rfind(" ", start + characters // 2, end + 1)) > 0:
            end = blank
        if end - start >= characters // 2:
            yield text[start:end].strip()
        start = end + (text[end : end + 1] == " ")


def _asked(question: Question, titles: list[str], asking: Asking) -> dict[str, Any]:
    """A question with its choices, in an order that tells nothing."""
    others = [each for each in titles if each != question.title]
    others.sort(key=lambda each: sha256_json([asking.seed, "wrong", question.passage, each]))
    choices = [question.title, *others[: asking.choices - 1]]
    choices.sort(key=lambda each: sha256_json([asking.seed, "order", question.passage, each]))
    return {
        "question": question.passage,
        "choices": choices,
        "answer": question.title,
        "document": question.document,
    }


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows).encode()
