// Which kept sets have a token in their prefix, ordered by their sizes.
#pragma once

#include <cstdint>
#include <vector>

namespace corpuskit {

/// The kept set number `set`, of `size` tokens, has the token at `place` of its prefix.
struct Posting {
    std::uint32_t set, place;
    std::uint64_t size;
};

/// Postings of one token. New ones stand behind the ordered ones until they are too many.
class PostingList {
  public:
    void add(const Posting& posting) { all_.push_back(posting); }
    /// Calls use(posting) for those of sets of `least` to `most` tokens.
    template <typename Use>
    void within(std::uint64_t least, std::uint64_t most, Use use) {
        order();
        for (std::size_t i = first_of(least); i < ordered_ && all_[i].size <= most; ++i)
            use(all_[i]);
        for (std::size_t i = ordered_; i < all_.size(); ++i)
            if (least <= all_[i].size && all_[i].size <= most) use(all_[i]);
    }

  private:
    void order();
    std::size_t first_of(std::uint64_t least) const;

    std::vector<Posting> all_;
    std::size_t ordered_ = 0;
};

/// Lists by token.
class Postings {
  public:
    Postings() : slots_(16) {}
    void add(std::uint64_t token, const Posting& posting);
    /// The list of a token, or none.
    PostingList* find(std::uint64_t token);
    /// About what is held.
    std::size_t bytes() const {
        return slots_.size() * sizeof(Slot) + lists_.size() * (sizeof(PostingList) + 32) +
               postings_ * sizeof(Posting) * 3 / 2;
    }

  private:
    struct Slot {
        std::uint64_t token = 0;
        std::uint32_t list = 0;  // from 1; 0 for none
    };
    Slot& slot(std::uint64_t token);
    void grow();

    std::vector<Slot> slots_;  // a power of two of them
    std::vector<PostingList> lists_;
    std::size_t postings_ = 0;
};

}  // namespace corpuskit
