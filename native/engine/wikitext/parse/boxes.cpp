// First pass: what a page has beside its prose. Infoboxes, hatnotes, captions of images and
// galleries, and the templates that say what a page is.
#include <algorithm>
#include <iterator>

#include "engine/wikitext/parse/engine.hpp"

namespace corpuskit {

namespace {

// Words in a link to an image that place it, in the languages of the large wikis; a thumb shows its
// caption.
constexpr std::string_view kThumbs[] = {
    "thumb", "thumbnail", "frame", "framed", "enframed", "mini", "miniatur", "gerahmt", "vignette",
    "cadre", "encadré", "miniatura", "miniaturadeimagen", "miniaturaimagen", "marco", "enmarcado",
    "min", "riquadrato", "incorniciato", "commoldura", "miniaturadaimagem", "omkaderd", "мини",
    "миниатюра", "мініатюра", "обрамити", "kciuk", "mały", "ramka", "缩略图", "縮圖", "サムネイル", "フレーム",
    "nhỏ", "khung", "تصغير", "إطار", "miniatyr", "ram", "náhled", "rám", "küçükresim", "çerçeveli",
    "miniatiūra", "sīktēls", "섬네일",
};
constexpr std::string_view kPlaces[] = {
    "left", "right", "center", "centre", "none", "frameless", "border", "baseline", "sub", "super",
    "sup", "top", "text-top", "middle", "bottom", "text-bottom", "upright", "links", "rechts",
    "zentriert", "ohne", "hochkant", "rahmenlos", "gauche", "droite", "centré", "néant", "redresse",
    "derecha", "izquierda", "centro", "centrada", "centrado", "no", "sinistra", "destra", "nessuno",
    "verticale", "direita", "dta", "esquerda", "esq", "rechts", "gecentreerd", "geen", "rechtop",
    "справа", "слева", "центр", "без", "праворуч", "ліворуч", "prawo", "lewo", "bez", "右", "左",
    "居中", "置中", "无", "中央", "なし", "phải", "trái", "giữa", "không", "يمين", "يسار", "مركز", "وسط",
    "بدون", "höger", "vänster", "centrerad", "ingen", "vlevo", "vpravo", "střed", "sağ", "sol",
    "orta", "yok",
};
// Options with a value: "alt=a dog".
constexpr std::string_view kSettings[] = {
    "alt",    "link",   "lang",      "page",     "class",          "upright", "thumb",
    "start",  "end",    "thumbtime", "lien",     "langue",         "seite",   "verweis",
    "enlace", "pagina", "redresse",  "hochkant", "alternativtext", "sprache"};
// Parameters of infoboxes that say how they look.
constexpr std::string_view kLooks[] = {
    "image", "img", "photo", "logo", "map", "karte", "immagine", "imagen", "imagem", "taille",
    "légende", "size", "width", "height px", "style", "color", "colour", "couleur", "alt",
    "caption", "didascalia", "bildbeschreibung", "zoom", "pushpin", "mapframe", "bild", "flag",
    "coat", "blason", "drapeau", "stemma", "bandiera", "foto", "изображение", "hình", "background",
    "fontcolour", "upright", "embed", "child", "signature", "coordinates", "bodyclass", "class",
};

/// "250px", "x250px", "250x200px"
bool is_size(std::string_view s) {
    return s.ends_with("px") && s.size() < 16 && s.find_first_not_of("0123456789x px") == kNone;
}

bool is_setting(std::string_view option) {
    const std::size_t equals = option.substr(0, 24).find('=');
    return equals != kNone && contains(kSettings, lower_case(trim_marks(option.substr(0, equals))));
}

/// What an argument of an infobox holds is text and not a file, a colour or a switch.
bool is_fact(std::string_view key, std::string_view value) {
    const std::string name = lower_case(key), content = lower_case(plain(value));
    if (!has_word(content) || name.empty()) return false;
    for (std::string_view look : kLooks)
        if (name.starts_with(look) || name.ends_with(look)) return false;
    for (std::string_view ending :
         {".jpg", ".jpeg", ".png", ".svg", ".gif", ".tif", ".webp", ".ogg", "px"})
        if (content.ends_with(ending)) return false;
    static constexpr std::string_view kSwitches[] = {"yes",  "no",    "on",   "off", "y",  "n",
                                                     "true", "false", "none", "oui", "non"};
    return content.front() != '#' && !contains(kSwitches, content);
}

}  // namespace

/// A template that no rule writes does what its class says; what it writes is appended to scratch_.
void WikitextEngine::finish_box(const Frame& frame) {
    const TemplateClasses::Entry& entry = classes_.find(call_.name);
    switch (entry.kind) {
        case TemplateClass::kNone:
        case TemplateClass::kApart: return;
        case TemplateClass::kDisambiguation: facts_->flags |= kFlagDisambiguation; return;
        case TemplateClass::kList: facts_->flags |= kFlagList; return;
        case TemplateClass::kHatnote:
            if (options_.hatnotes) write_hatnote(frame, entry.lead);
            else ++counters_->hatnotes;
            return;
        case TemplateClass::kInfobox:
            if (options_.infobox) write_infobox(frame);
            else ++counters_->infoboxes;
    }
}

/// The arguments of the innermost template: named ones with their name, in order.
template <typename Use>
void WikitextEngine::each_argument(const Frame& frame, Use use) {
    count_step((out_.size() - frame.content) / 4);
    for (std::size_t i = frame.first_bar; i < bars_.size(); ++i) {
        const std::string_view text = behind_bar(i);
        const std::size_t equals = equals_of(i);
        if (equals == kNone) use(std::string_view(), trim_marks(text));
        else use(trim_marks(text.substr(0, equals)), trim_marks(text.substr(equals + 1)));
    }
}

/// {{Main|Ulm|Ulm Minster}} -> a line "Main article: Ulm, Ulm Minster"
void WikitextEngine::write_hatnote(const Frame& frame, std::string_view lead) {
    std::string line;
    each_argument(frame, [&](std::string_view name, std::string_view value) {
        if (!name.empty() && !is_digit(name.front())) return;
        if (!has_word(plain(value))) return;
        if (!line.empty()) line.append(", ");
        append_flat(value, " ", line);
    });
    if (line.empty()) return;
    scratch_.append("\n").push_back(kLine);
    scratch_.append(lead).append(line).append("\n\n");
}

/// The arguments as lines "key: value".
void WikitextEngine::write_infobox(const Frame& frame) {
    const std::size_t before = scratch_.size();
    each_argument(frame, [&](std::string_view name, std::string_view value) {
        if (name.empty() || !is_fact(name, value)) return;
        scratch_.append("\n").push_back(kLine);
        for (char c : name) scratch_.push_back(c == '_' ? ' ' : c);
        scratch_.append(": ");
        append_flat(value, ", ", scratch_);
    });
    if (scratch_.size() > before) scratch_.append("\n\n");
}

// ---------------------------------------------------------------------------------------- captions

/// The caption of the innermost link, which leads to a file; empty when it shows none.
std::string_view WikitextEngine::file_caption(const Frame& frame) {
    std::string_view caption;
    bool thumb = false;
    for (std::size_t i = frame.first_bar; i < bars_.size(); ++i) {
        const std::string_view option = trim_marks(behind_bar(i));
        const std::string word = option.size() < 32 ? lower_case(option) : std::string();
        if (contains(kThumbs, word) || word.starts_with("thumb=") || word.starts_with("thumbnail="))
            thumb = true;
        else if (!contains(kPlaces, word) && !is_size(word) && !is_setting(option))
            caption = option;
    }
    return thumb && has_word(plain(caption)) ? caption : std::string_view();
}

/// Keeps the caption of the innermost link until its paragraph has ended, or counts it as dropped.
void WikitextEngine::keep_caption(const Frame& frame) {
    const std::string_view caption = file_caption(frame);
    count_step(caption.size() / 4);
    if (caption.empty()) return;
    if (!options_.captions || open(Kind::kTemplate) > 0) {
        ++counters_->captions;
        return;
    }
    captions_.append("\n").push_back(kLine);
    append_flat(caption, " ", captions_);
    captions_.append("\n\n");
}

/// Writes the captions that wait, where a paragraph ends: at the end of a line, before `pos_`.
void WikitextEngine::flush_captions() {
    if (captions_.empty() || !frames_.empty()) return;
    const std::string_view next = in_.substr(std::min(pos_ + 1, in_.size()), 1);
    const bool line_empty = at_line_start();
    if (!next.empty() && !line_empty && !is_any(next[0], "\n=*#:;{|")) return;
    out_.append(captions_);
    captions_.clear();
}

namespace {

/// Where the caption stands on a line of a gallery: the last part behind a bar that is no setting.
std::string_view gallery_caption(std::string_view line) {
    std::string_view caption;
    int depth = 0;
    // Where the part begins that is read; the first one is the name of the file.
    std::size_t part = kNone;
    for (std::size_t i = 0; i <= line.size(); ++i) {
        const char c = i < line.size() ? line[i] : '|';
        if (c == '[' || c == '{') ++depth;
        if (c == ']' || c == '}') --depth;
        if (c != '|' || (depth > 0 && i < line.size())) continue;
        if (part != kNone && !is_setting(line.substr(part, i - part)))
            caption = line.substr(part, i - part);
        part = i + 1;
    }
    return caption;
}

}  // namespace

/// <gallery>: each line is a file and its caption. Moves to the next caption from the line on that
/// begins at pos_.
void WikitextEngine::gallery_line() {
    while (pos_ < gallery_end_) {
        const std::size_t end = std::min({in_.find('\n', pos_), gallery_end_, in_.size()});
        count_step(end - pos_);
        const std::string_view caption = gallery_caption(in_.substr(pos_, end - pos_));
        if (has_word(caption)) {
            pos_ = static_cast<std::size_t>(caption.data() - in_.data());
            caption_end_ = pos_ + caption.size();
            if (!out_.ends_with('\n')) out_.push_back('\n');
            out_.push_back(kLine);
            return;
        }
        pos_ = std::min(end + 1, gallery_end_);
    }
}

}  // namespace corpuskit
