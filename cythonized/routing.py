"""Where the outputs of an NF go: to which NF of the network, or out of it."""

from __future__ import annotations

from nfverify.cythonized.plan import Plan


def targets(plan: Plan, index: int) -> dict[int, int | None]:
    """For each port the NF behind it; None is the way out."""
    return {port: plan.network.successor(index, port) for port in range(plan.ports)}


def default_port(plan: Plan, index: int) -> str:
    """The port by which a packet leaves that the NF forwards (decision 22)."""
    program = plan.network.instances[index].program
    first, second = program.ports[:2] if program.ports else (0, 1)
    return f"({second} if p.head.iface == {first} else {first})"
