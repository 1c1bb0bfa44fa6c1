"""How the notes of transcribers call themselves, in the languages of the volunteers.

Source: the forms were collected from files of Project Gutenberg of 1991 to 2025 and from the guidelines of
Distributed Proofreaders (https://www.pgdp.net/wiki/DP_Official_Documentation:PP_and_PPV).
"""

from __future__ import annotations

import re

_NAMED = r"""
    (?:original\s+)?(?:transcriber|transcriptor|transcriptionist|scanner|digiti[sz]er|e-?(?:book|text)\s+(?:editor|
        transcriber|producer|maker|preparer)|proof-?reader|post-?processor)s?['’´`]?s?['’]?\s+
        (?:end\s*|foot\s*|editorial\s+)?(?:notes?\b|comments?\b|remarks?\b|errata\b|corrections\b|changes\b|
        amendments\b|preface\b|foreword\b|appendix\b)
  | transcription\s+notes?\b
  | notes?\s+(?:by|from|of)\s+(?:the\s+)?(?:e-?text\s+)?transcribers?\b
  | (?:a\s+)?notes?\s+(?:on|about|to|regarding)\s+(?:the\s+|this\s+)?(?:present\s+)?(?:e-?texts?\b|
        e-?books?\b|transcription\b|electronic\s+(?:text|edition|version)\b|digital\s+(?:text|edition)\b|
        project\s+gutenberg\b)
  | executive\s+director['’]s\s+notes?\b
  | (?:typographical\s+|typos?\s+|spelling\s+|printer['’]?s['’]?\s+)errors?\s+(?:have\s+been\s+)?
        corrected\s+in
  | preface\s+to\s+the\s+project\s+gutenberg\b
  | an?merkung(?:en)?\s+(?:zur|zu\s+dieser|der|des|zum)\s+(?:trans[ck]ri\w+|bearbeit\w+|elektronischen\s+\w+|
        digitalen\s+\w+|e-?(?:text|book)\w*)
  | (?:hinweise?|bemerkung(?:en)?|notiz(?:en)?|nachbemerkung(?:en)?)\s+(?:zur|zu\s+dieser|des|der)\s+
        trans[ck]ri\w+
  | notes?\s+(?:de|du|des|sur|à\s+propos\s+de|concernant)\s+(?:la\s+|le\s+|les\s+|cette\s+)?(?:transcri\w+|
        version\s+(?:électronique|electronique|numérique))
  | notes?\s+(?:du|au)\s+lecteur\s+de\s+ce\s+fichier\b
  | notes?\s+au\s+lecteur\s+de\s+ce\s+fichier\b
  | (?:opmerking(?:en)?|noot|noten|aantekening(?:en)?|verantwoording)\s+(?:van|bij)\s+(?:de|het|deze)\s+(?:
        bewerkers?|trans[ck]ri\w+|e-?(?:boek|tekst|book|text)|digitale\s+\w+|elektronische\s+\w+)
  | not(?:as?|es|e)\s+(?:del?\s+la|della|dell['’]|del|dei|delle|de|di|do|da|dos|sobre\s+la)\s*trans?cri\w+
  | not(?:a|e)\s+(?:della?|dei|di|del)\s+trascri\w+
  | (?:huomautu(?:s|ksia|kset)|huomio(?:ita)?)\s+(?:sähköis\w+|transkri\w+|digit\w+)
  | transkri\w+\s+(?:huomautu\w+|huomio\w+)
  | (?:anmärkning(?:ar)?|noteringar?|anteckning(?:ar)?)\s+(?:till|om|för|av|från)\s+(?:den\s+)?(?:
        transkri\w+|avskri\w+|elektronisk\w+|digital\w+)
  | (?:transkriberar|avskrivar|renskrivar|transskribent|transkribent|transskriptør)\w*s\s+(?:anmärkning|
        anteckning|bemærkning|kommentar|note|notering|merknad)\w*
  | not(?:o|oj)\s+de\s+(?:la\s+)?trans?skri\w+
  | (?:uwag[ai]|notk?[ai]|przypis[ky]?i?)\s+(?:do\s+|od\s+)?(?:transkry\w+|wydania\s+elektronicznego)
  | poznámk[ay]\s+(?:k\s+)?(?:přepis\w+|transkrip\w+|elektronick\w+)
  | (?:az\s+)?átíró\s+megjegyzés\w*
  | megjegyzés(?:ek)?\s+(?:az|a)\s+(?:átír\w+|digitál\w+|elektronikus\w*)
  | notae?\s+transcript\w+
"""
_BRACKETED = r"""
    \[\W{0,4}(?:t\.?n\.?\s*: | (?:original\s+)?transcri(?:ber|ptor)\b['’´`]?s?['’]?(?:\s+notes?)?\b
      | end\s+of\s+tran?scri(?:ber['’]?s?\s+notes?|ptions?)\b
      | (?:this|the\s+present)\s+(?:electronic|digital)\s+(?:edition|text|version)\b
      | (?:note|redactor['’]s\s+note)\s*:?[^\]\n]{0,80}\b(?:e-?text|project\s+gutenberg)\b
      | (?:a\s+|some\s+)?(?:very\s+)?(?:few\s+)?(?:very\s+)?(?:small\s+)?changes\s+have\s+been\s+made
            \s+to\s+this\s+version
      | project\s+gutenberg\b
    )
"""
NAMED = re.compile(rf"[^\w\n]{{0,80}}(?:\[\w{{1,4}}\]\s*)?({_NAMED})", re.IGNORECASE | re.VERBOSE)
BRACKETED = re.compile(_BRACKETED, re.IGNORECASE | re.VERBOSE)
STEMS = (
    *("transcri", "transkri", "trascri", "transskri", "scanner", "digit", "proofread", "etext"),
    *("e-text", "ebook", "e-book", "e-boek", "gutenberg", "bearbeit", "elektronis", "electronic"),
    *("elektronic", "électronique", "numérique", "bewerk", "avskri", "renskri", "sähköis", "átír"),
    *(
        "megjegyz",
        "přepis",
        "post-proc",
        "postproc",
        "[t.n",
        "[tn",
        "executive director",
        "errors corrected in",
    ),
    *("ce fichier", "to this version"),
)
"""Every form above holds one of these on its first line; finding them is what makes the search fast."""
