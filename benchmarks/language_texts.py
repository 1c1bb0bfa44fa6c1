"""Texts of known languages: the Universal Declaration and Leipzig sentences in the folder of real corpora."""

from __future__ import annotations

import gzip
import re
import zipfile
from pathlib import Path

# Name of a text of the Declaration to the code that is right; what is not named no identifier here knows.
_NAMES = """
abk:ab afr:af aka_asante:ak aka_fante:ak als:sq amh:am arb:ar ayr:ay azj_cyrl:az azj_latn:az bel:be
ben:bn bho:bho bis:bi bod:bo bos_cyrl:bs bos_latn:bs bre:br bul:bg cat:ca ceb:ceb ces:cs chr:chr
cmn_hans:zh cmn_hant:zh cos:co crs:crs cym:cy dan:da deu:de deu_1901:de div:dv dzo:dz ekk:et
ell_monotonic:el eng:en epo:eo est:et eus:eu ewe:ee fao:fo fij:fj fin:fi fra:fr fri:fy gaa:gaa gax:om
gla:gd gle:ga glg:gl gug:gn guj:gu hat_kreyol:ht hat_popular:ht hau_NE:ha hau_NG:ha haw:haw hea:hmn
heb:he hin:hi hms:hmn hrv:hr hun:hu hye:hy ibo:ig ike:iu ina:ia ind:id isl:is ita:it jav:jv jpn:ja
kal:kl kan:kn kat:ka kaz:kk kha:kha khk:mn khm:km kin:rw kir:ky kor:ko kri:kri lao:lo lat:la lat_1:la
lav:lv lin:ln lin_tones:ln lit:lt lnc:oc loz:loz ltz:lb lua:lua lug:lg mai:mai mal:ml mar:mr mkd:mk
mlt:mt mly_latn:ms mri:mi mya:my nbl:nr nep:ne nld:nl nno:nn nob:nb nso:nso nya_chechewa:ny
nya_chinyanja:ny oci:oc oss:os pam:pam pan:pa pbu:ps pes_1:fa pes_2:fa plt:mg pol:pl por_BR:pt por_PT:pt
que:qu quy:qu quz:qu roh:rm ron:ro run:rn rus:ru sag:sg san:sa sco:sco sin:si slk:sk slv:sl smo:sm
sna:sn som:so sot:st spa:es srp_cyrl:sr srp_latn:sr ssw:ss sun:su swe:sv swh:sw tam:ta tat:tt tel:te
tgk:tg tgl:tl tha:th tir:ti ton:to tsn:tn tso_MZ:ts tuk_cyrl:tk tuk_latn:tk tur:tr uig_arab:ug ukr:uk
urd:ur uzn_cyrl:uz uzn_latn:uz ven:ve vie:vi war:war wol:wo xho:xh ydd:yi yor:yo zul:zu
"""
DECLARATION = dict(pair.split(":") for pair in _NAMES.split())

_MEASURED = """
cat ces dan deu ell_monotonic eng est eus fin fra glg heb hrv hun ind isl ita lav lit nld nob pol por_PT
ron rus slk slv spa swe tur ukr
"""
MEASURED = _MEASURED.split()
"""The 31 texts whose 200-character pieces the bar is about: languages of Europe and around it, most of which
have a neighbour that is like them."""


def declaration(corpora: Path) -> dict[str, str]:
    """The text of each language without its heading, by the name of its file."""
    texts = {}
    with zipfile.ZipFile(corpora / "langid" / "udhr2.zip") as archive:
        for name in archive.namelist():
            if name.endswith(".txt"):
                text = archive.read(name).decode("utf-8", "replace")
                heading = text.find("---")
                texts[Path(name).stem] = text[heading + 3 :] if 0 <= heading < 1000 else text
    return texts


def sentences(corpora: Path) -> dict[str, list[str]]:
    """A thousand sentences of each of fifty languages, by code."""
    found = {}
    for path in sorted((corpora / "langid" / "lingua_sentences").glob("*.txt.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            found[path.name.removesuffix(".txt.gz")] = file.read().splitlines()
    return found


def pieces(text: str, size: int) -> list[str]:
    """The text in pieces of about so many characters, cut at blanks."""
    text = re.sub(r"\s+", " ", text)
    cut, start = [], 0
    while start + size <= len(text):
        end = text.rfind(" ", start + size // 2, start + size)
        end = end if end >= 0 else start + size
        cut.append(text[start:end].strip())
        start = end
    return cut
