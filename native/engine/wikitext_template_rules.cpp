// Which templates are written as text, and how. All others are removed.
//
// names: lower-case, '|' between names; '*' at the end for any ending, '#' at the start for a number.
// spec of kFormat: {1,text} the first of these parameters that is there, {1,=x} or else x; [ ... ] left out unless
// its parameters are there; \x04 a border between paragraphs, \x03 a new line, \x01 before a sign that would be a mark.
// spec of kJoin: what stands between the arguments.
// Rules of one language stand below those of all languages and win over them.
#include <iterator>

#include "wikitext_internal.hpp"

namespace corpuskit {

namespace {

using enum Render;

constexpr TemplateRule kRules[] = {
    // ---- all languages: text in other languages and scripts
    {"", "lang|langue|lang2|wikt-lang|langx", kFormat, "{2,text}"},
    {"", "lang-*|script/*", kFormat, "{1,text}"},
    {"", "transl|transliteration|translit|xlit", kFormat, "{3,2,1}"},
    {"", "nihongo|nihongo3", kFormat, "{1}[ ({2}[, {3}][, {4}])]"},
    {"", "nihongo2", kFormat, "{1}"},
    {"", "zh-hant|zh-hans|zh-t|zh-s|polytonic|unicode|script|hebrew|cuneiform", kFormat, "{1}"},
    {"", "zh|chinese", kFormat, "{c,s,t,hanzi}[ ({p,pinyin})]"},
    {"", "korean", kFormat, "{hangul,1}[ ({rr,mr,2})]"},
    {"", "linktext", kJoin, ""},
    {"", "angbr|angle bracket|angbr ipa", kFormat, "\u27E8{1}\u27E9"},
    // ---- all languages: style only
    {"", "nowrap|nobr|nobreak|nobold|noitalic|normal|small|smaller|smalldiv|big|bigger|large|larger|resize|smallcaps|sc|"
         "smallcaps2|sc2|aut|allcaps|strong|em|italic|italics|bold|underline|u|strike|ins|mono|monospaced|code|codett|"
         "kbd|samp|var|mvar|dfn|vanchor|visible anchor|anchored|keypress|key press|key|not a typo|as written|proper name|"
         "serif|sans-serif|math|tmath|overline|block indent|blockindent|indented text|center|noprint|hidden text",
     kFormat, "{1,text}"},
    {"", "color|colour|font color|font colour|fontcolor|colored text", kFormat, "{text,2,1}"},
    {"", "abbr|abbreviation|tooltip|abbrlink|define", kFormat, "{1,text}"},
    {"", "sic|sup|sub|eqm|native name|vr", kFormat, "{1}"},
    {"", "su", kFormat, "[{p,1}][{b,2}]"},
    {"", "frac|sfrac|fraction|fract", kFraction, ""},
    {"", "sqrt|radic", kFormat, "\u221A{1}"},
    {"", "abs", kFormat, "\x01|{1}\x01|"},
    {"", "sort", kFormat, "{2,1}"},
    {"", "sortname", kFormat, "{1} {2}"},
    {"", "nts|number table sorting|formatnum:|formatnum|num|lc:|uc:|ucfirst:|lcfirst:", kFormat, "{1}"},
    {"", "convert|konvertieren|convertir", kConvert, ""},
    {"", "cvt", kConvertSymbol, ""},
    {"", "val", kVal, ""},
    {"", "e|exp10", kFormat, "\u00D710^{1}"},
    {"", "gaps|chem|chem2", kJoin, ""},
    {"", "ordinal|ord", kOrdinal, ""},
    {"", "simplenuclide|simplenuclide2|nuclide|isotope", kFormat, "{1,link}[-{2}]"},
    {"", "height", kFormat, "[{ft} ft ][{in} in][{m} m][{cm} cm]"},
    {"", "co2|carbon dioxide", kFormat, "CO2"},
    {"", "\u00B0c", kFormat, "\u00B0C"},
    {"", "\u00B0f", kFormat, "\u00B0F"},
    // ---- all languages: signs
    {"", "mdash|em dash|emdash|\u2014", kFormat, "\u2014"},
    {"", "spaced mdash|spaced em dash|mdashb|smd", kFormat, " \u2014 "},
    {"", "ndash|en dash|endash|\u2013", kFormat, "\u2013"},
    {"", "spaced ndash|spaced en dash|snd|snds|spnd|sndash|dash|spndash|ndashb", kFormat, " \u2013 "},
    {"", "\u00B7|\u2022|dot|bullet|bull|middot|sep", kFormat, " \u00B7 "},
    {"", "nbsp|space|spaces|emsp|ensp|thinsp|thin space|hair space|hsp", kFormat, "\u00A0"},
    {"", "!", kFormat, "\x01|"},
    {"", "=", kFormat, "\x01="},
    {"", "'|apostrophe", kFormat, "\x01'"},
    {"", "'s", kFormat, "\x01's"},
    {"", "(", kFormat, "\x01("},
    {"", ")", kFormat, "\x01)"},
    {"", "*", kFormat, "\x01*"},
    {"", "colon|:", kFormat, "\x01:"},
    {"", "sharp|music sharp", kFormat, "\u266F"},
    {"", "flat|music flat", kFormat, "\u266D"},
    {"", "pi", kFormat, "\u03C0"},
    {"", "\u2026|...|ellipsis", kFormat, "..."},
    {"", "et al.|et al|etal", kFormat, "et al."},
    {"", "no.|numero", kFormat, "No.[ {1}]"},
    {"", "circa|ca.|c.", kFormat, "c.[ {1}][ \u2013 {2}]"},
    {"", "floruit|fl.", kFormat, "fl.[ {1}][ \u2013 {2}]"},
    {"", "reign|r.", kFormat, "r.[ {1}][ \u2013 {2}]"},
    // ---- all languages: quotations
    {"", "quote|blockquote|cquote|quotation|bquote|long quote|centered pull quote|pull quote", kFormat,
     "\x04{text,quote,1,content}[\x03\u2014 {author,sign,by,2,cite}[, {source,title,3}]]\x04"},
    {"", "quote box|quotebox|quote box2|quote frame", kFormat, "\x04{quote,1,text}[\x03\u2014 {author}[, {source}]]\x04"},
    {"", "rquote|quote right", kFormat, "\x04{2,text,quote}[\x03\u2014 {3,author,cite}]\x04"},
    {"", "epigraph|poemquote|poem quote|verse", kFormat, "\x04{text,1}[\x03\u2014 {author,sign,cite,2}]\x04"},
    {"", "inline quote|quote inline|tq|talk quote inline", kFormat, "\"{1,text}\""},
    // ---- all languages: lists
    {"", "plainlist|plain list|flatlist|columns-list|column list|indented plainlist|multi-column numbered list", kFormat,
     "\n{1,content}\n"},
    {"", "hlist|hlist-comma|flat list", kJoin, " \u00B7 "},
    {"", "unbulleted list|ubl|ublist|vunblist|bulleted list|blist|ordered list|olist", kJoin, "\x03"},
    {"", "plainrow|comma separated entries|csv", kJoin, ", "},
    // ---- all languages: links
    {"", "ill|interlanguage link|illm|interlanguage link multi|red link", kFormat, "{lt,1}"},
    {"", "link-*|ilh|internal link helper|le", kFormat, "{3,1}"},
    {"", "tsl|translink|illwd", kFormat, "{4,3,1}"},
    {"", "tl|tlx|template link", kFormat, "\x01{\x01{{1}\x01}\x01}"},
    {"", "w|wp|wikilink", kFormat, "{2,1}"},
    {"", "flag|flagcountry|flagu|flaglist|flagg|flag country", kFormat, "{name,1}"},
    {"", "ship", kFormat, "{1} {2}"},
    {"", "ss", kFormat, "SS {1}"},
    {"", "uss", kFormat, "USS {1}"},
    {"", "hms", kFormat, "HMS {1}"},
    {"", "hmas", kFormat, "HMAS {1}"},
    {"", "hmcs", kFormat, "HMCS {1}"},
    {"", "rms", kFormat, "RMS {1}"},
    {"", "sms", kFormat, "SMS {1}"},
    {"", "mv", kFormat, "MV {1}"},
    {"", "sclass|sclass-|sclass2|sclass2-", kFormat, "{1}-class {2}"},
    {"", "numblk", kFormat, "{2}"},
    {"", "unichar", kFormat, "U+{1}"},
    {"", "marriage", kFormat, "{1}[ (m. {2})]"},
    {"", "isbn", kFormat, "ISBN {1}"},

    // ---- English
    {"en", "as of|asof", kFormat, "As of {1}[-{2}][-{3}]"},
    {"en", "birth date|dob|start date|end date|death date|film date|release date|birth date and age|bda|"
           "start date and age|death date and age|end date and age|birth-date|death-date|date|release date and age|"
           "birth date and age2|start-date|end-date|launch date|dts",
     kDate, ""},
    {"en", "birth year and age|birth year|death year|death year and age", kFormat, "{1}"},
    {"en", "us$|usd", kFormat, "US$[{1}]"},
    {"en", "aud|a$", kFormat, "A$[{1}]"},
    {"en", "cad|c$", kFormat, "C$[{1}]"},
    {"en", "gbp|\u00A3|pound sterling", kFormat, "\u00A3[{1}]"},
    {"en", "euro|\u20AC|eur", kFormat, "\u20AC[{1}]"},
    {"en", "inr|indian rupee|indianrupee|rupee", kFormat, "\u20B9[{1}]"},
    {"en", "jpy|\u00A5", kFormat, "\u00A5[{1}]"},
    {"en", "cny|rmb", kFormat, "CN\u00A5[{1}]"},
    {"en", "vol.", kFormat, "Vol.[ {1}]"},
    {"en", "lit|literally|lit.|literal translation", kFormat, "lit. '{1}'"},
    {"en", "gloss|gl|q-gloss", kFormat, "'{1}'"},
    {"en", "bce", kFormat, "[{1} ]BCE"},
    {"en", "ce", kFormat, "[{1} ]CE"},
    {"en", "track gauge|railgauge|rail gauge|eqm", kFormat, "{1}"},
    {"en", "bibleverse|bibleref|bibleref2", kFormat, "{1} {2}[:{3}]"},
    {"en", "harvtxt", kFormat, "{1}[ & {2}]"},

    // ---- French
    {"fr", "citation|guil|guillemets|citation n\u00E9cessaire", kFormat, "\u00AB\u00A0{1,texte}\u00A0\u00BB"},
    {"fr", "citation \u00E9trang\u00E8re|citation langue", kFormat, "\u00AB\u00A0{2}\u00A0\u00BB"},
    {"fr", "citation bloc|bloc citation|\u00E9pigraphe", kFormat, "\x04{1,texte,citation}[\x03\u2014 {2,auteur}]\x04"},
    {"fr", "unit\u00E9|nombre|nb|num|lnobr", kFormat, "{1#}[ {2}][{3}]"},
    {"fr", "unit\u00E9/2", kFormat, "{1#}[ \u00E0 {\u00E0#}][ {2#}][ {3}]"},
    {"fr", "dunit\u00E9", kFormat, "{1} \u00D7 {2} {3}"},
    {"fr", "formatnum:|formatnum", kFormat, "{1#}"},
    {"fr", "tmp|temp\u00E9rature", kFormat, "{1} {2,=\u00B0C}"},
    {"fr", "heure", kFormat, "{1}[ h][ {2}]"},
    {"fr", "date|date-|date sport|date de naissance|date de d\u00E9c\u00E8s|date de naissance-|date de d\u00E9c\u00E8s-",
     kDateFrench, ""},
    {"fr", "date r\u00E9publicaine|date r\u00E9publicaine-", kFormat, "{1}[ {2}][ {3}]"},
    {"fr", "#er janvier", kFormat, "{0}er janvier"},
    {"fr", "#er f\u00E9vrier", kFormat, "{0}er f\u00E9vrier"},
    {"fr", "#er mars", kFormat, "{0}er mars"},
    {"fr", "#er avril", kFormat, "{0}er avril"},
    {"fr", "#er mai", kFormat, "{0}er mai"},
    {"fr", "#er juin", kFormat, "{0}er juin"},
    {"fr", "#er juillet", kFormat, "{0}er juillet"},
    {"fr", "#er ao\u00FBt", kFormat, "{0}er ao\u00FBt"},
    {"fr", "#er septembre", kFormat, "{0}er septembre"},
    {"fr", "#er octobre", kFormat, "{0}er octobre"},
    {"fr", "#er novembre", kFormat, "{0}er novembre"},
    {"fr", "#er d\u00E9cembre", kFormat, "{0}er d\u00E9cembre"},
    {"fr", "#e|#\u00E8me|#d", kFormat, "{0}e[ {1}]"},
    {"fr", "#er", kFormat, "{0}er[ {1}]"},
    {"fr", "#re|#\u00E8re", kFormat, "{0}re[ {1}]"},
    {"fr", "#nd", kFormat, "{0}nd[ {1}]"},
    {"fr", "#nde", kFormat, "{0}nde[ {1}]"},
    {"fr", "#", kFormat, "{0}"},
    {"fr", "#e si\u00E8cle|#\u00E8me si\u00E8cle|#e s", kFormat, "{0}e si\u00E8cle"},
    {"fr", "#er si\u00E8cle", kFormat, "{0}er si\u00E8cle"},
    {"fr", "#e mill\u00E9naire", kFormat, "{0}e mill\u00E9naire"},
    {"fr", "#e r\u00E9publique", kFormat, "{0}e R\u00E9publique"},
    {"fr", "#e si\u00E8cle av. j.-c.", kFormat, "{0}e si\u00E8cle av. J.-C."},
    {"fr", "#er si\u00E8cle av. j.-c.", kFormat, "{0}er si\u00E8cle av. J.-C."},
    {"fr", "#e mill\u00E9naire av. j.-c.", kFormat, "{0}e mill\u00E9naire av. J.-C."},
    {"fr", "s|si\u00E8cle|s-|sap|sap-", kFormat, "{1}{2,=e} si\u00E8cle"},
    {"fr", "-s|-s-", kFormat, "{1}{2,=e} si\u00E8cle av. J.-C."},
    {"fr", "s mini|s mini-|smn", kFormat, "{1}{2,=e}"},
    {"fr", "-s mini|-s mini-", kFormat, "{1}{2,=e} av. J.-C."},
    {"fr", "s2|s2-", kFormat, "{1}e et {2}e si\u00E8cles"},
    {"fr", "-s2|-s2-", kFormat, "{1}e et {2}e si\u00E8cles av. J.-C."},
    {"fr", "sp|sp-", kFormat, "{1}{2,=e} {3} {4}{5,=e} si\u00E8cle"},
    {"fr", "-sp|-sp-", kFormat, "{1}{2,=e} {3} {4}{5,=e} si\u00E8cle av. J.-C."},
    {"fr", "mill\u00E9naire|mill\u00E9naire-", kFormat, "{1}{2,=e} mill\u00E9naire"},
    {"fr", "av jc|av. j.-c.|avjc", kFormat, "[{1} ]av. J.-C."},
    {"fr", "ap jc|ap. j.-c.|apjc", kFormat, "[{1} ]apr. J.-C."},
    {"fr", "er", kFormat, "er"},
    {"fr", "re", kFormat, "re"},
    {"fr", "e|\u00E8me", kFormat, "e"},
    {"fr", "exp|exposant|ind|indice|surligner|racine", kFormat, "{1}"},
    {"fr", "formule chimique|fchim", kJoin, ""},
    {"fr", "n\u00B0|num\u00E9ro|n\u00BA|no", kFormat, "n\u00B0[ {1}]"},
    {"fr", "num\u00E9ros", kFormat, "n\u00BAs {1}"},
    {"fr", "p.", kFormat, "p.[ {1}]"},
    {"fr", "nb p.", kFormat, "[{1} ]p."},
    {"fr", "vol.", kFormat, "vol.[ {1}]"},
    {"fr", "nb vol.", kFormat, "[{1} ]vol."},
    {"fr", "t.", kFormat, "t.[ {1}]"},
    {"fr", "chap.", kFormat, "chap.[ {1}]"},
    {"fr", "coll.", kFormat, "coll."},
    {"fr", "\u00E9d.", kFormat, "\u00E9d."},
    {"fr", "etc.|etc", kFormat, "etc."},
    {"fr", "hab.|hab", kFormat, "hab."},
    {"fr", "s.d.", kFormat, "s. d."},
    {"fr", "cie", kFormat, "Cie"},
    {"fr", "jr.", kFormat, "Jr."},
    {"fr", "m.", kFormat, "M.[ {1}]"},
    {"fr", "mme", kFormat, "Mme[ {1}]"},
    {"fr", "mlle", kFormat, "Mlle[ {1}]"},
    {"fr", "mgr", kFormat, "Mgr[ {1}]"},
    {"fr", "dr", kFormat, "Dr[ {1}]"},
    {"fr", "incise", kFormat, "\u2013 {1} \u2013"},
    {"fr", "lien", kFormat, "{texte,fr,1,trad}"},
    {"fr", "page h'|noble", kFormat, "{2,1}"},
    {"fr", "terme d\u00E9fini|terme|petit|pc|petites capitales|souligner|soulign\u00E9|gras|abr\u00E9viation|abr\u00E9viation discr\u00E8te|"
           "abrd|abr|romain|refnec|r\u00E9f\u00E9rence n\u00E9cessaire|refsou|r\u00E9f\u00E9rence souhait\u00E9e|pass\u00E9 pr\u00E9sent\u00E9|"
           "pas clair|pr\u00E9ciser|graphie|caract\u00E8re unicode|retrait|nobr rom|\u00E9tymologie",
     kFormat, "{1,texte}"},
    {"fr", "colonnes", kFormat, "\n{1}\n"},
    {"fr", "grec ancien|latin|japonais|arabe|h\u00E9breu|chinois|russe|grec", kFormat, "{1}"},
    {"fr", "pays|souverain|souverain2|souverain3", kFormat, "{1}"},
    {"fr", "\u00E9tats-unis|usa", kFormat, "\u00C9tats-Unis"},
    {"fr", "canada", kFormat, "Canada"},
    {"fr", "france", kFormat, "France"},
    {"fr", "mexique", kFormat, "Mexique"},
    {"fr", "densit\u00E9 de population", kFormat, "{1} hab./km2"},
    {"fr", "dollar", kFormat, "{1#} $"},

    // ---- Italian
    {"it", "citazione|quote", kFormat, "\x04{1,testo,citazione}[\x03\u2014 {2,autore}[, {3}]]\x04"},
    {"it", "m", kFormat, "{1}[ {ul,u,3}]"},
    {"it", "exp", kFormat, "\u00D710^{1}"},
    {"it", "arabo|russo|giapponese|ebraico|greco|latino|sanscrito|grc", kFormat, "{1}"},
    {"it", "cinese", kFormat, "{1}[ ({2})]"},
    {"it", "q", kFormat, "\u00AB{1}\u00BB"},
    {"it", "simbolo|tutto attaccato|maiuscoletto|citazione necessaria|cn|chiarire", kFormat, "{1}"},
    {"it", "m s.l.m.", kFormat, "m s.l.m."},
    {"it", "...", kFormat, "[...]"},
    {"it", "naz|nazba|nazionale|naznb", kFormat, "{2,1}"},
    {"it", "usa", kFormat, "Stati Uniti"},
    {"it", "ita", kFormat, "Italia"},
    {"it", "gbr", kFormat, "Regno Unito"},
    {"it", "fra", kFormat, "Francia"},
    {"it", "ger", kFormat, "Germania"},
    {"it", "chn", kFormat, "Cina"},
    {"it", "jpn", kFormat, "Giappone"},
    {"it", "tex", kFormat, "TeX"},

    // ---- German
    {"de", "zitat|zitat-*", kFormat, "\x04{text,1}[\x03\u2014 {autor,2}]\x04"},
    {"de", "ens|des|frs|las|its|ess|rus|pls|nls|jas|ars|grs|zhs", kFormat, "{1}"},
    {"de", "bruch", kFraction, ""},
    {"de", "\u00A7", kFormat, "\u00A7 {1}"},

    // ---- Spanish
    {"es", "cita|cita destacada", kFormat, "\x04{1,texto}[\x03\u2014 {2}]\x04"},
    {"es", "unidad", kFormat, "{1}[ {2}]"},
    {"es", "siglo", kFormat, "siglo {1}"},
    {"es", "fecha", kFormat, "{1}[ de {2}][ de {3}]"},

    // ---- Chinese
    {"zh", "bd", kFormat, "[{1}][{2}]\uFF0D[{3}][{4}]"},
    {"zh", "link", kFormat, "{1}"},
    {"zh", "en|jpn|jp", kFormat, "{1}"},

    // ---- Vietnamese
    {"vi", "start date|end date|birth date|death date|birth date and age|death date and age|dts|ng\u00E0y sinh|"
           "ng\u00E0y sinh v\u00E0 tu\u1ED5i",
     kFormat, "{1}[-{2}][-{3}]"},
    {"vi", "birth year and age|birth year", kFormat, "{1}"},
    {"vi", "flagioc2athlete|flagseagf|flagioc|flagseagfteam", kFormat, "{1}"},
    {"vi", "ngo\u1EB7c nh\u1ECDn", kFormat, "\u27E8{1}\u27E9"},
};

}  // namespace

const TemplateRule* template_rules(std::size_t& count) {
    count = std::size(kRules);
    return kRules;
}

}  // namespace corpuskit
