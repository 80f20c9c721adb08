"""Linux: captures by libpcap, network interfaces by packet sockets."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from nfverify.oracles.platforms.cpp import COMPILER, MAKE, Cpp, has_header
from nfverify.oracles.platforms.platform import Need

LIBPCAP = Need("libpcap", "libpcap-dev", lambda: has_header("pcap/pcap.h"))


class Linux(Cpp):
    """A program that reads and writes captures, or stands between interfaces."""

    name = "linux"
    text = "a C++ program on captures, by libpcap, or between network interfaces"
    lives = True
    needs: ClassVar[tuple[Need, ...]] = (COMPILER, MAKE, LIBPCAP)
    libraries: ClassVar[tuple[str, ...]] = ("pcap",)
    runtime: ClassVar[tuple[Path, ...]] = (Path(__file__).with_name("runtime"),)

    def visit_includes(self) -> str:
        return '#include "nf_interfaces.hpp"\n#include "nf_memory.hpp"\n#include "nf_outputs.hpp"'

    def visit_setup(self) -> str:
        return """
    explicit Io(Options &options)
    {
        if (options.lives()) {
            interfaces_ = std::make_unique<Interfaces>(options);
        } else {
            captures_ = std::make_unique<Captures>(options);
            outputs_ = std::make_unique<Outputs>(options);
        }
        if (options.bench)
            memory_ = std::make_unique<Memory>(*captures_);
    }"""

    def visit_receive(self) -> str:
        return """
    bool receive(Burst &b)
    {
        return memory_ ? memory_->receive(b) : captures_ ? captures_->receive(b)
                                                         : interfaces_->receive(b);
    }

    void rewind() { memory_->rewind(); }
    u64 lost() { return interfaces_ ? interfaces_->lost() : 0; }"""

    def visit_send(self) -> str:
        return """
    void send(Burst &b, u32 i, u16 port)
    {
        copy(port, b.times[i], b.frames[i], b.lengths[i], b.originals[i]);
    }

    void copy(u16 port, u64 time, const u8 *frame, u32 length, u32 original)
    {
        if (outputs_)
            outputs_->put(port, time, frame, length, original);
        else
            interfaces_->put(port, frame, length);
    }

    void finish(Burst &)
    {
        if (interfaces_)
            interfaces_->flush();
    }"""

    def visit_teardown(self) -> str:
        return """
    void close()
    {
        if (outputs_)
            outputs_->flush();
    }"""

    def visit_members(self) -> str:
        return """
    std::unique_ptr<Captures> captures_;
    std::unique_ptr<Outputs> outputs_;
    std::unique_ptr<Interfaces> interfaces_;
    std::unique_ptr<Memory> memory_;"""
