"""What is lost and what is left over in text made of wikitext, judged from the wikitext alone.

No parser of any tool is used: only what can be said of a page with certainty from spans without markup, and
from strings that no reader of the page would see. Every tool is held to the same.

*Kept*
    ``sentences``  sentences without any markup, outside of templates, tables and footnotes; one counts as
                   kept if it stands verbatim in the text (white space, also before a comma or stop, aside).
    ``items``      list items without markup but links, three words or more; kept if the item stands verbatim.
    ``footnotes``  six words in a row from the plain part of a footnote that stand nowhere else in the page;
                   they count as *glued* if they stand in the text.
Sections of references, links and bibliography (`APPARATUS`) are not asked for.

*Left over* (``remnants``): marks of templates, tables, links, headings and emphasis, arguments of tables
and styles, tags, entities, switches, placeholders. What the page shows as text (in nowiki, code, math and
the like, in indented lines, or escaped) is no remnant.

*Holes*: places where something stood that is gone: empty brackets, brackets that begin with a comma or end
with a comma or colon, a space before a comma or full stop, commas in a row, a preposition before a comma or a
conjunction, words that promise a pronunciation and give none, lines and items that begin with a comma or
dash. A string counts as often as it stands in the text more often than in the wikitext.

*Brackets gone*: a tool may not hide holes by deleting the brackets. Of brackets in running lines that hold a
word or a template of `SPEAKING`, those whose three words before stand in the text, but with no bracket
behind them.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.kept import open_lines, plain_sentences
from benchmarks.wiki_pages import Page

Found = list[tuple[str, str]]
"""Kind of defect, and the place with what stands around it."""

APPARATUS = re.compile(
    r"references?|notes?|notes and references|references and notes|footnotes?|citations?|sources?|"
    r"bibliography|"
    r"further reading|external links?|see also|works cited|literature|"
    r"références?|notes? et références?|références? et notes?|bibliographies?|voir aussi|annexes?|"
    r"liens? externes?|"
    r"articles? connexes?|liens internes|pour approfondir|notes, sources et références|"
    r"note|riferimenti|bibliografia|collegamenti esterni|altri progetti|voci correlate|fonti|"
    r"tham khảo|chú thích|liên kết ngoài|xem thêm|đọc thêm|ghi chú|thư mục|nguồn|chú giải|"
    r"nūruodis|verīs taipat|atsauces|literatura|uorejuos saitys|olūti",
    re.IGNORECASE,
)
_HEADING = re.compile(r"^(=+)\s*(.*?)\s*\1\s*$")
_SPACE = re.compile(r"\s+")
_SPACE_BEFORE = re.compile(r" (?=[,.])")
_MARKUP = re.compile(r"[\[\]{}<>|=&_~]|''|//")
_PLAIN_LINK = re.compile(r"\[\[(?:[^\[\]|{}<>:#]*\|)?([^\[\]|{}<>:&]+)\]\](?!\w)")
_WORD = re.compile(r"\w+")
_FOOTNOTE = re.compile(r"<ref\b[^>/]*>(.*?)</ref\s*>", re.DOTALL | re.IGNORECASE)
_ANY_FOOTNOTE = re.compile(r"<ref\b[^>]*/>|<ref\b[^>]*>.*?</ref\s*>", re.DOTALL | re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_SHOWN_RAW = re.compile(
    r"<(nowiki|pre|code|math|chem|ce|source|syntaxhighlight|tt|kbd|samp|score|timeline)\b[^>/]*>(.*?)</\1\s*>",
    re.DOTALL | re.IGNORECASE,
)
_INDENTED = re.compile(r"^ (?:(?!\[\[|\{\{|\{\|)[^\n]){2,}$", re.MULTILINE)
_END = re.compile(r"[.!?][\"'”»)\]]*(?=\s|$)")
FOOTNOTE_WORDS = 6

REMNANTS = {
    "template": re.compile(r"\{\{+|\}\}+"),
    "table": re.compile(r"\{\||\|\}|\|\||^[ \t]*(?:\|-|\||!(?=[ \t]))", re.MULTILINE),
    "style": re.compile(
        r"\b(?:style|class|align|valign|width|height|bgcolor|colspan|rowspan|cellpadding|cellspacing|border|scope)"
        r"[ \t]*=[ \t]*[\"']?[\w#]",
        re.IGNORECASE,
    ),
    "link": re.compile(r"\[\[|\]\]|\[https?://"),
    "tag": re.compile(
        r"</?(?:[bisupq]|br|div|span|ref|references|small|big|su[bp]|font|center|table|t[rdh]|caption|[uod]l|li|"
        r"d[td]|gallery|math|nowiki|code|pre|poem|blockquote|noinclude|includeonly|onlyinclude|h[1-6]|hr|tt|em|"
        r"strong|cite|del|ins|abbr|source|syntaxhighlight|section|score|timeline|imagemap|time|kbd|var|strike|"
        r"templatestyles|chem|ce|hiero|img|a)(?:\s[^<>\n]*)?/?>",
        re.IGNORECASE,
    ),
    "entity": re.compile(r"&(?:[a-zA-Z]{2,8}|#\d+|#x[0-9a-fA-F]+);"),
    "emphasis": re.compile(r"''+"),
    "heading": re.compile(r"^=+[^=\n]+=+[ \t]*$", re.MULTILINE),
    "prefix": re.compile(
        r"^\W*(?:File|Image|Category|Fichier|Catégorie|Immagine|Categoria|Tập tin|Hình|Thể loại|Fails|Attēls|"
        r"Kategoreja)[ \t]?:[^\n]*",
        re.MULTILINE,
    ),
    "picture": re.compile(r"\b(?:thumb|thumbnail|vignette|miniatura|frameless|upright|nhỏ|\d+px)\|"),
    "switch": re.compile(r"__[A-Z]{3,}__"),
    "placeholder": re.compile(r"\b(?:formula|codice)_\d+"),
}
_SMALL_WORDS = {
    "en": ("of|at|in|to|from|by|with|the|an?|about|approximately|is|was", "and|or|of|is|was|are|to"),
    "fr": ("de|du|des|à|au|aux|le|la|les|une?|en|dans|par|sur|pour|avec|environ", "et|ou|de|est|à"),
    "it": ("di|del|della|dei|al?|in|da|dal|con|su|per|il|la|una?|circa", "e|o|di|è"),
    "vi": ("của|ở|tại|từ|là|với|khoảng", "và|hoặc|của|là"),
    "ltg": ("nu|iz|ar|pi|da|kai", "i|voi"),
}
_HOLES = (
    re.compile(r"[(\[（][ \t]*[,;:.–—-]*[ \t]*[)\]）]"),
    re.compile(r"[(（][ \t]*[,;](?![)-])|\w*[,;:][ \t]*[)）]"),
    re.compile(
        r"\b(?:pronounced|pronunciation|pronuncia|prononcée?|phát âm|IPA|API|romanized|lit\.|as of)"
        r"[ \t]*:?[ \t]*(?:[,;)]|\.(?=[ \t\n]|$))",
        re.IGNORECASE,
    ),
    re.compile(r"^[,;)](?=[ \t]?\w)", re.MULTILINE),
    re.compile(r"(?<=[^\s(,;.]) +[,.](?=[ \t\n]|$)"),
    re.compile(r",[ \t]*,|;[ \t]*;|,[ \t]*\.(?=[ \t\n]|$)"),
)
_INCHES = re.compile(r"(?:[\d.,]*\d|million|thousand)[ \t]in\b")
_ITEM_HOLE = re.compile(r"^[ \t]*(?:-|\*|\d+\.)[ \t]+[-–—,;:)](?=[ \t])", re.MULTILINE)
_SOURCE_ITEM = re.compile(r"^[*#:;]+[ \t]*[-–—,;:)](?=[ \t])", re.MULTILINE)
SPEAKING = re.compile(
    r"\{\{\s*(?:lang\b|lang-|langue|IPA|convert|cvt|nihongo|zh|transl|transliteration|script|birth|death|unité|val\b|"
    r"circa|c\.|born|nobold|nowrap|height|age\b|API|japonais|arabe|étranger|lingue|grc|hebrew|"
    r"siècle|date\b|date-|coord|formatnum|abbr|frac|as of|chinese|korean|grec|russe)",
    re.IGNORECASE,
)
_FILE = re.compile(r"\[\[[^\[\]|:]{2,12}:[^\[\]|]*\.\w{3,4}\|(?:[^\[\]]|\[\[[^\[\]]*\]\]|\[[^\[\]]*\])*\]\]")
_BRACKET = re.compile(r"(\w+) (\w+) (\w+) ?\(((?:[^()]|\([^()]*\))*)\)")


@dataclass
class Judgement:
    """What was found in the texts of one tool; counts add up over pages.

    Attributes:
        counts: Numbers by name: ``sentences``, ``sentences kept``, ``items``, ``items kept``, ``footnotes``,
            ``footnotes glued``, ``written`` (sentences in the texts), ``brackets``, ``brackets gone``.
        remnants: Marks left, by kind.
        holes: Holes, by the string.
        examples: Places by the kind of defect.
    """

    counts: Counter[str] = field(default_factory=Counter)
    remnants: Counter[str] = field(default_factory=Counter)
    holes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Found] = field(default_factory=dict)

    def share(self, part: str, whole: str) -> float:
        """One count in percent of another; 100 where there is nothing to share."""
        return 100 * self.counts[part] / self.counts[whole] if self.counts[whole] else 100.0

    def per_thousand(self, number: int) -> float:
        """A number for each 1,000 sentences written."""
        return 1000 * number / max(1, self.counts["written"])

    def add(self, other: Judgement) -> None:
        """Add what was found elsewhere."""
        for name in ("counts", "remnants", "holes"):
            getattr(self, name).update(getattr(other, name))
        for kind, places in other.examples.items():
            self.examples.setdefault(kind, []).extend(places)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Judgement:
        """A judgement whose fields were kept as JSON."""
        counters = {name: Counter[str](values[name]) for name in ("counts", "remnants", "holes")}
        examples = {
            kind: [(title, around) for title, around in it] for kind, it in values["examples"].items()
        }
        return cls(**counters, examples=examples)

    def note(self, kind: str, page: Page, around: str) -> None:
        self.examples.setdefault(kind, []).append((page.title, around))


def judge_page(page: Page, text: str, into: Judgement) -> None:
    """Look at the text that a tool made of a page and add what is found."""
    into.counts["written"] += len(_END.findall(text))
    body = without_apparatus(page.wikitext)
    flat = squeeze(text)
    for what, spans in (("sentences", plain_sentences(body)), ("items", plain_items(body))):
        for span in spans:
            into.counts[what] += 1
            if squeeze(span) in flat:
                into.counts[f"{what} kept"] += 1
            else:
                into.note(f"{what} lost", page, span)
    _judge_footnotes(page, text, into)
    shown = without_shown_raw(page.wikitext, text)
    _judge_remnants(page, shown, into)
    source = flatten(page.wikitext)
    _judge_holes(page, shown, source, into)
    _judge_brackets(page, body, flat, into)


def squeeze(text: str) -> str:
    """A text with every run of white space as one space, none before a comma or full stop."""
    return _SPACE_BEFORE.sub("", _SPACE.sub(" ", text)).strip()


def without_apparatus(wikitext: str) -> str:
    """A page without its sections of references, links and bibliography."""
    kept: list[str] = []
    level = 0
    for line in wikitext.split("\n"):
        heading = _HEADING.match(line.strip())
        if heading and (not level or len(heading.group(1)) <= level):
            level = len(heading.group(1)) if APPARATUS.fullmatch(heading.group(2).strip("' ")) else 0
        if not level:
            kept.append(line)
    return "\n".join(kept)


def plain_items(wikitext: str) -> Iterator[str]:
    """The list items of three words or more that hold no markup but links, with the links' texts."""
    for line in open_lines(wikitext):
        if line[:1] in {"*", "#"}:
            item = _PLAIN_LINK.sub(r"\1", line.lstrip("*#:; \t")).strip()
            if not _MARKUP.search(item) and len(_WORD.findall(item)) >= 3:
                yield item


