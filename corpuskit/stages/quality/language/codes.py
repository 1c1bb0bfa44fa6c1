"""Languages that can be told: codes, names, those that are not told apart, and what a user may write."""

from __future__ import annotations

import difflib
from functools import cache
from typing import NamedTuple

from corpuskit.errors import SettingError

UNKNOWN = "und"
"""ISO 639 code for what no language was found for."""

_LANGUAGES = """
aa 0 Afar
ab 1052 Abkhaz
af 1070 Afrikaans
ak 987 Akan
am 497 Amharic
ar 833 Arabic
as 490 Assamese
ay 1050 Aymara
az 1632 Azerbaijani
ba 900 Bashkir
ban 0 Balinese
be 867 Belarusian
bg 708 Bulgarian
bho 535 Bihari
bi 1506 Bislama
bn 492 Bengali
bo 575 Tibetan
br 1154 Breton
bs 566 Bosnian
bug 0 Buginese
ca 664 Catalan
ceb 1066 Cebuano
chr 0 Cherokee
co 797 Corsican
cop 0 Coptic
crs 1048 Seselwa Creole
cs 1556 Czech
cy 1534 Welsh
da 894 Danish
de 1242 German
dv 1024 Dhivehi
dz 0 Dzongkha
ee 0 Ewe
el 1024 Greek
en 1236 English
eo 938 Esperanto
es 495 Spanish
et 1149 Estonian
eu 1530 Basque
fa 784 Persian
fi 1316 Finnish
fj 1484 Fijian
fo 1123 Faroese
fr 796 French
fy 896 West Frisian
ga 1267 Irish
gaa 0 Ga
gd 1400 Scottish Gaelic
gl 782 Galician
gn 1370 Guarani
got 0 Gothic
gu 1024 Gujarati
gv 1300 Manx
ha 1199 Hausa
haw 948 Hawaiian
he 737 Hebrew
hi 805 Hindi
hmn 193 Hmong
hr 546 Croatian
ht 1110 Haitian Creole
hu 1563 Hungarian
hy 1024 Armenian
ia 458 Interlingua
id 1142 Indonesian
ie 0 Interlingue
ig 1300 Igbo
ii 0 Nuosu
ik 0 Inupiaq
is 1154 Icelandic
it 798 Italian
iu 1024 Inuktitut
ja 3166 Japanese
jv 716 Javanese
ka 1024 Georgian
kha 1242 Khasi
kk 953 Kazakh
kl 2034 Greenlandic
km 1024 Khmer
kn 1024 Kannada
ko 3671 Korean
kri 0 Krio
ks 900 Kashmiri
ku 1000 Kurdish
ky 983 Kyrgyz
la 966 Latin
lb 922 Luxembourgish
lg 1054 Ganda
lif 0 Limbu
lis 0 Lisu
ln 978 Lingala
lo 1024 Lao
loz 0 Lozi
lt 1227 Lithuanian
lua 0 Luba-Lulua
luo 0 Luo
lv 1476 Latvian
mfe 0 Mauritian Creole
mg 1545 Malagasy
mi 1242 Maori
mk 795 Macedonian
ml 1024 Malayalam
mn 1172 Mongolian
mni 0 Meitei
mr 604 Marathi
ms 1222 Malay
mt 1219 Maltese
my 1024 Burmese
na 0 Nauru
nb 719 Norwegian Bokmål
ne 556 Nepali
new 0 Newari
nl 912 Dutch
nn 952 Norwegian Nynorsk
nqo 0 N'Ko
nr 0 Southern Ndebele
nso 1143 Northern Sotho
ny 1181 Chewa
oc 586 Occitan
om 1638 Oromo
or 0 Odia
os 900 Ossetian
pa 1024 Punjabi
pam 0 Kapampangan
pl 1418 Polish
ps 800 Pashto
pt 855 Portuguese
qu 1718 Quechua
raj 0 Rajasthani
rm 658 Romansh
rn 1130 Rundi
ro 852 Romanian
ru 658 Russian
rw 1249 Kinyarwanda
sa 464 Sanskrit
sat 0 Santali
sco 917 Scots
sd 900 Sindhi
sg 1826 Sango
si 0 Sinhala
sk 1420 Slovak
sl 732 Slovenian
sm 1328 Samoan
sn 1223 Shona
so 1400 Somali
sq 1631 Albanian
sr 972 Serbian
ss 1039 Swati
st 1000 Southern Sotho
su 858 Sundanese
sv 814 Swedish
sw 1028 Swahili
syr 0 Syriac
ta 1024 Tamil
te 0 Telugu
tg 1073 Tajik
th 1024 Thai
ti 372 Tigrinya
tk 1171 Turkmen
tl 1003 Tagalog
tn 1130 Tswana
to 1067 Tongan
tr 1180 Turkish
ts 870 Tsonga
tt 867 Tatar
tum 0 Tumbuka
ug 1187 Uyghur
uk 848 Ukrainian
ur 980 Urdu
uz 1220 Uzbek
vai 0 Vai
ve 1218 Venda
vi 1311 Vietnamese
vo 0 Volapük
war 875 Waray
wo 1286 Wolof
xh 1161 Xhosa
yi 1072 Yiddish
yo 720 Yoruba
za 0 Zhuang
zgh 0 Standard Moroccan Tamazight
zh 1956 Chinese
zu 1123 Zulu
"""
"""Code (ISO 639-1, else 639-3), CLD2's score where the language is certain, name. The score is the median of
its normalized score over pieces of 60 and 200 characters of the Universal Declaration; some without a text
there are estimated, 0 is for languages that are seldom found truly."""

