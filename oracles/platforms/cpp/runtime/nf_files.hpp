/* States in files, and files that take their names when all is done. */
#ifndef NF_FILES_HPP
#define NF_FILES_HPP
#include "nf_burst.hpp"
#include "nf_exports.h"
#include "nf_files.h"
#include "nf_json.h"

namespace nf {

/* nf_files.h has said what is wrong. */
struct Told : Failure {
    Told() : Failure("") {}
};

/* An output: it is gone if it isn't kept. */
class Target {
    nf_target target_ = {-1, nullptr, nullptr};
    std::string name_;

  public:
    Target() = default;
    explicit Target(const std::string &name) : name_(name)
    {
        if (nf_target_open(&target_, name.c_str()))
            throw Told();
    }
    Target(Target &&other) noexcept : target_(other.target_), name_(std::move(other.name_))
    {
        other.target_ = {-1, nullptr, nullptr};
    }
    Target &operator=(Target &&other) noexcept
    {
        std::swap(target_, other.target_);
        std::swap(name_, other.name_);
        return *this;
    }
    ~Target() { nf_target_close(&target_, 0); }

    int descriptor() const { return target_.fd; }
    const std::string &name() const { return name_; }

    void write(const u8 *data, u64 length)
    {
        while (length) {
            const ssize_t done = ::write(target_.fd, data, length);
            if (done < 0 && errno != EINTR)
                throw Failure(name_ + ": " + strerror(errno));
            data += done > 0 ? done : 0;
            length -= done > 0 ? u64(done) : 0;
        }
    }

    void keep()
    {
        const bool failed = nf_target_close(&target_, 1);
        target_ = {-1, nullptr, nullptr};
        if (failed)
            throw Told();
    }
};

/* Bytes that nf_buffer_free gives back. */
struct Buffer : nf_buffer {
    Buffer() : nf_buffer{nullptr, 0, 0} {}
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    ~Buffer() { nf_buffer_free(this); }
};

/* A state from a file in the binary form. */
inline void load(nf_core *core, const std::string &file)
{
    Buffer b;
    if (nf_slurp(file.c_str(), &b))
        throw Told();
    if (b.length < 8 || memcmp(b.data, "NFVSTATE", 8))
        throw Failure(file + ": not a state in the binary form (`nfverify run ... --state S.bin` makes "
                      "one of any)");
    const i32 error = nf_load(core, b.data, b.length);
    if (error)
        throw Failure(file + ": " + nf_error_text(error));
}

/* The state into a file: as JSON, or NAME.bin in binary. */
inline void save(nf_core *core, Target &target)
{
    Buffer b;
    const std::string &name = target.name();
    const bool binary = name.size() >= 4 && !name.compare(name.size() - 4, 4, ".bin");
    i32 error = binary ? nf_save(core, &b) : nf_flush(core);
    if (!error && !binary)
        error = nf_json_write(nf_describe(), core, &b);
    if (error)
        throw Failure(name + ": " + nf_error_text(error));
    target.write(b.data, b.length);
}

inline void save(nf_core *core, const std::string &file)
{
    Target target(file);
    save(core, target);
    target.keep();
}

}
#endif
