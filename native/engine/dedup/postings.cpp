#include "engine/dedup/postings.hpp"

#include <algorithm>

namespace corpuskit {

namespace {

bool smaller(const Posting& a, const Posting& b) { return a.size < b.size; }

}  // namespace

void PostingList::order() {
    const std::size_t behind = all_.size() - ordered_;
    // About the square root: ordering costs each posting as much as looking through those behind.
    if (behind <= 32 || behind * behind <= all_.size()) return;
    const auto border = all_.begin() + static_cast<std::ptrdiff_t>(ordered_);
    std::sort(border, all_.end(), smaller);
    std::inplace_merge(all_.begin(), border, all_.end(), smaller);
    ordered_ = all_.size();
}

std::size_t PostingList::first_of(std::uint64_t least) const {
    const auto end = all_.begin() + static_cast<std::ptrdiff_t>(ordered_);
    const auto found = std::lower_bound(
        all_.begin(), end, least,
        [](const Posting& posting, std::uint64_t size) { return posting.size < size; });
    return static_cast<std::size_t>(found - all_.begin());
}

void Postings::add(std::uint64_t token, const Posting& posting) {
    if (2 * (lists_.size() + 1) > slots_.size()) grow();
    Slot& found = slot(token);
    if (found.list == 0) {
        lists_.emplace_back();
        found = {token, static_cast<std::uint32_t>(lists_.size())};
    }
    lists_[found.list - 1].add(posting);
    ++postings_;
}

PostingList* Postings::find(std::uint64_t token) {
    const Slot& found = slot(token);
    return found.list == 0 ? nullptr : &lists_[found.list - 1];
}

Postings::Slot& Postings::slot(std::uint64_t token) {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = token & mask;; at = (at + 1) & mask)
        if (slots_[at].list == 0 || slots_[at].token == token) return slots_[at];
}

void Postings::grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    for (const Slot& each : old)
        if (each.list != 0) slot(each.token) = each;
}

}  // namespace corpuskit