_LATIN_SERBIAN = 560
"""The same score of Serbian in Latin letters."""


def _pairs(table: str) -> dict[str, str]:
    """``key:value key:value`` as a mapping."""
    halves = table.replace(":", " ").split()
    return dict(zip(halves[::2], halves[1::2], strict=True))


_ENGINE_CODES = "iw:he jw:jv no:nb zh-Hant:zh sr-ME:sr bh:bho tw:ak"
# What CLD2 knows for fun, and what it says where it knows none.
_NONE = "tlh zzb zze zzh zzp un xxx ut"
ENGINE_CODES = dict.fromkeys(_NONE.split(), UNKNOWN) | _pairs(_ENGINE_CODES)
"""CLD2's codes to ours, where they differ."""

_SOLE = """
Grek:el Geor:ka Armn:hy Thai:th Laoo:lo Khmr:km Mymr:my Hang:ko Kore:ko Taml:ta Telu:te Knda:kn Mlym:ml
Gujr:gu Guru:pa Orya:or Sinh:si Cher:chr Thaa:dv Hira:ja Kana:ja Jpan:ja Bopo:zh Yiii:ii Vaii:vai Nkoo:nqo
Olck:sat Mtei:mni Tfng:zgh Syrc:syr Mong:mn Java:jv Sund:su Bali:ban Bugi:bug Tglg:tl Goth:got Copt:cop
Lisu:lis Limb:lif
"""
SOLE_LANGUAGE = _pairs(_SOLE)
"""Scripts that belong to one language, for the most part: the script alone decides, however short a text."""

MAIN_LANGUAGE = _pairs("Hebr:he Ethi:am Tibt:bo Beng:bn")
"""Scripts of one language in most texts; others (Yiddish, Tigrinya, Dzongkha, Assamese) must be found."""

_OWN_SCRIPT = "el ka hy th lo km my ko ta te kn ml gu or si dv ja zh"
OWN_SCRIPT = frozenset(_OWN_SCRIPT.split())
"""Languages that are not written in other scripts, as far as CLD2 knows: found there, they are none."""

_GROUPS = {"hr": "bs hr sr", "bs": "bs hr sr", "sr": "bs hr sr"}
"""Languages that are not told apart in Latin letters: who keeps one keeps all."""

_OTHER_CODES = """
no:nb,nn nor:nb,nn sh:bs,hr,sr hbs:bs,hr,sr iw:he jw:jv in:id mo:ro fil:tl tw:ak ji:yi cmn:zh ckb:ku kmr:ku
pes:fa arb:ar bh:bho
"""
_ALIASES = {code: found.split(",") for code, found in _pairs(_OTHER_CODES).items()}
"""Other codes that a user may write, to ours."""


class _Language(NamedTuple):
    code: str
    typical_score: int
    name: str


@cache
def languages() -> dict[str, _Language]:
    """All languages that can be found, by code."""
    rows = [line.split(" ", 2) for line in _LANGUAGES.strip().splitlines()]
    return {code: _Language(code, int(score), name) for code, score, name in rows}


def typical_score(code: str, script: str) -> int:
    """CLD2's usual score of texts in a language; 0 where it is not known."""
    if code == "sr" and script == "Latn":
        return _LATIN_SERBIAN
    known = languages().get(code)
    return known.typical_score if known else 0


def same_language(one: str, other: str) -> bool:
    """Whether two codes are one, or not told apart."""
    return one == other or other in _GROUPS.get(one, "").split()


def expand(wanted: str) -> frozenset[tuple[str, str]]:
    """Pairs of code and script (``""`` for any) that a user's code, or code-Script, stands for.

    Raises:
        SettingError: no language is called so; with the nearest code that is known.

    >>> sorted(expand("no")), sorted(expand("zh-Hant"))
    ([('nb', ''), ('nn', '')], [('zh', 'Hant')])
    """
    code, _, script = wanted.partition("-")
    codes = [code] if code in languages() else _ALIASES.get(code)
    if codes is None:
        raise SettingError(f"no language has the code {wanted!r}", remedy=_nearest(code))
    pairs = {(each, script) for each in codes}
    if script in ("", "Latn"):
        pairs |= {(like, "Latn") for each in codes for like in _GROUPS.get(each, "").split()}
    return frozenset(pairs)


def _nearest(wanted: str) -> str:
    """The nearest code, by names first: what is no code is often the name of a language."""
    by_name = {language.name.lower(): language.code for language in languages().values()}
    wanted = wanted.lower()
    begun = [name for name in by_name if len(wanted) > 2 and name.startswith(wanted)]
    if close := begun or difflib.get_close_matches(wanted, by_name, n=1, cutoff=0.75):
        return f"Did you mean {by_name[close[0]]!r}?"
    if len(wanted) > 2 and wanted[:2] in languages():
        return f"Did you mean {wanted[:2]!r}?"
    if near := difflib.get_close_matches(wanted, [*languages(), *_ALIASES], n=1, cutoff=0.5):
        return f"Did you mean {near[0]!r}?"
    return f"Known: {', '.join(languages())}."
