"""C4's rules of lines: what is no sentence goes, and pages that are left with too little."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from corpuskit.documents.settings import Decides
from corpuskit.stages.quality.characters import END_MARKS
from corpuskit.stages.quality.lines import Span, Verdict, count_words, cut_lines
from corpuskit.stages.quality.rules import ENGLISH, base_language
from corpuskit.stages.quality.sentences import count_sentences
from corpuskit.stages.stage import Cut, Effect, Rule

_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_POLICIES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
_CLOSING = "\"'”’»›“」』）)]}"
_C4_MARKS = (".", "?", "!", '"', "'")


class C4Lines(Rule):
    """Cuts the lines that C4 cuts, and drops what is left with too few sentences.

    Raffel et al. 2020, JMLR 21(140), 2.2, and C4's code. Of each line that holds text, in this order:
    ``c4_long_word`` (a word of more than 1000 characters), ``c4_no_end_mark``, ``c4_few_words``,
    ``c4_javascript``, ``c4_policy``; ``[3]``, ``[edit]`` and ``[citation needed]`` are cut out of the lines
    that stay, as ``c4_citation``, and are passed over where the end mark is looked for (with a blank
    before it, the line ends in a blank and has no end mark, as in C4's code). A line that ends in
    ``...`` or ``…`` has no end mark. Documents are dropped as ``c4_lorem_ipsum``, ``c4_curly_brackets``,
    ``c4_sentences``.

    Lines keep their white space, and a blank line that parts two lines that stay is kept (datatrove joins the
    lines by single line feeds). With ``variant: code`` the lines are those that datatrove 0.10.1 keeps of
    English.

    Attributes:
        variant: ``code`` looks for curly brackets and lorem ipsum where C4's code does, on lines that have
            passed the rules before; ``paper`` anywhere in the text.
        end_marks: ``c4``: . ? ! and straight quotation marks; ``all``: those of every script, looked for
            behind closing quotation marks and brackets, and words as `corpuskit.documents.words` counts them;
            ``auto``: ``c4`` for English and documents without a language, else ``all``.
        min_words: of a line.
        max_word_length: characters of a word of a line.
        citations: whether to cut them.
        javascript: whether to cut lines that name it.
        policies: whether to cut lines about cookies and terms of use.
        min_sentences: of what is left (`sentences.count_sentences`); 0 for no such bound.
        lorem_ipsum, curly_brackets: whether documents with them are dropped.
    """

    name: ClassVar[str] = "c4_lines"
    columns: ClassVar[Mapping[str, pa.DataType]] = {
        "c4_sentences": pa.int64(),
        "c4_lorem_ipsum": pa.bool_(),
        "c4_curly_brackets": pa.bool_(),
    }

    variant: Literal["code", "paper"] = "code"
    end_marks: Literal["auto", "c4", "all"] = "auto"
    min_words: int = Field(default=3, ge=0)
    max_word_length: int = Field(default=1000, ge=1)
    citations: bool = True
    javascript: bool = True
    policies: bool = True
    min_sentences: Decides[int] = Field(default=5, ge=0)
    lorem_ipsum: Decides[bool] = True
    curly_brackets: Decides[bool] = True

    def apply(self, batch: pa.RecordBatch) -> Effect:
        """Name the lines to cut, and add the columns that documents are dropped by."""
        cuts: list[Cut] = []
        pages = []
        languages = batch.column("language").to_pylist()
        for row, text in enumerate(batch.column("text").to_pylist()):
            page = Page(self, every_script=self._takes_every_script(languages[row]))
            cuts += cut_lines(row, text, page.verdict)
            if self.variant == "paper":
                page.lorem_ipsum, page.curly_brackets = "lorem ipsum" in text.lower(), "{" in text
            pages.append(page)
        facts = (
            [page.sentences for page in pages],
            [page.lorem_ipsum for page in pages],
            [page.curly_brackets for page in pages],
        )
        for (name, kind), values in zip(self.columns.items(), facts, strict=True):
            batch = batch.append_column(pa.field(name, kind), pa.array(values, kind))
        return Effect(batch, cuts=cuts)

    def _takes_every_script(self, language: str) -> bool:
        if self.end_marks == "auto":
            return base_language(language) not in ("", *ENGLISH)
        return self.end_marks == "all"

    def decide(self, scores: pa.RecordBatch) -> Mapping[int, str]:
        """Rows with lorem ipsum, curly brackets or too few sentences, the first of these as the reason."""
        found: dict[int, str] = {}
        sentences, lorem, curly = (scores.column(name).to_pylist() for name in self.columns)
        for row, count in enumerate(sentences):
            if self.lorem_ipsum and lorem[row]:
                found[row] = "c4_lorem_ipsum"
            elif self.curly_brackets and curly[row]:
                found[row] = "c4_curly_brackets"
            elif count < self.min_sentences:
                found[row] = "c4_sentences"
        return found


class Page:
    """One text while its lines are looked at."""

    def __init__(self, settings: C4Lines, *, every_script: bool) -> None:
        self.settings = settings
        self.every_script = every_script
        self.sentences = 0
        self.lorem_ipsum = False
        self.curly_brackets = False

    def verdict(self, line: str) -> Verdict:
        """Why a line goes, or the citations to cut out of it; counts the sentences of one that stays."""
        settings = self.settings
        if any(len(word) > settings.max_word_length for word in line.split()):
            return "c4_long_word"
        found = list(_CITATION.finditer(line)) if settings.citations else []
        bare = _CITATION.sub("", line) if found else line
        if not self._ends(bare):
            return "c4_no_end_mark"
        if count_words(line, between_spaces=not self.every_script) < settings.min_words:
            return "c4_few_words"
        lower = bare.lower()
        self.lorem_ipsum |= "lorem ipsum" in lower
        if settings.javascript and "javascript" in lower:
            return "c4_javascript"
        self.curly_brackets |= "{" in bare
        if settings.policies and any(policy in lower for policy in _POLICIES):
            return "c4_policy"
        self.sentences += count_sentences(bare)
        return [Span(*each.span(), "c4_citation") for each in found]

    def _ends(self, line: str) -> bool:
        """Whether a line ends in an end mark and not in an ellipsis."""
        if self.every_script:
            line = line.rstrip(_CLOSING)
            return bool(line) and line[-1] in END_MARKS and not line.endswith("...")
        return line.endswith(_C4_MARKS) and not line.endswith("...")
