"""How long a packet takes in a compiled ruleset, what its index weighs, and how long it is built.

Run as `python benchmarks/bench_classifier.py [--packets N] [--only TEXT]`. Packets are drawn at,
inside and around the rules, one after another from memory; 100,000 are held against the
scan of the rows, whose time is the last column. Python and gcc are seconds, of a build.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from bench_rulesets import SETS, blocklist, load, mixture, random_ranges, to_ipv6
from measuring import machine

from nfverify.cythonized.compiler import arguments
from nfverify.cythonized.rulesets import ruleset_code
from nfverify.cythonized.toolchain import toolchain
from nfverify.packet.fields import FIELDS
from nfverify.smat.ruleset import Ruleset

DRIVER = Path(__file__).resolve().parent.parent / "tests/cythonized/c/ruleset_driver.c"
TYPES = {8: "u8", 16: "u16", 32: "u32", 128: "u128"}


def sets() -> Iterator[tuple[str, Ruleset]]:
    for count in (10, 32, 64, 250):
        yield f"mix {count}", mixture((load(f"{name}.1k.csv") for name in SETS), count)
    for size in ("1k", "5k"):
        for name in SETS:
            yield f"{name} {size}", load(f"{name}.{size}.csv")
    two = [load(f"{name}.5k.csv") for name in ("acl1", "ipc1")]
    yield "acl1 + ipc1", mixture(two, 10_000)
    yield "all 5k", mixture([load(f"{name}.5k.csv") for name in SETS], 20_000)
    yield "acl1 1k, IPv6", to_ipv6(load("acl1.1k.csv"))
    yield "random ranges", random_ranges(1000, random.Random(1))
    yield "blocklist 50k", blocklist(50_000, random.Random(1), load("acl1.1k.csv"))


def measured(ruleset: Ruleset, packets: int, folder: Path) -> str:
    """Rows, kind, ns a lookup, KB, ms to build; s in Python and in gcc; ns a lookup of the scan."""
    began = perf_counter()
    code = ruleset_code(ruleset, "fast")
    generated = perf_counter() - began
    scan = ruleset_code(ruleset, "slow", classifier=False)
    values = ", ".join(f"({TYPES[FIELDS[c].width]})(v)[{i}]" for i, c in enumerate(ruleset.columns))
    call = f"#define COLUMNS {len(ruleset.columns)}\n#define CALL(f, v) f({values})\n"
    base = '#include "nf_base.h"\n'
    header, rows, program = folder / "rules.h", folder / "rows", folder / "program"
    header.write_text(f"{base}{call}{code.header}{scan.header}")
    bounds = (b for row in ruleset.rows for pair in row.bounds for b in pair)
    rows.write_bytes(b"".join((b % (1 << 128)).to_bytes(16, "little") for b in bounds))
    gcc = [toolchain().path, *arguments(toolchain())]
    subprocess.run([*gcc, f'-DRULES="{header}"', str(DRIVER), "-o", str(program)], check=True)
    alone = folder / "alone.c"
    alone.write_text(f"{base}{code.header}int nf_made(void) {{ return fast_init(); }}\n")
    began = perf_counter()
    subprocess.run([*gcc, "-c", str(alone), "-o", str(folder / "alone.o")], check=True)
    compiled = perf_counter() - began
    subprocess.run([program, "check", rows, "100000"], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run(
        [program, "time", rows, str(packets)], check=True, capture_output=True, text=True
    )
    ns, size, build, slow, _ = done.stdout.split()
    return (
        f"{len(ruleset.rows):>7,} {code.kind:>11} {ns:>7} {int(size):>7,} {build:>7}"
        f" {generated:>7.2f} {compiled:>6.2f} {slow:>9}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--packets", type=int, default=200_000)
    parser.add_argument("--only", metavar="TEXT", default="", help="sets whose name holds it")
    options = parser.parse_args()
    print(machine())
    print(
        f"{'':16}{'rules':>7} {'kind':>11} {'ns':>7} {'KB':>7} {'ms':>7}"
        f" {'Python':>7} {'gcc':>6} {'scan, ns':>9}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, ruleset in sets():
            if options.only in name:
                print(f"{name:16}{measured(ruleset, options.packets, Path(folder))}", flush=True)


if __name__ == "__main__":
    main()
