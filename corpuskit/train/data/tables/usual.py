"""How columns are usually called, in the order in which they are looked for."""

from __future__ import annotations

TEXT = (
    "text",
    "sentence",
    "review",
    "message",
    "content",
    "comment",
    "tweet",
    "sms",
    "question",
    "document",
    "body",
    "input",
)
LABEL = ("label", "labels", "class", "category", "target", "sentiment", "topic", "intent", "y")
PAIRS = (
    ("text_a", "text_b"),
    ("text1", "text2"),
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "answer"),
)
WORDS = ("words", "tokens")
TAGS = ("tags", "ner_tags", "pos_tags", "labels")
MESSAGES = ("messages", "conversations", "conversation")
PROMPT = ("prompt",)
COMPLETION = ("completion", "response", "answer")
INSTRUCTION, INPUT, OUTPUT = ("instruction",), ("input",), ("output",)
ID = ("id", "_id", "doc_id")
SOURCE = ("source", "src", "input", "text", "lemma", "document", "article", "question")
TARGET = ("target", "tgt", "output", "translation", "summary", "form", "title", "answer")
CHOSEN, REJECTED = ("chosen",), ("rejected",)

KNOWN = frozenset(
    name
    for names in (
        *(TEXT, LABEL, *PAIRS, WORDS, TAGS, MESSAGES, PROMPT, COMPLETION),
        *(INSTRUCTION, INPUT, OUTPUT, CHOSEN, REJECTED, ("id", "title", "source", "url", "split", "name")),
    )
    for name in names
)
"""A first row with one of these names columns."""
