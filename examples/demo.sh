#!/usr/bin/env bash
# What `make equiv` shows. Each command must end with the exit code that is named here:
# 0 is "equivalent", 1 is "different". The script ends with 0 only if all of them did.
set -u
cd "$(dirname "$0")/.." || exit 1
out=build/equiv
rm -rf "$out" && mkdir -p "$out" || exit 1
failures=0

expect() { # expect CODE WHAT COMMAND…
    local wanted=$1 what=$2 code
    shift 2
    printf '\n# %s\n$ %s\n' "$what" "$*"
    "$@"
    code=$?
    if [ "$code" -ne "$wanted" ]; then
        printf 'FAILED: exit code %s, expected %s\n' "$code" "$wanted"
        failures=$((failures + 1))
    fi
}

expect 0 'A chain of four network functions and its one consolidated table: equal.' \
    nfverify equiv lib:edge lib:edge-table
expect 1 'A fault planted in that table: the shortest trace that shows it, also as a capture.' \
    nfverify equiv lib:edge examples/edge/edge-table-fault.nfd --save "$out"
expect 0 'That capture.' ls "$out"/*.pcap
expect 0 'A 5,000-rule access list and its reordered twin: equal.' \
    nfverify equiv examples/acl/acl.nfd examples/acl/acl-reordered.nfd
expect 1 'The same list and its mutant: a packet that one accepts and the other does not.' \
    nfverify equiv examples/acl/acl.nfd examples/acl/acl-mutant.nfd

echo
if [ "$failures" -gt 0 ]; then
    echo "$failures of the above did not come out as they should."
    exit 1
fi
echo 'All came out as they should.'
