"""Pieces of a Markdown page; its tables are of `corpuskit.train.hub.card_parts`."""

from __future__ import annotations

import textwrap


def quoted(said: str, keep_lines: bool = False) -> str:
    """A sample as a quotation; marks that Markdown or HTML would take as its own are told as they are."""
    safe = said.replace("\\", "\\\\").translate({ord(c): f"\\{c}" for c in "*_`<>[]#|"})
    if keep_lines:
        return "\n".join(f"> {line}  " for line in safe.split("\n") if line.strip())
    paragraphs = [" ".join(each.split()) for each in safe.split("\n\n") if each.strip()]
    return "\n>\n".join(
        textwrap.fill(each, 116, initial_indent="> ", subsequent_indent="> ", break_long_words=False)
        for each in paragraphs
    )


def text(*parts: str) -> str:
    """Parts with an empty line between them; running text is wrapped."""
    told = []
    for part in parts:
        plain = not part.startswith(("#", "|", ">", "```", "-", "!"))
        told.append(
            textwrap.fill(" ".join(part.split()), 118, break_long_words=False, break_on_hyphens=False)
            if plain
            else part
        )
    return "\n\n".join(told) + "\n"
