// Memory of large arrays that grow in several threads: it goes back to the system when it is freed,
// where the C library would keep it for the thread that had it.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#define CORPUSKIT_PAGES 1
#endif

namespace corpuskit {

/// Takes pages of the system for what is large, and the heap for the rest.
template <typename T>
struct PageAllocator {
    using value_type = T;
    PageAllocator() = default;
    template <typename U>
    PageAllocator(const PageAllocator<U>&) {}

    T* allocate(std::size_t count) {
#ifdef CORPUSKIT_PAGES
        if (is_large(count)) {
            void* pages = mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (pages == MAP_FAILED) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
            // A slot of a table lies anywhere: with pages of 4 KiB each look would miss the TLB.
            madvise(pages, count * sizeof(T), MADV_HUGEPAGE);
#endif
            return static_cast<T*>(pages);
        }
#endif
        return static_cast<T*>(::operator new(count * sizeof(T)));
    }
    void deallocate(T* data, std::size_t count) {
#ifdef CORPUSKIT_PAGES
        if (is_large(count)) {
            munmap(data, count * sizeof(T));
            return;
        }
#endif
        ::operator delete(data);
    }
    friend bool operator==(const PageAllocator&, const PageAllocator&) { return true; }

  private:
    static bool is_large(std::size_t count) { return count >= (std::size_t{1} << 20) / sizeof(T); }
};

template <typename T>
using PageVector = std::vector<T, PageAllocator<T>>;

}  // namespace corpuskit