def _judge_footnotes(page: Page, text: str, into: Judgement) -> None:
    words = " ".join(_WORD.findall(text))
    elsewhere = " ".join(_WORD.findall(flatten(page.wikitext)))
    for found in _FOOTNOTE.finditer(_COMMENT.sub("", page.wikitext)):
        runs = [_WORD.findall(run) for run in _MARKUP.split(found.group(1))]
        longest = max(runs, key=len)
        if len(longest) < FOOTNOTE_WORDS:
            continue
        window = " ".join(longest[:FOOTNOTE_WORDS])
        if window in elsewhere:
            continue
        into.counts["footnotes"] += 1
        if window in words:
            into.counts["footnotes glued"] += 1
            into.note("footnotes glued", page, window)


def without_shown_raw(wikitext: str, text: str) -> str:
    """A text without what stands in it verbatim because the page shows it raw (nowiki, code, math...).

    Each is taken out as often as the page shows it: ``[[`` in one nowiki does not excuse others.
    """
    bodies = Counter(found.group(2).strip() for found in _SHOWN_RAW.finditer(wikitext))
    bodies.update(line.strip() for line in _INDENTED.findall(wikitext))
    forms: Counter[str] = Counter()
    for body, times in bodies.items():
        plain = {body, html.unescape(body)}
        forms.update(dict.fromkeys(plain | {_SPACE.sub(" ", form) for form in plain}, times))
    for form in sorted(forms, key=lambda form: (-len(form), form)):  # a longer one may hold a shorter one
        if len(form) > 1 and form in text:
            text = text.replace(form, " ¤ ", forms[form])
    return text


