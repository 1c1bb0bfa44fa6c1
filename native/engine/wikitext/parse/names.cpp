// What the engine knows by name: tags, languages, switches. Also the small helpers on strings.
#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <unordered_set>

#include "engine/wikitext/marks.hpp"
#include "engine/wikitext/parse/names.hpp"

namespace corpuskit {

namespace {

struct TagGroup {
    Tag kind;
    std::string_view names;
};

// Tags and extensions of MediaWiki as Wikipedia runs it.
constexpr TagGroup kTags[] = {
    {Tag::kInline,
     "abbr b bdi bdo big cite code data del dfn em font i ins kbd mark q rb rbc rtc ruby s samp "
     "small span strike strong sub time tt u var wbr a noinclude onlyinclude section translate "
     "tvar nobr noindex languages license"},
    {Tag::kTablePart, "td th tr caption tbody thead tfoot colgroup col"},
    {Tag::kGallery, "gallery"},
    {Tag::kRubyText, "rt"},
    {Tag::kSuper, "sup"},
    {Tag::kBlock, "p div center blockquote h1 h2 h3 h4 h5 h6 dl dd dt"},
    {Tag::kList, "ul ol"},
    {Tag::kBreak, "br"},
    {Tag::kItem, "li"},
    {Tag::kRule, "hr"},
    {Tag::kDrop,
     "includeonly inputbox rp timeline imagemap score graph chart mapframe maplink references "
     "templatedata templatestyles indicator hiero categorytree charinsert rss phonos quiz listing "
     "dynamicpagelist style script pagelist pagequality"},
    {Tag::kReference, "ref"},
    {Tag::kNowiki, "nowiki"},
    {Tag::kPre, "pre"},
    {Tag::kCode, "syntaxhighlight source"},
    {Tag::kMath, "math chem ce"},
    {Tag::kPoem, "poem"},
    {Tag::kTable, "table"},
};

std::unordered_map<std::string, TagName> index_tags() {
    std::unordered_map<std::string, TagName> tags;
    std::uint32_t index = 0;
    for (const TagGroup& group : kTags) {
        each_part(group.names, ' ',
                  [&](std::string_view name) { tags[std::string(name)] = {group.kind, index++}; });
    }
    if (index > kTagNames) throw std::logic_error("kTagNames is smaller than the number of tags");
    return tags;
}

NameSet words(std::string_view list) {
    NameSet set;
    each_part(list, ' ', [&](std::string_view word) { set.emplace(word); });
    return set;
}

// Codes of the Wikipedias: links that begin with one lead to the same article in another language.
constexpr std::string_view kLanguages =
    "aa ab ace ady af ak als alt am ami an ang ann anp ar arc ary arz as ast atj av avk awa ay az "
    "azb ba ban bar bat-smg bbc bcl bdr be be-tarask be-x-old bew bg bh bi bjn blk bm bn bo bpy br "
    "bs btm bug bxr ca cbk-zam cdo ce ceb ch cho chr chy ckb co cr crh cs csb cu cv cy da dag de "
    "dga din diq dsb dtp dty dv dz ee el eml en eo es et eu ext fa fat ff fi fiu-vro fj fo fon fr "
    "frp frr fur fy ga gag gan gcr gd gl glk gn gom gor got gpe gsw gu guc gur guw gv ha hak haw "
    "he hi hif ho hr hsb ht hu hy hyw hz ia iba id ie ig igl ii ik ilo inh io is it iu ja jam jbo "
    "jv ka kaa kab kbd kbp kcg kg kge ki kj kk kl km kn knc ko koi kr krc ks ksh ku kus kv kw ky "
    "la lad lb lbe lez lfn lg li lij lld lmo ln lo lrc lt ltg lv mad mai map-bms mdf mg mh mhr mi "
    "min mk ml mn mni mnw mo mos mr mrj ms mt mus mwl my myv mzn na nah nan nap nds nds-nl ne new "
    "ng nia nl nn no nov nqo nr nrm nso nv ny oc olo om or os pa pag pam pap pcd pcm pdc pdt pfl "
    "pi pih pl pms pnb pnt ps pt pwn qu rm rmy rn ro roa-rup roa-tara rsk ru rue rup rw sa sah sat "
    "sc scn sco sd se sg sgs sh shi shn si simple sk skr sl sm smn sn so sq sr srn ss st stq su sv "
    "sw syl szl szy ta tay tcy tdd te tet tg th ti tig tk tl tly tn to tpi tr trv ts tt tum tw ty "
    "tyv udm ug uk ur uz ve vec vep vi vls vo vro wa war wo wuu xal xh xmf yi yo yue za zea zgh zh "
    "zh-classical zh-min-nan zh-yue zu";

// Behaviour switches in ASCII; in other scripts everything in capitals between the underscores is
// one.
constexpr std::string_view kSwitches =
    "TOC NOTOC FORCETOC NOEDITSECTION NEWSECTIONLINK NONEWSECTIONLINK NOGALLERY HIDDENCAT "
    "NOCONTENTCONVERT NOCC NOTITLECONVERT NOTC INDEX NOINDEX STATICREDIRECT NOGLOBAL DISAMBIG "
    "START END EXPECTUNUSEDCATEGORY EXPECTUNUSEDTEMPLATE ARCHIVEDTALK NOTALK INHALTSVERZEICHNIS "
    "KEIN_INHALTSVERZEICHNIS KEIN_INHALT ABSCHNITTE_NICHT_BEARBEITEN INDEXIEREN NICHT_INDEXIEREN "
    "VERSTECKTE_KATEGORIE AUCUNSOMMAIRE AUCUNTDM SOMMAIRE TDM FORCERSOMMAIRE FORCERTDM "
    "SECTIONNONEDITABLE INDICE NOINDICE FORZAINDICE FORZATDC FORZARTDC NOTDC TDC NOEDITARSECCION "
    "NOEDITARSECCI NIETINHOUD INHOUD GEENINHOUD FORCEERINHOUD BEZ_SPISU SPIS ZAWSZE_SPIS BEZSPISU "
    "SEMTDC SEMINDICE SUMARIO SEMSUMARIO INNEHALL INGENINNEHALL ALLTIDINNEHALL INNHOLD "
    "INGENINNHOLD SISALLYSLUETTELO EISISALLYSLUETTELOA CUPRINS FARACUPRINS ICINDEKILERYOK TARTALOM "
    "NINCSTARTALOM KHONGMUCLUC MUCLUC";

// Words behind '#' of a page that leads to another one; other scripts in the cases that are in use.
constexpr std::string_view kRedirects =
    "redirect weiterleitung redirection redirecciÓn redirección rinvia redirecionamento "
    "redirecionar doorverwijzing перенаправление ПЕРЕНАПРАВЛЕНИЕ перенапр ПЕРЕНАПР patrz "
    "przekieruj tam 重定向 重新導向 転送 リダイレクト 転送 リダイレクト đổi ĐỔI đổi_hướng تحويل omdirigering "
    "перенаправлення ПЕРЕНАПРАВЛЕННЯ přesměruj pŘesmĚruj yönlendirme yÖnlendirme yönlendİrme "
    "ohjaus uudelleenohjaus átirányítás ÁtirÁnyÍtÁs omdiriger viderestilling redirecteaza "
    "weiterleitung преусмери ПРЕУСМЕРИ пренасочување преусмеривање ПРЕУСМЕРИ preusmeri preusmjeri "
    "alih 넘겨주기 تغییرمسیر הפניה redireccion birzuzendu alidirektu tilvísun tilvÍsun pāradresācija "
    "suunamine aycenu adkas stīur ompekke अनुप्रेषित ανακατευθυνση ΑΝΑΚΑΤΕΥΘΥΝΣΗ";

}  // namespace

TagName find_tag(std::string_view lower_case_name) {
    static const std::unordered_map<std::string, TagName> tags = index_tags();
    const auto found = tags.find(std::string(lower_case_name));
    return found == tags.end() ? TagName{} : found->second;
}

bool is_interlanguage(std::string_view code) {
    static const NameSet languages = words(kLanguages);
    return code.size() <= 16 && languages.contains(lower_case(trim(code)));
}

bool has_variants(std::string_view language) {
    static constexpr std::string_view kVariantLanguages[] = {
        "zh", "sr", "sh", "kk", "ku", "crh", "gan", "iu", "shi", "tg", "uz", "ban", "mni", ""};
    const std::string_view base = language.substr(0, language.find('-'));
    return contains(kVariantLanguages, base);
}

bool is_redirect(std::string_view word) {
    static const NameSet redirects = words(kRedirects);
    return redirects.contains(lower_case(word));
}

bool is_switch(std::string_view word) {
    static const NameSet switches = words(kSwitches);
    if (word.size() < 3 || word.size() > 60) return false;
    const bool ascii = std::all_of(word.begin(), word.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (ascii) {
        std::string name(word);
        std::transform(name.begin(), name.end(), name.begin(),
                       [](char c) { return is_alpha(c) ? static_cast<char>(c & ~32) : c; });
        return switches.contains(name);
    }
    return std::all_of(word.begin(), word.end(), [](char c) {
        return static_cast<unsigned char>(c) >= 0x80 || (c >= 'A' && c <= 'Z') || c == '_';
    });
}

TemplateClasses::TemplateClasses(const std::vector<std::string>& names) {
    static const std::unordered_map<std::string_view, TemplateClass> kinds = {
        {"apart", TemplateClass::kApart},
        {"infobox", TemplateClass::kInfobox}, {"hatnote", TemplateClass::kHatnote},
        {"disambiguation", TemplateClass::kDisambiguation}, {"list", TemplateClass::kList},
    };
    for (const std::string& text : names) {
        const std::size_t colon = find_or_end(text, ':');
        const std::size_t end = find_or_end(text, '\t');
        const auto kind = kinds.find(std::string_view(text).substr(0, colon));
        if (kind == kinds.end() || colon + 1 >= end)
            throw std::invalid_argument("template_classes: no class and name: " + text);
        const std::string name =
            fold_name(std::string_view(text).substr(colon + 1, end - colon - 1));
        const Entry entry{kind->second, end < text.size() ? text.substr(end + 1) : std::string()};
        if (name.front() == '*') suffixes_.emplace_back(name.substr(1), entry);
        else if (name.back() == '*')
            prefixes_[static_cast<unsigned char>(name[0])].emplace_back(
                name.substr(0, name.size() - 1), entry);
        else exact_[name] = entry;
    }
}

const TemplateClasses::Entry& TemplateClasses::find(const std::string& name) const {
    static const Entry kNoEntry;
    if (name.empty()) return kNoEntry;
    if (const auto found = exact_.find(name); found != exact_.end()) return found->second;
    for (const auto& [prefix, entry] : prefixes_[static_cast<unsigned char>(name[0])])
        if (name.starts_with(prefix)) return entry;
    for (const auto& [suffix, entry] : suffixes_)
        if (name.ends_with(suffix)) return entry;
    return kNoEntry;
}

}  // namespace corpuskit
