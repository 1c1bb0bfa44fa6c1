#include "engine/mediawiki/page_xml.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

namespace corpuskit {

namespace {

// Dumps nest four deep (page, revision, contributor, id). A page with more is left to expat, like
// all that is not plain.
constexpr std::size_t kMostOpen = 32, kMostAttributes = 32;

constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n'; }
constexpr bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
constexpr bool is_name(char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == ':' || c == '-' || c == '.';
}

/// Bytes of text that need a look: control characters, markup, and all outside ASCII. In the value
/// of an attribute quotes too, and white space that would become a space there.
constexpr std::array<bool, 256> special_bytes(bool in_tag) {
    std::array<bool, 256> special{};
    for (std::size_t i = 0; i < 256; ++i) special[i] = i < 0x20 || i >= 0x80;
    special['\t'] = special['\n'] = in_tag;
    special['"'] = special['\''] = in_tag;
    special['<'] = special['>'] = special['&'] = true;
    return special;
}
constexpr std::array<bool, 256> kSpecialInText = special_bytes(false),
                                kSpecialInTag = special_bytes(true);

/// Whether none of eight bytes of text needs a look.
bool is_ordinary(const char* text) {
    constexpr std::uint64_t kEach = 0x0101010101010101, kHigh = kEach * 0x80;
    std::uint64_t x;
    std::memcpy(&x, text, 8);
    // Sets the highest bit of a byte that is 0. A borrow may set it in bytes above such a one too,
    // but if no byte is 0 it sets none, and more is not asked.
    const auto zero = [](std::uint64_t v) { return (v - kEach) & ~v; };
    const std::uint64_t control = (x - kEach * 0x20) & ~x, ampersand = zero(x ^ kEach * '&');
    const std::uint64_t angle = zero((x | kEach * 2) ^ kEach * '>');  // '<' is '>' without that bit
    return ((x | control | ampersand | angle) & kHigh) == 0;
}

/// Bytes of the character that begins at `at`, which is no ASCII; 0 if it is none that XML allows.
std::size_t character_size(std::string_view s, std::size_t at) {
    const auto byte = [&](std::size_t i) {
        return at + i < s.size() ? static_cast<unsigned char>(s[at + i]) : 0u;
    };
    const unsigned first = byte(0);
    const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4) return 0;
    for (std::size_t i = 1; i < size; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;  // too long for what it says
    if (first == 0xED && byte(1) >= 0xA0) return 0;                         // a surrogate
    if (first == 0xEF && byte(1) == 0xBF && byte(2) >= 0xBE) return 0;      // U+FFFE, U+FFFF
    if (first == 0xF0 && byte(1) < 0x90) return 0;
    if (first == 0xF4 && byte(1) >= 0x90) return 0;
    return size;
}

void append_character(std::string& out, std::uint32_t c) {
    const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xC0 | c >> 6), put(0x80 | (c & 63));
    } else if (c < 0x10000) {
        put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
    } else {
        put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 63)), put(0x80 | (c >> 6 & 63)),
            put(0x80 | (c & 63));
    }
}

/// The number of a character reference, "#10" or "#xA", if it is a character that XML allows.
std::optional<std::uint32_t> referred(std::string_view name) {
    const bool hex = name.size() > 1 && name[1] == 'x';
    const std::string_view digits = name.substr(hex ? 2 : 1);
    // Eight digits cannot overflow, and no character needs more.
    if (digits.empty() || digits.size() > 8) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : digits) {
        const char low = static_cast<char>(c | 0x20);
        if (c >= '0' && c <= '9')
            value = value * (hex ? 16 : 10) + static_cast<std::uint64_t>(c - '0');
        else if (hex && low >= 'a' && low <= 'f')
            value = value * 16 + static_cast<std::uint64_t>(low - 'a' + 10);
        else return std::nullopt;
    }
    const bool control = value < 0x20 && value != 9 && value != 10 && value != 13;
    const bool none = (value >= 0xD800 && value < 0xE000) || (value & 0xFFFE) == 0xFFFE ||
                      value > 0x10FFFF;
    return control || none ? std::nullopt : std::optional(static_cast<std::uint32_t>(value));
}

class PageReader {
  public:
    explicit PageReader(std::string_view xml) : xml_(xml) {}

    PageFields read() {
        do {
            if (!read_tag() || (depth_ != 0 && !read_text('<', collects_ ? &value_ : nullptr)))
                return {};
        } while (depth_ != 0);
        while (at_ < xml_.size() && is_space(xml_[at_])) ++at_;
        fields_.understood = at_ == xml_.size();
        return fields_.understood ? std::move(fields_) : PageFields{};
    }

  private:
    std::string_view xml_;
    std::size_t at_ = 0;
    std::array<std::string_view, kMostOpen> open_;
    std::size_t depth_ = 0;
    bool in_revision_ = false;
    std::optional<PageField> collects_;
    std::string value_;
    PageFields fields_;

    bool next_is(char c) const { return at_ < xml_.size() && xml_[at_] == c; }

    bool take(char c) {
        if (!next_is(c)) return false;
        ++at_;
        return true;
    }

    bool skip_space() {
        const std::size_t before = at_;
        while (at_ < xml_.size() && is_space(xml_[at_])) ++at_;
        return at_ != before;
    }

    /// A name of ASCII letters; empty if none stands here.
    std::string_view take_name() {
        const std::size_t start = at_;
        if (at_ < xml_.size() && is_letter(xml_[at_]))
            while (at_ < xml_.size() && is_name(xml_[at_])) ++at_;
        return xml_.substr(start, at_ - start);
    }

