"""The rules by which templates become text: the shipped ones (``templates.tsv``, ``words.tsv``) and a user's.

The engine reads, checks and applies them; this module finds the files, writes a user's rules as such a file
and turns what the engine says about a bad line into a `SettingError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from corpuskit import _native
from corpuskit.errors import SettingError

Conversions = Literal["both", "author"]
TemplateRules = Mapping[str, str | Mapping[str, str]]
"""Name of a template -> format, or -> language -> format; see `template_table`."""

_FORMATS = "The head of corpuskit/sources/wikipedia/templates.tsv tells how formats are written."
_SHIPPED = (("words", "words.tsv"), ("units", "units.tsv"), ("templates", "templates.tsv"))


def template_table(
    language: str, rules: TemplateRules | None = None, conversions: Conversions = "both"
) -> _native.TemplateTable:
    r"""The rules for templates in the wikis of one language.

    Args:
        language: code of the wiki's language.
        rules: own rules, which win over the shipped ones. A key is the name of a template, or several set
            apart by ``|``. The value is the format, or a mapping from language to format. The format language
            is told in the head of ``corpuskit/sources/wikipedia/templates.tsv``: ``{1,text}`` is the first of
            these parameters that is there, ``[ ... ]`` is left out unless its parameters are there, ``\\``
            stands before a sign that is meant as such. An empty format removes the template.
        conversions: ``both``: ``{{convert|10|mi|km}}`` is "10 miles (16 km)", as on the page; ``author``: it
            is "10 miles", which the author wrote.

    Raises:
        SettingError: a rule is not as it should be; the message names the file and the line, or the rule.

    >>> from corpuskit.sources.wikipedia.extract import extract
    >>> import pyarrow as pa
    >>> table = template_table("en", {"pop": "{1:number} people[ ({year})]"})
    >>> page = pa.array(["It has {{pop|12345|year=2011}}."], pa.large_string())
    >>> extract(page, file_prefixes=[], category_prefixes=[], templates=table).texts[0].as_py()
    'It has 12,345 people (2011).'
    """
    # As a tuple they are a key of the cache: a table is read once in a process, not once a batch.
    each = {n: {"*": value} if isinstance(value, str) else value for n, value in (rules or {}).items()}
    own = tuple((name, lang, text) for name, value in each.items() for lang, text in value.items())
    return _table(language, own, conversions)


UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True)
class ShippedRule:
    """A line of ``templates.tsv``; the head of that file tells its columns.

    Attributes:
        confirmed: whether a case in the tests shows, from the wiki's documentation or a rendered page, that
            it writes what the wiki does. A rule that writes nothing needs none.
    """

    line: int
    languages: tuple[str, ...]
    names: tuple[str, ...]
    how: str
    spec: str
    confirmed: bool

    @property
    def writes(self) -> bool:
        """Whether it makes text."""
        return self.how not in ("drop", "lost")


@cache
def shipped_rules() -> tuple[ShippedRule, ...]:
    """The shipped rules of all wikis, in the order of their file."""
    text = next(text for kind, _, text in _shipped() if kind == "templates")
    rules = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("# ") or line == "#":
            continue
        languages, names, how, spec, note = [*line.split("\t"), "", ""][:5]
        confirmed = note != UNCONFIRMED
        rules.append(
            ShippedRule(number, tuple(languages.split(",")), tuple(names.split("|")), how, spec, confirmed)
        )
    return tuple(rules)


@cache
def _shipped() -> tuple[tuple[str, str, str], ...]:
    folder = resources.files("corpuskit.sources.wikipedia")
    return tuple((kind, name, folder.joinpath(name).read_text(encoding="utf-8")) for kind, name in _SHIPPED)


@cache
def _table(
    language: str, own: tuple[tuple[str, str, str], ...], conversions: Conversions
) -> _native.TemplateTable:
    files = [*_shipped(), ("words", "settings", f"setting\t*\tconversions\t{conversions}\n")]
    if own:
        files.append(("templates", "template_rules", "".join(_line(*rule) for rule in own)))
    try:
        return _native.read_templates(language, files)
    except ValueError as error:
        file, line, what = error.args
        if file != "template_rules":
            raise SettingError(f"{file}, line {line}: {what}", remedy=_FORMATS) from None
        name, lang, text = own[line - 1]
        where = f"template_rules: {name!r}" + (f" ({lang})" if lang != "*" else "")
        raise SettingError(f"{where}: {text!r}: {what}", remedy=_FORMATS) from None


def _line(name: str, language: str, text: str) -> str:
    """A rule as a line of the file; what would break the line is an error that names the rule."""
    for what, value in (("name", name), ("language", language), ("format", text)):
        bad = next((c for c in value if c < " "), None)
        if bad is not None or (what != "format" and not value.strip()):
            problem = f"holds the control character {bad!r}" if bad else "is empty"
            remedy = r"Write \n for a new line; a format is one line."
            raise SettingError(f"template_rules: {name!r}: the {what} {problem}", remedy=remedy)
    return f"{language}\t{name}\t" + (f"format\t{text}\n" if text else "drop\t\ta rule of the recipe\n")