def _judge_remnants(page: Page, text: str, into: Judgement) -> None:
    for kind, pattern in REMNANTS.items():
        for found in pattern.finditer(text):
            if html.escape(found.group(), quote=False) in page.wikitext and kind in {"tag", "entity"}:
                continue  # the page shows it: it is escaped there
            into.remnants[kind] += 1
            into.note(f"remnant {kind}", page, _around(text, found))


def flatten(wikitext: str) -> str:
    """Wikitext with links as their texts and without emphasis, footnotes, comments, tags; templates stay."""
    text = _COMMENT.sub("", _ANY_FOOTNOTE.sub("", wikitext))
    text = html.unescape(re.sub(r"<[^<>]*>", "", text))
    text = re.sub(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]", r"\1", text)
    text = re.sub(r"\[(?:https?:)?//\S+ ([^\[\]]*)\]", r"\1", text)
    return re.sub(r"''+", "", text).replace("\u00a0", " ")


def _judge_holes(page: Page, text: str, source: str, into: Judgement) -> None:
    before, after = _SMALL_WORDS.get(page.language, _SMALL_WORDS["en"])
    meeting = re.compile(rf"(?:\w+[ \t])?\b(?:{before})[ \t]*(?:[,;)]|\.(?=\s)|[ \t](?:{after})\b)")
    for pattern in (*_HOLES, meeting):
        found: dict[str, list[re.Match[str]]] = {}
        for match in pattern.finditer(text.replace("\u00a0", " ")):
            mark = match.group() == "en)" and text[match.start() - 1] == "("  # {{en}}: the page shows it
            if not mark and not _INCHES.match(match.group()):
                found.setdefault(_SPACE.sub(" ", match.group()), []).append(match)
        for string, matches in found.items():
            extra = len(matches) - _SPACE.sub(" ", source).count(string)
            if extra > 0:
                into.holes[string] += extra
                for match in matches[:extra]:
                    into.note("hole", page, _around(text, match))

    extra = len(_ITEM_HOLE.findall(text)) - len(_SOURCE_ITEM.findall(_COMMENT.sub("", page.wikitext)))
    if extra > 0:
        into.holes["item begins with a mark"] += extra
        for match in list(_ITEM_HOLE.finditer(text))[:extra]:
            into.note("hole", page, _around(text, match))


