"""The XDP platform: an eBPF program, its loader, its engine, and how it is attached."""
