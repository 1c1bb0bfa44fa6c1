// Characters looked for 16 bytes of a text at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace corpuskit::gutenberg {

/// 16 bytes of a text.
template <class C>
struct Lanes {
    typedef C Some __attribute__((vector_size(16)));
    static constexpr std::size_t kCount = 16 / sizeof(C);

    static Some load(const C* at) {
        Some some;
        std::memcpy(&some, at, sizeof(some));
        return some;
    }
    static bool any(auto lanes) {
        std::uint64_t halves[2];
        std::memcpy(halves, &lanes, sizeof(halves));
        return (halves[0] | halves[1]) != 0;
    }
    /// Whether one of those that look_for_marks looks at, and a few more, is among them.
    static bool may_be_mark(const C* at) {
        const Some some = load(at), large = some | 0x20;
        // [ \ ] ^ _ { | } ~ and < = ( +
        return any(((large - 0x7B) < 5) | ((some & static_cast<C>(~1)) == 0x3C) | (some == '(') |
                   (some == '+'));
    }
    /// Whether two spaces or stops, or a stop and one behind a space, begin among them. Reads two
    /// characters more.
    static bool may_have_gap(const C* at) {
        const Some first = load(at), second = load(at + 1), third = load(at + 2);
        return any((((first == ' ') | (first == '.')) & (first == second)) | (first == '\t') |
                   ((first == '.') & (second == ' ') & (third == '.')));
    }
    /// Whether a character is among them that is not below a limit.
    static bool has_from(const C* at, std::uint32_t limit) {
        return any(load(at) >= static_cast<C>(limit));
    }
    /// Whether three of a character begin among them. Reads two characters more.
    static bool has_three(const C* at, char c) {
        return any((load(at) == static_cast<C>(c)) & (load(at + 1) == static_cast<C>(c)) &
                   (load(at + 2) == static_cast<C>(c)));
    }
};

/// Where a character of ASCII is, or the end.
template <class C>
const C* find(const C* at, const C* end, char c) {
    using L = Lanes<C>;
    for (; end - at >= static_cast<std::ptrdiff_t>(L::kCount); at += L::kCount)
        if (L::any(L::load(at) == static_cast<C>(c))) break;
    return std::find(at, end, static_cast<C>(c));
}
template <>
inline const std::uint8_t* find(const std::uint8_t* at, const std::uint8_t* end, char c) {
    if (at == end) return end;
    const void* found = std::memchr(at, c, static_cast<std::size_t>(end - at));
    return found == nullptr ? end : static_cast<const std::uint8_t*>(found);
}

/// Whether `test`, of as many characters as lanes that may read two more, holds somewhere; `rest`
/// says it of the places left.
template <class C>
bool any_place(const C* at, const C* end, auto test, auto rest) {
    constexpr auto kStep = static_cast<std::ptrdiff_t>(Lanes<C>::kCount);
    for (; end - at >= kStep + 2; at += kStep)
        if (test(at)) return true;
    return rest(at, end);
}

/// Whether a text may have a gap between columns: two spaces, a tab, two stops.
template <class C>
bool may_have_gap(const C* begin, const C* end) {
    return any_place(begin, end, &Lanes<C>::may_have_gap, [](const C* at, const C* stop) {
        for (; at < stop; ++at) {
            if (*at == '\t') return true;
            if (stop - at > 1 && (*at == ' ' || *at == '.') && at[0] == at[1]) return true;
            if (stop - at > 2 && at[0] == '.' && at[1] == ' ' && at[2] == '.') return true;
        }
        return false;
    });
}

/// Whether three of a character stand together.
template <class C>
bool has_three(const C* begin, const C* end, char c) {
    return any_place(
        begin, end, [c](const C* at) { return Lanes<C>::has_three(at, c); },
        [c](const C* at, const C* stop) {
            const auto wanted = static_cast<C>(c);
            for (; stop - at > 2; ++at)
                if (at[0] == wanted && at[1] == wanted && at[2] == wanted) return true;
            return false;
        });
}

}  // namespace corpuskit::gutenberg
