"""Encodings: what is declared rightly is believed, what is declared wrongly is read rightly and flagged."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpuskit.sources.encoding.decode import codec_name, decode_text
from corpuskit.sources.encoding.evidence import GOOD, misfit
from corpuskit.sources.gutenberg.header import declared_encoding, declared_language

CASES = Path(__file__).parents[2] / "cases"
CORPORA = os.environ.get("CORPUSKIT_CORPORA")
needs_corpora = pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA does not name the corpora")

FRENCH = (
    "Là-bas, près de l’église, un élève très âgé répétait : « Où êtes-vous allés ? » Ça, c’était l’été. " * 3
)
GERMAN = (
    "Die Bäuerin sprach über die Tür hinweg: „Für größere Stücke müßt ihr später kommen.“ Öl und Übel. " * 3
)
SPANISH = (
    "¿Qué dirá mañana el señor de la montaña? Él volvió aquí con algún niño pequeño y después calló. " * 3
)
HUNGARIAN = (
    "Őrült beszéd, de van benne rendszer: a hűséges költő későn érkezett, és sűrű köd ült a mezőn. " * 3
)
POLISH = "Chłopiec wziął żółtą łódź i popłynął ku źródłu rzeki, gdzie śpiewały ptaki; mógł już wracać. " * 3
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy, a děvče šlo tiše kolem říčky, kde kvetly černé růže. " * 3
TURKISH = (
    "Bugün güneşli bir gün; çocuklar ağaçların altında şarkı söylüyor, yaşlı adam ışığı seyrediyordu. " * 3
)
RUSSIAN = "Все счастливые дни похожи один на другой, а Иван Петрович не помнил ни одного из них. " * 3
GREEK = "Το πρωί ο Γιάννης πήγε στην αγορά και αγόρασε ψωμί, ελιές και λίγο τυρί για το σπίτι. " * 3
JAPANESE = "今日は朝から雨が降っていたので、町の人々はみな家の中で静かに本を読んでいました。" * 3
CHINESE = "今天早上下了一场大雨，街上的行人都打着伞，孩子们在屋里安静地读书写字。" * 3
TRADITIONAL = "今天早上下了一場大雨，街上的行人都打著傘，孩子們在屋裡安靜地讀書寫字。" * 3
KOREAN = "오늘은 아침부터 비가 내려서 마을 사람들은 모두 집 안에서 조용히 책을 읽고 있었다. " * 3


@pytest.mark.parametrize(
    ("declared", "actual", "words", "used", "flags"),
    [
        ("UTF-8", "utf-8", "“café”", "utf-8", ()),
        ("ISO-8859-1", "utf-8", "café", "utf-8", ("wrong_encoding_declared",)),
        ("UF-8", "utf-8", "café", "utf-8", ()),
        ("ISO-8859-1", "latin-1", "café", "iso8859-1", ()),
        ("ISO Latin-1", "latin-1", "café", "iso8859-1", ()),
        ("ASCII", "latin-1", "café", "iso8859-1", ("wrong_encoding_declared",)),
        ("UTF-8", "latin-1", "café", "iso8859-1", ("wrong_encoding_declared",)),
        ("ISO-8859-1", "cp1252", "“café”", "cp1252", ("wrong_encoding_declared",)),
        ("ISO-8859-1", "ascii", "plain", "ascii", ()),
        ("ISO-8859-2", "iso8859-2", POLISH, "iso8859-2", ()),
        ("ISO-8859-2", "cp1250", "„łódź”", "cp1250", ("wrong_encoding_declared",)),
        ("Windows-1252", "cp1252", "“café”", "cp1252", ()),
        ("Windows-1252", "cp1252", "café", "cp1252", ()),
        ("Shift-JIS", "shift_jis", "下人は、羅生門の下で", "shift_jis", ()),
        ("Big5", "big5", "第一回　甄士隱夢幻", "big5", ()),
        ("KOI8-R", "koi8-r", RUSSIAN, "koi8-r", ()),
        ("Klingon", "latin-1", "café", "iso8859-1", ("unknown_encoding_declared",)),
        ("", "cp1252", "it’s “café”", "cp1252", ()),
        ("", "latin-1", "naïve café", "iso8859-1", ()),
        ("", "utf-16", "naïve", "utf-16", ()),
        ("UTF-16", "utf-16-le", "no mark", "utf-16", ()),
        ("", "utf-16-le", "no mark", "utf-16-le", ()),
        ("", "utf-32-be", "no mark", "utf-32-be", ()),
        ("", "utf-8-sig", "café", "utf-8", ()),
        ("ISO-8859-1", "utf-8-sig", "café", "utf-8", ("wrong_encoding_declared",)),
        ("ISO-2022-JP", "iso2022_jp", "下人は、羅生門", "iso2022_jp", ()),
        ("", "iso2022_jp", "下人は、羅生門", "iso2022_jp", ()),
        ("ASCII", "iso2022_kr", "한국어", "iso2022_kr", ("wrong_encoding_declared",)),
        ("UTF-7", "utf-7", "café", "utf-7", ()),
        ("UTF-7", "ascii", "half a pair: +2AA-", "ascii", ()),
        ("unicode_escape", "ascii", r"half a pair: \ud800", "ascii", ("unknown_encoding_declared",)),
        ("raw_unicode_escape", "latin-1", r"caf\xe9 é \ud800", "iso8859-1", ("unknown_encoding_declared",)),
        ("idna", "latin-1", "café", "iso8859-1", ("unknown_encoding_declared",)),
        ("punycode", "ascii", "caf-dma", "ascii", ("unknown_encoding_declared",)),
    ],
)
def test_declared_and_undeclared(
    declared: str, actual: str, words: str, used: str, flags: tuple[str, ...]
) -> None:
    decoded = decode_text(words.encode(actual), declared)
    assert decoded is not None
    assert (decoded.encoding, decoded.flags, decoded.text) == (used, flags, words)


OLD_CODE_PAGES = [
    (
        FRENCH.replace("’", "'").replace("« ", "").replace(" »", ""),
        "fr",
        ("cp437", "cp850", "mac-roman", "cp1252"),
    ),
    (GERMAN.replace("„", '"').replace("“", '"'), "de", ("cp437", "cp850", "mac-roman", "latin-1")),
    (SPANISH, "es", ("cp437", "cp850", "mac-roman", "latin-1")),
    (HUNGARIAN, "hu", ("iso8859-2", "cp852", "mac-latin2")),
    (POLISH, "pl", ("iso8859-2", "cp1250", "cp852", "mac-latin2")),
    (CZECH, "cs", ("iso8859-2", "cp1250", "cp852")),
    (TURKISH, "tr", ("cp1254", "iso8859-9", "cp857")),
]


@pytest.mark.parametrize("declared", ["ISO-8859-1", "ASCII", "UTF-8", ""])
@pytest.mark.parametrize(
    ("words", "language", "actual"),
    [(words, language, actual) for words, language, several in OLD_CODE_PAGES for actual in several],
)
def test_old_code_pages_are_told_by_the_letters_of_the_language(
    words: str, language: str, actual: str, declared: str
) -> None:
    decoded = decode_text(words.encode(actual), declared, language)
    assert decoded is not None
    assert decoded.text == words
    rightly = declared in ("", "ISO-8859-1") and decoded.encoding == "iso8859-1"
    assert ("wrong_encoding_declared" in decoded.flags) == (bool(declared) and not rightly)


@pytest.mark.parametrize("declared", ["ISO-8859-1", "ASCII", ""])
@pytest.mark.parametrize(
    ("words", "encodings"),
    [
        (RUSSIAN, ("koi8-r", "cp1251", "cp866", "iso8859-5", "mac-cyrillic")),
        (GREEK, ("iso8859-7", "cp1253")),
        (JAPANESE, ("shift_jis", "euc_jp")),
        (CHINESE, ("gb2312", "gb18030")),
        (TRADITIONAL, ("big5",)),
        (KOREAN, ("euc_kr", "johab")),
    ],
)
def test_other_scripts_are_guessed_from_strong_evidence(
    words: str, encodings: tuple[str, ...], declared: str
) -> None:
    header = "The Project Gutenberg EBook, with an English header\n" * 40
    for actual in encodings:
        decoded = decode_text((header + words).encode(actual), declared)
        assert decoded is not None, actual
        assert decoded.text == header + words, actual
        assert decoded.flags == (
            ("guessed_encoding", "wrong_encoding_declared") if declared else ("guessed_encoding",)
        )


@pytest.mark.parametrize(
    ("words", "actual"),
    [
        (RUSSIAN, "koi8-r"),
        (GREEK, "cp1253"),
        (JAPANESE, "shift_jis"),
        (CHINESE, "gb2312"),
        (KOREAN, "euc_kr"),
    ],
)
def test_too_little_of_another_script_is_not_guessed(words: str, actual: str) -> None:
    assert decode_text(words[:16].encode(actual)) is None


def test_a_wrong_declaration_of_another_script_is_found() -> None:
    """Cyrillic is read by any Cyrillic code page without an error."""
    for declared, actual in (("Windows-1251", "koi8-r"), ("KOI8-R", "cp1251"), ("ISO-8859-5", "cp1251")):
        decoded = decode_text(RUSSIAN.encode(actual), declared)
        assert decoded is not None
        assert decoded.text == RUSSIAN
        assert decoded.flags == ("guessed_encoding", "wrong_encoding_declared")


def test_a_right_declaration_is_believed_without_a_language() -> None:
    words = "Le café était déjà fermé; l'élève, très gêné, rentra à l'hôtel de la forêt. " * 4
    for text, actual in ((words, "latin-1"), (GERMAN, "cp1252"), (SPANISH, "latin-1"), (POLISH, "iso8859-2")):
        decoded = decode_text(text.encode(actual), actual)
        assert decoded is not None
        assert (decoded.text, decoded.flags) == (text, ())


def test_a_reading_all_in_the_stated_language_overrules_one_with_letters_that_it_lacks() -> None:
    """``ő`` and ``ñ`` are a small share of the accents of their languages: what counts is that others fit."""
    hungarian = "A két kutya átszaladt a réten, és a házunk előtt várták, hogy hazaérjünk a városból. " * 9
    spanish = "La canción empezó allí, más allá del jardín; el niño está aquí, así será según él. " * 9
    for words, language, actual, wrong in (
        (hungarian, "hu", "iso8859-2", "ISO-8859-1"),
        (spanish, "es", "iso8859-1", "ISO-8859-2"),
    ):
        decoded = decode_text(words.encode(actual), wrong, language)
        assert decoded is not None
        assert (decoded.text, decoded.flags) == (words, ("wrong_encoding_declared",))


def test_without_a_stated_language_a_clean_reading_overrules_nothing() -> None:
    """Turkish read as ISO 8859-1 is clean Icelandic; read rightly, the foreign name stands out."""
    words = "Işık çok güzel bir şehir, İstanbul'da yağmur yağıyor, çocuklar şimdi Åse ile evde. " * 9
    decoded = decode_text(words.encode("iso8859-9"), "ISO-8859-9")
    assert decoded is not None
    assert (decoded.text, decoded.flags) == (words, ("doubtful_encoding",))


def test_macintosh_quotes_are_no_lines_of_boxes() -> None:
    words = "“Don’t go,” he said—“it’s late.” The old man’s café was closed. " * 9
    for language in ("en", ""):
        decoded = decode_text(words.encode("mac-roman"), "", language)
        assert decoded is not None
        assert (decoded.text, decoded.encoding) == (words, "mac-roman")


def test_foreign_names_do_not_overrule_a_declaration() -> None:
    words = "He met Herr Müller, Señor Núñez, Åse Bjørnson and M. Lefèvre; then “Þór” spoke. " * 4
    for declared in ("Windows-1252", ""):
        for language in ("en", ""):
            decoded = decode_text(words.encode("cp1252"), declared, language)
            assert decoded is not None
            assert (decoded.text, decoded.flags) == (words, ())
    indented = ("\u00a0" * 8 + "Dos reyes, él y yo.\n") * 30
    decoded = decode_text(indented.encode("latin-1"), "ISO-8859-1", "es")
    assert decoded is not None
    assert (decoded.text, decoded.flags) == (indented, ())


# ---------------------------------------------------------------------------------------------- mixed


@pytest.mark.parametrize(
    ("utf8_lines", "other_lines", "encoding"), [(30, 2, "utf-8"), (2, 30, "cp1252"), (10, 10, "cp1252")]
)
def test_lines_of_two_encodings_are_read_each_in_its_own(
    utf8_lines: int, other_lines: int, encoding: str
) -> None:
    one, other = "Où êtes-vous, “monsieur” ?\r\n", "Déjà à l’été…\r\n"
    data = one.encode() * utf8_lines + b"plain\r\n" + other.encode("cp1252") * other_lines
    for declared in ("", "UTF-8", "Windows-1252"):
        decoded = decode_text(data, declared, "fr")
        assert decoded is not None
        assert decoded.text == one * utf8_lines + "plain\r\n" + other * other_lines
        assert decoded.encoding == encoding
        assert "mixed_encodings" in decoded.flags
        assert decoded.mixed == min(utf8_lines, other_lines)


def test_a_line_of_two_encodings_is_read_piece_by_piece() -> None:
    decoded = decode_text("naïve “words” here, ".encode() + "café au lait\n".encode("latin-1"))
    assert decoded is not None
    assert decoded.text == "naïve “words” here, café au lait\n"
    assert decoded.flags == ("mixed_encodings",)


def test_a_character_cut_off_at_the_end_or_damaged_is_marked() -> None:
    whole = "Все хорошо".encode()
    decoded = decode_text(whole[:-1], "UTF-8")
    assert decoded is not None
    assert (decoded.text, decoded.flags) == ("Все хорош\ufffd", ("damaged_characters",))
    decoded = decode_text(whole + b" \x81 " + whole, "UTF-8")
    assert decoded is not None
    assert decoded.text == "Все хорошо \ufffd Все хорошо"
    assert decoded.flags == ("mixed_encodings", "damaged_characters")
    assert decoded.mixed == 1


def test_two_macintosh_letters_are_no_letter_of_utf8() -> None:
    words = "L’été, l’élève et l’âge d’or. " * 9
    data = words.encode("mac-roman")
    assert b"\xd5\x8e" in data, "which is a letter of Armenian in UTF-8"
    decoded = decode_text(data, "", "fr")
    assert decoded is not None
    assert (decoded.text, decoded.encoding) == (words, "mac-roman")


# ----------------------------------------------------------------------------------------- robustness


@given(
    st.binary(max_size=200) | st.sampled_from([b"+2AA-", b"caf\xe9 \\ud800", b"\\udfff", b"+3/8-x"]),
    st.sampled_from(["", "UTF-8", "ISO-8859-1", "Shift-JIS", "rot13", "zip", "\0"])
    | st.sampled_from(["UTF-7", "UTF-16", "UTF-32", "IDNA", "punycode", "undefined", "utf-8-sig"])
    | st.sampled_from(["unicode_escape", "raw_unicode_escape", "koi8-r", "Mac Roman"]),
    st.sampled_from(["", "en", "hu", "ru", "xx"]),
)
def test_any_bytes_decode_or_do_not(data: bytes, declared: str, language: str) -> None:
    decoded = decode_text(data, declared, language)
    if decoded is not None:
        assert decoded.text.encode("utf-8").decode("utf-8") == decoded.text


@pytest.mark.parametrize(
    "piece", [b"\xff", b"\xc3", b"a\xe9", b"\xe9\n", b"\x8e\xd5 ", b"\xc3\xa9\xe9", b"\x00\xff"]
)
def test_much_of_anything_ends_in_linear_work(piece: bytes) -> None:
    decode_text(piece * (2**16 // len(piece)), "ISO-8859-1")
    decode_text(piece * (2**16 // len(piece)))


def test_what_is_no_text_is_not_decoded() -> None:
    assert decode_text(bytes(range(256)) * 40) is None
    assert decode_text(b"\x00\x01\x02\xff words" * 40, "ISO-8859-1") is None


SCRIPTS = {
    "ru": "Высокая горная страна лежит на севере, и реки её текут на юг, к тёплому морю.\n",
    "el": "Το πρωί ο Γιάννης πήγε στην αγορά και αγόρασε ψωμί.\n",
    "ja": JAPANESE + "\n",
    "zh": "\r\n".join([CHINESE] * 3),
    "ko": KOREAN,
    "hi": "नदी पहाड़ से निकलकर मैदान की ओर बहती है और गाँव के लोग उसका पानी पीते हैं।\n",
    "th": "แม่น้ำไหลจากภูเขาลงสู่ทะเล และชาวบ้านดื่มน้ำจากแม่น้ำนั้น\n",
    "ar": "ينبع النهر من الجبل ويجري نحو البحر ويشرب منه أهل القرية.\n",
    "short": "Привет, мир",
}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("words", SCRIPTS.values(), ids=SCRIPTS)
def test_wide_characters_without_a_mark_are_read_in_every_script(words: str, encoding: str) -> None:
    for declared in ("", "UTF-8", "Windows-1251"):
        decoded = decode_text(words.encode(encoding), declared)
        assert decoded is not None
        assert (decoded.text, decoded.encoding) == (words, encoding)
    cut = decode_text(words.encode(encoding)[:-1])
    assert cut is not None
    assert (cut.text, cut.flags) == (words[:-1] + "\ufffd", ("damaged_characters",))


def test_control_characters_are_no_text_in_any_encoding() -> None:
    assert decode_text(bytes(range(8)) * 9 + b" words" * 9) is None
    assert decode_text(bytes(range(256)) * 2) is None
    assert decode_text(b"\x01\x02\x03" + "é".encode() + b"\x04") is None
    for sound in (b"M\x08MA\x08AN\x08N(1)\n" * 9, b"a stray \x00 byte" + b" in a text" * 99):
        decoded = decode_text(sound)
        assert decoded is not None
        assert decoded.text == sound.decode()


@pytest.mark.parametrize("wrong", ["Windows-1251", "ISO-8859-2", "Shift_JIS", "KOI8-R", "Big5"])
@pytest.mark.parametrize("words", ["He paid £5.", "a café of his", "He paid £25 for it", "the naïve man"])
def test_one_letter_tells_against_a_declaration_of_another_script(words: str, wrong: str) -> None:
    data = ("All of it is plain English. " * 9 + words).encode("latin-1")
    if data.decode(str(codec_name(wrong)), "replace") != data.decode("latin-1"):
        decoded = decode_text(data, wrong, "en")
        assert decoded is not None
        assert decoded.text.endswith(words)
        assert decoded.flags == ("wrong_encoding_declared",)


def test_misfit_counts_what_stands_wrong() -> None:
    assert misfit("plain") == 0
    assert misfit(FRENCH, "fr") <= GOOD
    assert misfit("caf‚ cr‚me ‚t‚", "fr") > GOOD, "DOS letters read as Windows-1252"
    assert misfit("cafŽ crŽme donÕt", "en") > 0.9, "Macintosh letters read as Windows-1252"
    assert misfit("hûséges költõ", "hu") > 0.3, "Latin-2 read as Latin-1"
    assert misfit("hûséges költõ", "pt") <= 0.5
    assert misfit("cafй", "") == 1, "letters of two scripts in one word"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("iso-8859-15", "iso8859-15"),
        ("Latin-4", "iso8859-4"),
        ("US-ASCII", "ascii"),
        ("ISO-646-US (US-ASCII)", "ascii"),
        ("rot13", None),
        ("unicode_escape", None),
        ("raw-unicode-escape", None),
        ("idna", None),
        ("punycode", None),
        ("undefined", None),
        ("UTF-7", "utf-7"),
        ("utf-8-sig", "utf-8"),
        ("Mac Roman", "mac-roman"),
        ("KOI8-R", "koi8-r"),
        ("Codepage 437", "cp437"),
        ("", None),
    ],
)
def test_codec_names(written: str, name: str | None) -> None:
    assert codec_name(written) == name


# ----------------------------------------------------------------------------------------- real texts


@pytest.mark.corpora
@needs_corpora
def test_every_real_book_is_read_in_its_true_encoding_and_wrong_declarations_are_flagged() -> None:
    """All books; the true encodings of those of 8 bits were looked at one by one."""
    root = Path(str(CORPORA))
    lines = (CASES / "gutenberg_encodings.tsv").read_text(encoding="utf-8").splitlines()[1:]
    known = {name: rest for name, *rest in (line.split("\t") for line in lines)}
    books = [
        p.relative_to(root).as_posix()
        for f in ("gutenberg", "gutenberg_partial")
        for p in root.glob(f"{f}/**/*.gz")
    ]
    assert sorted(books) == sorted(known)
    for name, (declared, encoding, flags) in known.items():
        data = gzip.decompress((root / name).read_bytes())
        assert declared_encoding(data) == declared, name
        decoded = decode_text(data, declared, declared_language(data))
        assert decoded is not None, name
        assert (decoded.encoding, ",".join(decoded.flags)) == (encoding, flags), name


NOT_TEXT = {"_mozilla_bug638318_text.html"}
"""Almost nothing but zero bytes: refused in any encoding."""
ASCII_UNDER_ALL = {"ascii"}


@pytest.mark.corpora
@needs_corpora
def test_real_texts_of_40_encodings_are_read_as_declared_and_not_flagged() -> None:
    root = Path(str(CORPORA)) / "encoding" / "chardet"
    read = 0
    for folder in sorted(root.iterdir()):
        pieces = folder.name.split("-")
        declared = next((n for n in ("-".join(pieces[:3]), "-".join(pieces[:2])) if codec_name(n)), None)
        if declared is None:
            continue  # EUC-TW and MacCyrillic are no names that Python knows
        for file in sorted(folder.iterdir()):
            if file.name in NOT_TEXT:
                continue
            decoded = decode_text(file.read_bytes(), declared)
            assert decoded is not None, file
            assert decoded.encoding in (codec_name(declared), "ascii", "utf-16", "utf-32", "cp874"), file
            assert "doubtful_encoding" not in decoded.flags, file
            read += 1
    assert read > 150


@pytest.mark.parametrize("encoding", ["cp1252", "iso8859-1"])
@pytest.mark.parametrize(
    ("language", "sentence", "times"),
    [
        ("it", "È già così. Perché no?", 30),
        ("it", "Più tardi andrò a trovarlo, però la città è già così bella.", 30),
        ("fr", "Il a été là où déjà tout était né.", 120),
        ("fr", "Voilà où.", 120),
        ("es", "El niño comió más en el jardín.", 100),
        ("de", "Er aß süße Äpfel.", 200),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_what_is_said_again_and_again_makes_no_other_script(
    encoding: str, language: str, sentence: str, times: int, known: bool
) -> None:
    text = f"{sentence} " * times
    decoded = decode_text(text.encode(encoding), "", language if known else "")
    assert decoded is not None
    assert decoded.text == text


def test_a_known_language_of_latin_script_is_read_in_it() -> None:
    words = [
        f"{a}{b}{c}" for a in ("citt", "virt", "per") for b in "àèìòù" for c in ("", "ti", "l", "no", "m")
    ]
    text = ", ".join(words)
    decoded = decode_text(text.encode("cp1252"), "", "it")
    assert decoded is not None
    assert decoded.text == text


def test_repeated_words_of_another_script_are_read_in_it() -> None:
    text = "Все счастливые семьи похожи друг на друга. " * 30
    decoded = decode_text(text.encode("cp1251"))
    assert decoded is not None
    assert decoded.text == text
