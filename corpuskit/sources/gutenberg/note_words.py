"""What volunteers call their notes, in the languages that Project Gutenberg has more than a few books in.

A form names a note and who made the file, or how: a transcriber, a scanner, this electronic edition. A note,
an editor or a translator alone may be the book's own. Each form holds one of the stems of its language in its
first line, which is what is searched for.

Source: files of Project Gutenberg of 1991 to 2025, and dictionaries for languages of which few were at hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from corpuskit import _native

FORMS = r"""
    (?:original\s+)?(?:transcriber|transcriptor|transcriptionist|scanner|digiti[sz]er|e-?(?:book|
        text)\s+(?:editor|
        transcriber|producer|maker|preparer)|proof-?reader|post-?processor)s?['’´`]?s?['’]?\s+
        (?:end\s*|foot\s*|editorial\s+)?(?:notes?\b|comments?\b|remarks?\b|errata\b|corrections\b|changes\b|
        amendments\b|preface\b|foreword\b|appendix\b)
  | transcription\s+notes?\b
  | notes?\s+(?:by|from|of)\s+(?:the\s+)?(?:e-?text\s+)?transcribers?\b
  | (?:a\s+)?notes?\s+(?:on|about|to|regarding)\s+(?:the\s+|this\s+)?(?:present\s+)?(?:e-?texts?\b|
        e-?books?\b|transcription\b|electronic\s+(?:text|edition|version)\b|digital\s+(?:text|edition)\b|
        project\s+gutenberg\b)
  | (?:original\s+)?(?:comments?|remarks?)\s+(?:on|about)\s+the\s+(?:preparation|production|
        making)\s+of\s+(?:the|
        this)\s+(?:e-?text|e-?book|electronic\s+\w+)
  | executive\s+director['’]s\s+notes?\b
  | (?:typographical\s+|typos?\s+|spelling\s+|printer['’]?s['’]?\s+)errors?\s+(?:have\s+been\s+)?
        corrected\s+in
  | preface\s+to\s+the\s+project\s+gutenberg\b
  | an?merkung(?:en)?\s+(?:zur|zu\s+dieser|der|des|zum)\s+(?:trans[ck]ri\w+|bearbeit\w+|elektronischen\s+\w+|
        digitalen\s+\w+|e-?(?:text|book)\w*)
  | (?:hinweise?|bemerkung(?:en)?|notiz(?:en)?|nachbemerkung(?:en)?)\s+(?:zur|zu\s+dieser|des|der)\s+
        trans[ck]ri\w+
  | trans[ck]ri\w*(?:anmerkung|hinweis|notiz|bemerkung)(?:en|e)?\b
  | (?:note|remarque)s?\s+(?:de|du|des|sur|à\s+propos\s+de|concernant)\s+(?:la\s+|le\s+|les\s+|l['’]|
        cette\s+)?
        (?:transcri\w+|version\s+(?:électronique|electronique|numérique)|numéris\w+|édition\s+électronique)
  | notes?\s+(?:du|au)\s+lecteur\s+de\s+ce\s+fichier\b
  | (?:opmerking(?:en)?|noot|noten|aantekening(?:e|en)?|verantwoording|aanteken)\s+(?:van|bij|
        fan)\s+(?:de|het|deze|
        die)\s+(?:bewerkers?|bewurker|trans[ck]ri\w+|oorschrijver|e-?(?:boek|tekst|book|text)|digitale\s+\w+|
        elektronische\s+\w+)
  | not(?:as?|es|e)\s+(?:del?\s+la|della|dell['’]|del|dei|delle|de|di|do|da|dos|sobre\s+la)\s*(?:trans?cri\w+|
        digitaliza\w+|edici[oó]n\s+electr[oó]nica|edição\s+electr[oó]nica)
  | not(?:a|e)\s+(?:della?|dei|di|del)\s+trascri\w+
  | n[oò]tas?\s+d(?:el|eu|al)\s+transcri\w+
  | lista\s+de\s+erros\s+corrigidos
  | nota\s+d[eo]\s+editor\s*:\*?\s+devido
  | (?:huomautu(?:s|ksia|kset)|huomio(?:ita)?)\s+(?:sähköis\w+|transkri\w+|digit\w+)
  | (?:sähköis\w+|transkri\w+|e-kirjan|digit\w+)\s+(?:\w+\s+)?(?:huomautu\w+|huomio\w+)
  | (?:anmärkning(?:ar)?|noteringar?|anteckning(?:ar)?|kommentar(?:er)?)\s+(?:till|om|för|av|
        från)\s+(?:den\s+)?(?:
        transkri\w+|avskri\w+|renskri\w+|elektronisk\w+|digital\w+)
  | (?:transkriberar|avskrivar|renskrivar|avskriver|afskriver|udskriver|renskriver|transskribent|transkribent|
        transskriptør|transkriptør|korrekturlæser|korrekturläsar)\w*s?\s+(?:anmärkning|anmærkning|anmerkning|
        anteckning|bemærkning|bemerkning|kommentar|note|notering|merknad|tilføjelse)\w*
  | (?:note|noter|bemærkning(?:er)?|bemerkning(?:er)?|merknad(?:er)?|anmærkning(?:er)?)\s+(?:fra|af|av|
        til|om|ved)\s+
        (?:den\s+)?(?:afskri\w+|avskri\w+|trans+kri\w+|elektronisk\w*|digital\w*)
  | trans+kri(?:ption|psjon|b\w+)snoter?\b
  | athugasemd(?:ir)?\s+(?:afritar\w+|skrásetjar\w+|umritar\w+|um\s+rafræn\w+)
  | (?:not|rimark|klarig)(?:o|oj)\s+(?:de|pri)\s+(?:la\s+)?(?:trans?skri\w+|elektronika|komputil\w+)
  | (?:uwag[ai]|notk?[ai]|adnotacj[ae]|przypis[ky]?i?|komentarz)\s+(?:do\s+|od\s+)?(?:transkry\w+|
        przepisuj\w+|
        wydania\s+elektronicznego|wersji\s+elektronicznej)
  | od\s+transkry\w+
  | pozn[áa]mk[ay]\s+(?:k\s+)?(?:přepis\w+|prepis\w+|transkrip\w+|elektronick\w+)
  | opomb[ae]\s+(?:prepisov\w+|k\s+prepisu|k\s+elektronsk\w+)
  | napomen[ae]\s+(?:prepisiva\w+|transkript\w+|uz\s+elektroni\w+)
  | (?:az\s+)?(?:átíró|digitalizáló)\s+megjegyzés\w*
  | megjegyzés(?:ek)?\s+(?:az|a)\s+(?:átír\w+|digitál\w+|elektronikus\w*)
  | (?:nota|notă|observați[ei]|notele)\s+(?:transcri\w+|de\s+transcri\w+)
  | notae?\s+(?:transcript\w+|de\s+editione\s+electronica)
  | (?:ü|ue)mberkirjutaja\s+m[äa]rku\w+
  | perrašytojo\s+pastab\w+ | pārrakstītāja\s+piezīm\w+
  | nod(?:yn|iadau)['’]?r?\s+(?:y\s+)?(?:traws\w+|copïwr|adysgrif\w+)
  | nótaí?\s+(?:an\s+)?t(?:h)?ras-?scr[íi]\w+ | notenn\s+an\s+treuz\w+
  | (?:paalala|tala|pahayag|puna|paunawa|talababa|paliwanag)\s+(?:ng|mula\s+sa)\s+(?:mga\s+)?(?:nagsalin|
        nag-?trans\w+|
        trans\w+|tagasulat|tagalipat|naglipat|nagtipa|nag-?digit\w+)
  | (?:çevriyaz\w+|yazıya\s+geçiren\w*|aktaran\w*)\s+not\w* | ghi\s+chú\s+của\s+người\s+(?:chép|
        đánh\s+máy|chuyển)\b
  | (?:σημ(?:ε[ίι]ωση|ει[ώω]σεις|\.)?)\s+(?:του|της|τού)\s+(?:μεταγραφ\w+|αντιγραφ\w+|ηλεκτρονικ\w+|
        ψηφιοπο\w+)
  | (?:note|σημείωση)\s*:\s*(?:the\s+tonic\s+system|το\s+τονικό\s+σύστημα|ο\s+τονισμός\s+έχει)
  | (?:примечани[ея]|замечани[ея]|примітк[аи]|бележк[аи]|напомен[ае]|примедб[ае])\s+(?:на\s+|к\s+|до\s+|
        от\s+|од\s+|уз\s+)?
        (?:переписчик\w*|транскри\w+|преписва\w+|преписива\w+|переписувач\w*|оцифров\w+|электронн\w+|
        електронн?\w+)
  | (?:轉錄者|转录者|抄錄者|抄录者|錄入者|录入者|校對者|校对者|電子版|电子版|製作者|制作者)
        \s*的?\s*(?:註|注|附註|附注|說明|说明|按語|按语|備註|备注)
  | (?:入力者|転記者|転写者|校正者|電子化|電子版|テキスト作成者)
        (?:による|の|について)*(?:注|註|注記|註記|メモ|覚え書き|備考)
  | (?:전사자|입력자|필사자|전자책)\s*(?:주|주석|메모|참고|노트)
  | הער(?:ה|ת|ות)\s+(?:ה?מעתיק|ה?מקליד|ה?תמלול|למהדורה\s+האלקטרונית)\w*
  | (?:ملاحظ(?:ة|ات)|تعليق(?:ات)?|یادداشت)\s+(?:الناسخ|المنسّ?خ|الناقل|على\s+النسخة\s+الإلكترونية|رونویس\w*)
"""
"""Words are those of one line; the case of letters is not looked at."""

STEMS = (
    *(
        "transcri",
        "transkri",
        "trascri",
        "transskri",
        "tras-scr",
        "trans-",
        "scanner",
        "digit",
        "proofread",
        "etext",
    ),
    *("e-text", "ebook", "e-book", "e-boek", "e-kirja", "gutenberg", "bearbeit", "elektronis", "electronic"),
    *(
        "elektronic",
        "elektronsk",
        "elektronik",
        "électronique",
        "electrónic",
        "electrónic",
        "numéri",
        "bewerk",
        "bewurk",
    ),
    *("avskri", "afskri", "udskri", "renskri", "korrektur", "sähköis", "átír", "oorschrijver", "komputil"),
    *("megjegyz", "přepis", "prepis", "przepis", "transkry", "post-proc", "postproc", "[t.n", "[tn"),
    *("executive director", "errors corrected in", "ce fichier", "to this version", "corrigidos", "devido"),
    *("afritar", "skrásetjar", "umritar", "rafræn", "mberkirjut", "perrašyt", "pārrakst", "traws", "copïwr"),
    *("adysgrif", "treuz", "nagsalin", "nagtrans", "tagasulat", "tagalipat", "naglipat", "nagtipa", "transk"),
    *(
        "çevriyaz",
        "yazıya geçir",
        "aktaran",
        "người chép",
        "đánh máy",
        "người chuyển",
        "μεταγραφ",
        "αντιγραφ",
    ),
    *("ηλεκτρον", "ψηφιοπο", "tonic system", "τονικό", "τονισμός", "переписчик", "транскри", "преписв"),
    *(
        "преписив",
        "переписув",
        "оцифров",
        "электронн",
        "електрон",
        "轉錄",
        "转录",
        "抄錄",
        "抄录",
        "錄入",
        "录入",
    ),
    *(
        "校對",
        "校对",
        "電子版",
        "电子版",
        "製作者",
        "制作者",
        "入力者",
        "転記者",
        "転写者",
        "校正者",
        "電子化",
    ),
    *("テキスト作成", "전사자", "입력자", "필사자", "전자책", "מעתיק", "מקליד", "תמלול", "אלקטרוני"),
    *("الناسخ", "المنس", "الناقل", "الإلكترونية", "رونویس", "preparation of", "production of", "making of"),
    *("errat", "corrigend", "corrections", "changes", "emendations", "amendments", "typos", "errors"),
    *("verbetering", "correcties", "berichtigung", "korrekturen", "änderungen", "rettelser", "rättelser"),
    *("korjauksia", "javítások", "erros", "corrigés", "poprawki", "opravy", "διορθώσεις", "опечатки"),
    *("исправления", "colophon", "colofon", "kolofon"),
)
"""Every form above and every beginning of a bracketed note holds one of these on its first line."""

_STEMS = _native.Stems(list(STEMS))
_SIGMA = "\u03a3"


def lines_with_stems(body: str) -> list[int]:
    """Offsets of the lines that hold a stem, in whatever case. Work is linear.

    >>> lines_with_stems("A title\\nTRANSCRIBED by nobody\\n")
    [8]
    """
    lines: list[int] = _STEMS.lines(body).tolist()
    # The small letter of a capital sigma depends on what is beside it in its line.
    greek = {body.rfind("\n", 0, found.start()) + 1 for found in re.finditer(_SIGMA, body)}
    return sorted({line for line in lines if line not in greek} | set(filter(_has_stem(body), greek)))


def _has_stem(body: str) -> Callable[[int], bool]:
    def has(line: int) -> bool:
        end = body.find("\n", line)
        # The one letter whose lower case is longer goes first.
        words = body[line : None if end < 0 else end].replace("\u0130", "I").lower()
        return any(stem in words for stem in STEMS)

    return has
