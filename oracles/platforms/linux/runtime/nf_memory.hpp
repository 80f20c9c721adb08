/* The input's frames in memory, for --bench: each from a multiple of 64 bytes on, on huge pages. */
#ifndef NF_MEMORY_HPP
#define NF_MEMORY_HPP
#include <sys/mman.h>
#include "nf_captures.hpp"

namespace nf {

class Pages {
    u64 size_;
    void *data_;

  public:
    explicit Pages(u64 size)
        : size_(size + (2 << 20)),
          data_(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
    {
        if (data_ == MAP_FAILED)
            throw std::bad_alloc();
        madvise(data_, size_, MADV_HUGEPAGE);
    }
    Pages(const Pages &) = delete;
    Pages &operator=(const Pages &) = delete;
    ~Pages() { munmap(data_, size_); }

    u8 *data() const { return reinterpret_cast<u8 *>((uintptr_t(data_) + (2 << 20) - 1) >> 21 << 21); }
};

class Memory {
    static constexpr u32 LINE = 64;

    std::vector<u8> original_;
    std::vector<u8 *> frames_;
    std::vector<u32> lengths_, originals_;
    std::vector<u16> ports_;
    std::unique_ptr<Pages> pages_;
    bool one_port_ = true;
    u32 at_ = 0;

  public:
    explicit Memory(Options &options)
    {
        Captures captures(options);
        Slots slots;
        Burst &b = slots.burst;
        std::vector<u64> starts;
        for (bool more = true; more;) {
            b.n = 0;
            more = captures.receive(b);
            for (u32 i = 0; i < b.n; i++) {
                starts.push_back(original_.size());
                lengths_.push_back(b.lengths[i]);
                originals_.push_back(b.originals[i]);
                ports_.push_back(b.ports[i]);
                one_port_ &= b.ports[i] == 0;
                original_.insert(original_.end(), b.frames[i], b.frames[i] + b.lengths[i]);
                original_.resize((original_.size() + LINE - 1) / LINE * LINE);
            }
        }
        pages_ = std::make_unique<Pages>(original_.size());
        for (u64 start : starts)
            frames_.push_back(pages_->data() + start);
    }

    void rewind()
    {
        memcpy(pages_->data(), original_.data(), original_.size());
        at_ = 0;
    }

    bool receive(Burst &b)
    {
        b.n = std::min(b.room, u32(frames_.size()) - at_);
        b.frames = frames_.data() + at_;
        b.lengths = lengths_.data() + at_;
        b.originals = originals_.data() + at_;
        b.ports = one_port_ ? nullptr : ports_.data() + at_;
        at_ += b.n;
        return at_ < frames_.size();
    }
};

}
#endif