    bool read_tag() {
        if (!take('<')) return false;
        if (take('/')) {
            const std::string_view name = take_name();
            skip_space();
            return depth_ != 0 && name == open_[depth_ - 1] && take('>') && close();
        }
        const std::string_view name = take_name();
        if (name.empty() || depth_ == kMostOpen || collects_) return false;
        open_[depth_++] = name;
        begin(name);
        if (!read_attributes(name)) return false;
        if (take('/')) return take('>') && close();
        return take('>');
    }

    /// Up to the end of the tag. No attribute may stand twice.
    bool read_attributes(std::string_view element) {
        std::array<std::string_view, kMostAttributes> seen;
        std::size_t count = 0;
        while (true) {
            const bool apart = skip_space();
            if (next_is('>') || next_is('/')) return true;
            const std::string_view name = take_name();
            const auto end = seen.begin() + static_cast<std::ptrdiff_t>(count);
            if (!apart || name.empty() || count == kMostAttributes ||
                std::find(seen.begin(), end, name) != end)
                return false;
            seen[count++] = name;
            skip_space();
            if (!take('=')) return false;
            skip_space();
            const char quote = next_is('\'') ? '\'' : '"';
            const bool wanted = depth_ == 2 && element == "redirect" && name == "title";
            if (!take(quote) || !read_text(quote, wanted ? &fields_.values.back() : nullptr) ||
                !take(quote))
                return false;
        }
    }

    /// Text up to `end`, which is '<' outside tags, else the quote of an attribute. `out` may be
    /// null.
    bool read_text(char end, std::string* out) {
        const bool in_tag = end != '<';
        const auto& special = in_tag ? kSpecialInTag : kSpecialInText;
        std::size_t start = at_;
        const auto flush = [&] {
            if (out) out->append(xml_.substr(start, at_ - start));
        };
        while (at_ < xml_.size()) {
            while (!in_tag && at_ + 8 <= xml_.size() && is_ordinary(xml_.data() + at_)) at_ += 8;
            if (at_ == xml_.size()) return false;
            const char c = xml_[at_];
            if (!special[static_cast<unsigned char>(c)]) {
                ++at_;
            } else if (c == end) {
                flush();
                return true;
            } else if (c == '&') {
                flush();
                if (!read_entity(out)) return false;
                start = at_;
            } else if (c == '"' || c == '\'') {
                ++at_;
            } else if (c == '>') {
                if (!in_tag && at_ >= 2 && xml_[at_ - 1] == ']' && xml_[at_ - 2] == ']')
                    return false;
                ++at_;
            } else {
                const std::size_t size = static_cast<unsigned char>(c) >= 0x80
                                             ? character_size(xml_, at_)
                                             : 0;
                // '<' or a tab in an attribute, a control character, or no UTF-8.
                if (size == 0) return false;
                at_ += size;
            }
        }
        return false;
    }

    bool read_entity(std::string* out) {
        // The longest is "#x", eight digits and ";": a lone '&' costs no search.
        const std::string_view rest = xml_.substr(at_ + 1, 12);
        const std::size_t stop = rest.find(';');
        if (stop == std::string_view::npos) return false;
        const std::string_view name = rest.substr(0, stop);
        std::uint32_t c = 0;
        if (name == "lt") c = '<';
        else if (name == "gt") c = '>';
        else if (name == "amp") c = '&';
        else if (name == "quot") c = '"';
        else if (name == "apos") c = '\'';
        else if (const auto number = name.starts_with('#') ? referred(name) : std::nullopt)
            c = *number;
        else return false;
        if (out) append_character(*out, c);
        at_ += stop + 2;
        return true;
    }

    /// An element begins that now stands at the top of `open_`.
    void begin(std::string_view name) {
        using enum PageField;
        static constexpr std::array<std::pair<std::string_view, PageField>, 3> kOfPage = {
            {{"title", kTitle}, {"ns", kNamespace}, {"id", kId}}};
        static constexpr std::array<std::pair<std::string_view, PageField>, 4> kOfRevision = {
            {{"id", kRevisionId}, {"timestamp", kTimestamp}, {"model", kModel}, {"text", kText}}};
        const auto collect = [&](const auto& known) {
            for (const auto& [of, field] : known)
                if (of == name) collects_ = field;
            if (collects_ == kText) value_.reserve(xml_.size() - at_);
        };
        if (depth_ == 2) {
            in_revision_ = name == "revision";
            if (in_revision_) add(kRevision);
            else if (name == "redirect") add(kRedirect);
            else collect(kOfPage);
        } else if (depth_ == 3 && in_revision_) {
            collect(kOfRevision);
        }
    }

    bool close() {
        if (collects_) {
            add(*collects_);
            fields_.values.back().swap(value_);
            collects_.reset();
        }
        --depth_;
        return true;
    }

    void add(PageField name) {
        fields_.names.push_back(name);
        fields_.values.emplace_back();
    }
};

}  // namespace

PageFields read_page_xml(std::string_view xml) { return PageReader(xml).read(); }

PageTag find_page_tag(std::string_view xml, std::size_t from) {
    constexpr std::string_view kOpen = "<page", kClose = "</page>", kEnds = " \t\n\r\f\v>";
    for (std::size_t at = xml.find('<', from); at != std::string_view::npos;
         at = xml.find('<', at + 1)) {
        const std::string_view tag = xml.substr(at, kClose.size());
        if (tag == kClose) return {at, true};
        if (tag.size() > kOpen.size() && tag.starts_with(kOpen) &&
            kEnds.find(tag[kOpen.size()]) != kEnds.npos)
            return {at, false};
    }
    return {};
}

}  // namespace corpuskit
