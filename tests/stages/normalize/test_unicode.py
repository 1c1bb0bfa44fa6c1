"""Unicode: the same as ftfy with the same settings, on everything."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Literal

import ftfy
import pyarrow as pa
import pytest
from ftfy import TextFixerConfig
from hypothesis import example, given
from hypothesis import strategies as st

from corpuskit.documents import batch as batches
from corpuskit.stages.normalize.repair import _REPLACED, fix_text
from corpuskit.stages.normalize.unicode import Unicode
from corpuskit.stages.stage import Effect

CORPORA = os.environ.get("CORPUSKIT_CORPORA")
needs_corpora = pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA does not name the corpora")

DEFAULTS = TextFixerConfig(uncurl_quotes=False, fix_character_width=False, explain=False)


def batch_of(*texts: str) -> pa.RecordBatch:
    builder = batches.BatchBuilder()
    for i, text in enumerate(texts):
        builder.add(id=f"files:x:{i}", source="x", text=text)
    return next(builder.take(rest=True))


def run(stage: Unicode, *texts: str) -> list[str]:
    effect = stage.apply(batch_of(*texts))
    assert not effect.errors
    batches.check(effect.batch, {}, "unicode")
    return [str(text) for text in effect.batch.column("text").to_pylist()]


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("schÃ¶n", "schön"),
        ("voilÃ le travail", "voilà le travail"),
        ("fish &amp; chips", "fish & chips"),
        ("<p>fish &amp; chips", "<p>fish &amp; chips"),
        ("fish &amp; chips\n<p>fish &amp; chips", "fish & chips\n<p>fish &amp; chips"),
        ("e\u0301", "é"),
        ("ﬁn", "fin"),
        ("“curly” ‘quotes’ and Hawaiʼi", "“curly” ‘quotes’ and Hawaiʼi"),
        ("全角，（也）是。Ａ", "全角，（也）是。Ａ"),
        ("a\x00b\x07c\ufeff", "abc"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("tab\tand\x0cform feed", "tab\tand\x0cform feed"),
        ("ends with a line end\n", "ends with a line end\n"),
        ("Windows \x93quotes\x94", "Windows “quotes”"),
    ],
)
def test_what_the_defaults_do(text: str, fixed: str) -> None:
    assert run(Unicode(), text) == [fixed]
    assert ftfy.fix_text(text, DEFAULTS) == fixed


def test_settings_reach_ftfy() -> None:
    text = "“Ａ” ﬁ &lt; e\u0301 \x07Ã©"
    assert run(Unicode(uncurl_quotes=True), text) == ['"Ａ" fi < é é']
    assert run(Unicode(fix_character_width=True), text) == ["“A” fi < é é"]
    assert run(Unicode(fix_latin_ligatures=False), text) == ["“Ａ” ﬁ < é é"]
    assert run(Unicode(unescape_html=False), text) == ["“Ａ” fi &lt; é é"]
    assert run(Unicode(normalization="NFKD"), text) == ["“A” fi < e\u0301 e\u0301"]
    assert run(Unicode(normalization=None), text) == ["“Ａ” fi < e\u0301 é"]
    assert run(Unicode(fix_encoding=False), text) == ["“Ａ” fi < é Ã©"]
    assert run(Unicode(remove_control_chars=False), text) == ["“Ａ” fi < é \x07é"]
    assert set(Unicode().config()._asdict()) >= set(Unicode.model_fields)


def test_the_version_of_ftfy_is_part_of_the_fingerprint() -> None:
    assert Unicode().fingerprint(deciding=False)["ftfy"] == ftfy.__version__


PIECES = st.sampled_from(
    [
        "&amp;",
        "&lt;",
        "<",
        "\n",
        "\r\n",
        "\r",
        "Ã©",
        "â€œ",
        "é",
        "e\u0301",
        "\x85",
        "\x1b[1m",
        "\ufeff",
        "ﬁ",
        "a b",
        "’",
        "” “",
        "œ",
        "Ã ",
        "Ø·",
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=8)).map("".join)


@given(TEXTS, st.booleans(), st.sampled_from(["auto", True, False]))
@example("&amp;\n<\n&amp;", True, "auto")
@example("x\n", False, "auto")
@example("", False, "auto")
def test_equal_to_ftfy(text: str, uncurl: bool, unescape: str | bool) -> None:
    config = TextFixerConfig(uncurl_quotes=uncurl, unescape_html=unescape, explain=False)
    assert fix_text(text, config) == ftfy.fix_text(text, config)


Form = Literal["NFC", "NFKD"] | None
FORMS: st.SearchStrategy[Form] = st.sampled_from(("NFC", "NFKD", None))


@given(st.text(alphabet=st.characters(max_codepoint=127)), FORMS)
def test_equal_to_ftfy_on_ascii(text: str, normalization: Form) -> None:
    for width in (False, True):
        config = TextFixerConfig(normalization=normalization, fix_character_width=width, explain=False)
        assert fix_text(text, config) == ftfy.fix_text(text, config)


def test_every_ascii_character_that_ftfy_is_spared_is_one_that_it_leaves_alone() -> None:
    spared = [chr(c) for c in range(128) if chr(c) in "\t\n\x0c" or (31 < c < 127 and chr(c) != "&")]
    for first in spared:
        text = "".join(f"{first}{second}" for second in spared)
        assert ftfy.fix_text(text) == text


@given(TEXTS, FORMS, st.booleans())
@example("œuvre d’Ã", "NFC", True)
@example("œ\r\n’\r\n", "NFC", True)
def test_equal_to_ftfy_where_it_is_spared_more_than_ascii(text: str, form: Form, repair: bool) -> None:
    config = DEFAULTS._replace(normalization=form, fix_encoding=repair)
    assert fix_text(text, config) == ftfy.fix_text(text, config)


def test_no_step_of_ftfy_changes_a_character_that_it_is_spared() -> None:
    config = DEFAULTS._replace(normalization=None, fix_encoding=False)
    spared = "".join(c for c in map(chr, range(0x110000)) if not _REPLACED.match(c) and c not in "\n<")
    assert len(spared) > 1_000_000
    assert ftfy.fix_text(spared, config) == spared


def test_lines_beyond_the_length_that_ftfy_cuts() -> None:
    text = "é" * 1_000_500 + "<" + "&amp;" * 10 + "\n&amp;"
    config = TextFixerConfig(explain=False)
    assert fix_text(text, config) == ftfy.fix_text(text, config)


def raw_batch(*data: bytes) -> pa.RecordBatch:
    """A batch whose texts are these bytes, unchecked, as Arrow lets them be."""
    buffers = pa.array(data, pa.large_binary()).buffers()
    column = pa.Array.from_buffers(pa.large_string(), len(data), buffers)
    return batches.replace_text(batch_of(*["x"] * len(data)), column)


def test_surrogates_and_bytes_that_are_not_utf8() -> None:
    pair = "\ud83d\ude00".encode("utf-8", "surrogatepass")
    half = "half \ud83d".encode("utf-8", "surrogatepass")
    effect = Unicode().apply(raw_batch(b"good", pair, half, b"bad \xff", b"also good"))
    assert isinstance(effect, Effect)
    assert list(effect.errors) == [3]
    assert effect.errors[3].startswith("files:x:3: the text is not UTF-8: byte 0xff at offset 4.")
    texts = effect.batch.column("text").cast(pa.large_binary()).to_pylist()
    assert texts == [b"good", "😀".encode(), "half \ufffd".encode(), b"bad \xff", b"also good"]


def test_a_text_of_nothing_but_control_characters_is_dropped() -> None:
    effect = Unicode().apply(batch_of("\x00\x01", "text", ""))
    assert effect.drops == {0: "empty", 2: "empty"}
    assert effect.batch.column("text").to_pylist() == ["\x00\x01", "text", ""]


def test_sliced_and_empty_batches() -> None:
    batch = batch_of("a", "Ã©", "b")
    assert Unicode().apply(batch.slice(1, 1)).batch.column("text").to_pylist() == ["é"]
    assert Unicode().apply(batch.slice(0, 0)).batch.num_rows == 0


@pytest.mark.corpora
@needs_corpora
def test_equal_to_ftfy_on_real_text() -> None:
    """Books in several languages and files of mojibake, rightly and wrongly decoded, in long documents."""
    root = Path(str(CORPORA))
    files = [
        *sorted((root / "gutenberg").glob("0*/pg__*-0.txt.gz"))[:3],
        *sorted((root / "gutenberg").glob("2*/*.txt.gz"))[:4],
        *sorted(p for p in (root / "encoding").rglob("*") if p.is_file())[::10],
    ]
    assert len(files) > 15
    config = Unicode().config()
    for path in files:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = data.decode("utf-8", "replace")[:100_000]
        for wrong in (text, text[:5000].encode().decode("latin-1")):
            for start in range(0, len(wrong), 20_000):
                document = wrong[start : start + 20_000]
                assert fix_text(document, config) == ftfy.fix_text(document, config), path


@pytest.mark.parametrize(
    ("setting", "wiki", "file"),
    [
        ("auto", "write &eacute; or &amp;lt;", "write é or <"),
        (True, "write é or <", "write é or <"),
        (False, "write &eacute; or &amp;lt;", "write &eacute; or &amp;lt;"),
    ],
)
def test_entities_of_wiki_pages_were_decoded_before(
    setting: bool | Literal["auto"], wiki: str, file: str
) -> None:
    builder = batches.BatchBuilder()
    for source in ("wikipedia", "notes"):
        builder.add(id=f"{source}:1", source=source, text="write &eacute; or &amp;lt;")
    effect = Unicode(unescape_html=setting).apply(next(builder.take(rest=True)))
    assert effect.batch.column("text").to_pylist() == [wiki, file]