def _judge_brackets(page: Page, body: str, flat: str, into: Judgement) -> None:
    for line in open_running_lines(body):
        line = _FILE.sub("", line)  # captions stand apart from the text
        for match in _BRACKET.finditer(_PLAIN_LINK.sub(r"\1", line.replace("'''", "").replace("''", ""))):
            held = match.group(4)
            without = re.sub(r"\{\{.*\}\}", "", held)
            if not (SPEAKING.search(held) or _WORD.search(without)):
                continue
            anchor = " ".join(match.groups()[:3])
            place = flat.find(anchor)
            if place < 0 or flat.count(anchor) > 1:
                continue
            into.counts["brackets"] += 1
            behind = flat[place + len(anchor) : place + len(anchor) + 3]
            if "(" not in behind and not behind.startswith(("[", "（")):
                into.counts["brackets gone"] += 1
                into.note("bracket gone", page, f"{match.group()} -> {flat[place : place + 90]}")


def open_running_lines(wikitext: str) -> Iterator[str]:
    """Lines of prose, templates in them included if they end in the same line."""
    depth = 0
    for line in _COMMENT.sub("", _ANY_FOOTNOTE.sub("", wikitext)).split("\n"):
        opened, closed = len(re.findall(r"\{\{|\{\|", line)), len(re.findall(r"\}\}|\|\}", line))
        if depth == 0 and opened == closed and not re.match(r"\s*[;={|!]", line):
            yield line
        depth = max(0, depth + opened - closed)


def _around(text: str, found: re.Match[str]) -> str:
    start, end = max(0, found.start() - 50), min(len(text), found.end() + 40)
    return f"{text[start : found.start()]}⟦{found.group()}⟧{text[found.end() : end]}".replace("\n", "⏎")
