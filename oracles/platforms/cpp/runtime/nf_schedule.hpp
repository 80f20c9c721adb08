/* The exact times of packets, and the order in which they are taken from the inputs. */
#ifndef NF_SCHEDULE_HPP
#define NF_SCHEDULE_HPP
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include "nf_burst.hpp"

namespace nf {

/* A file of lines `PORT TIME`: a port's number, and ns. */
class Schedule {
    std::string name_;
    std::unique_ptr<FILE, int (*)(FILE *)> file_{nullptr, fclose};
    u32 n_ports_ = 0;
    u64 line_ = 0;

  public:
    void open(const char *name, u32 n_ports)
    {
        name_ = name;
        n_ports_ = n_ports;
        file_.reset(fopen(name, "re"));
        if (!file_)
            throw Failure(name_ + ": " + strerror(errno));
    }

    bool given() const { return file_ != nullptr; }
    const std::string &name() const { return name_; }

    /* The next packet's port and time; false: there are no more. */
    bool next(u16 &port, u64 &time)
    {
        char line[64], rest;
        if (!fgets(line, sizeof line, file_.get()))
            return false;
        line_++;
        unsigned number;
        if (sscanf(line, "%6u %19" SCNu64 " %c", &number, &time, &rest) != 2 || number >= n_ports_
            || time >= NF_TIME_LIMIT)
            throw Broken(name_ + ": line " + std::to_string(line_)
                         + ": not the number of a port and a time in ns below 2^62");
        port = u16(number);
        return true;
    }
};

}
#endif
