"""Chains of nfs.py by the line protocol: python chain.py [--original] NF..."""

import sys

from nfs import NFS

from nfverify.cythonized.speedybox import Box

fast = "--original" not in sys.argv
box = Box([NFS[name]() for name in sys.argv[1:] if name != "--original"], fast=fast)
for line in sys.stdin:
    time, port, frame = line.split()
    out = box.run(bytes.fromhex(frame.strip("-")), int(time), int(port))
    print("-" if out is None else f"{int(port) ^ 1} {out.hex() or '-'}", flush=True)
