/* The input's frames in memory, for --bench: each from a multiple of 64 bytes on, on huge pages. */
#ifndef NF_MEMORY_HPP
#define NF_MEMORY_HPP
#include <sys/mman.h>
#include "nf_program.hpp"

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

    std::vector<u8> original_; /* as the frames came, each from a multiple of LINE on */
    std::unique_ptr<Pages> frames_, lengths_;
    std::vector<u32> originals_; /* lengths on the wire; empty: the same */
    std::vector<u16> ports_;     /* empty: the first */
    u32 count_ = 0, at_ = 0;
    u32 stride_ = 0; /* of frames that are all as long; else 0 */
    u8 *next_ = nullptr;

    static u32 room(u32 length) { return (length + LINE - 1) & ~(LINE - 1); }
    u32 *lengths() const { return reinterpret_cast<u32 *>(lengths_->data()); }

  public:
    /* All that a platform's source of packets brings. */
    template <class Source> explicit Memory(Source &source)
    {
        std::vector<u32> lengths;
        for (bool more = true; more;) {
            Slots slots;
            Burst &b = slots.burst;
            more = source.receive(b);
            for (u32 i = 0; i < b.n; i++) {
                lengths.push_back(b.lengths[i]);
                originals_.push_back(b.originals[i]);
                ports_.push_back(b.ports[i]);
                original_.insert(original_.end(), b.frames[i], b.frames[i] + b.lengths[i]);
                original_.resize(original_.size() + room(b.lengths[i]) - b.lengths[i]);
            }
            source.finish(b);
        }
        count_ = u32(lengths.size());
        stride_ = count_ ? room(lengths[0]) : 0;
        for (u32 length : lengths)
            stride_ = room(length) == stride_ ? stride_ : 0;
        frames_ = std::make_unique<Pages>(original_.size());
        lengths_ = std::make_unique<Pages>(4 * u64(count_));
        std::copy(lengths.begin(), lengths.end(), this->lengths());
        if (originals_ == lengths)
            originals_.clear();
        if (std::count(ports_.begin(), ports_.end(), 0) == i64(count_))
            ports_.clear();
    }

    void rewind()
    {
        next_ = frames_->data();
        std::copy(original_.begin(), original_.end(), next_);
        at_ = 0;
    }

    bool receive(Burst &b)
    {
        return receive(b, [](u32, u8 *frame, u32) { return frame; });
    }

    /* `hand(i, frame, length)` says where frame i of the burst is then. */
    template <class Hand> bool receive(Burst &b, Hand hand)
    {
        const u32 n = std::min(b.room, count_ - at_), *const length = lengths() + at_;
        u8 **const frames = b.frames, *next = next_;
        if (stride_) {
            for (u32 i = 0, stride = stride_; i < n; i++, next += stride)
                frames[i] = hand(i, next, length[i]);
        } else {
            for (u32 i = 0; i < n; next += room(length[i++]))
                frames[i] = hand(i, next, length[i]);
        }
        next_ = next;
        b.n = n;
        b.lengths = lengths() + at_;
        b.originals = originals_.empty() ? nullptr : originals_.data() + at_;
        b.ports = ports_.empty() ? nullptr : ports_.data() + at_;
        at_ += b.n;
        return at_ < count_;
    }
};

}
#endif
