"""The walk over a network's SMATs that writes its code: a callback for each symbol (NFD, §V-A).

Each method writes its symbol and, through the visitor, what is in it. A platform inherits one and
overrides what its environment changes, with or without a call of the inherited method.
"""

from __future__ import annotations

from nfverify.cythonized import entries, network, statements
from nfverify.cythonized.body import Body
from nfverify.cythonized.calls import operator_call
from nfverify.cythonized.layout import InstanceLayout
from nfverify.cythonized.pipeline import pipeline
from nfverify.cythonized.plan import Plan
from nfverify.cythonized.resources import Resources
from nfverify.cythonized.sequence import sequence
from nfverify.cythonized.tables import TableCode, functions
from nfverify.smat.ir import And, Apply, Delete, Entry, Expr, Stmt, Table, Touch, Write

_OF_ENTRIES = (
    *("visit_entry", "visit_match", "visit_match_flow", "visit_match_state"),
    *("visit_action_flow", "visit_action_state"),
)


class Visitor:
    """Writes what the Cython build is made of. Methods with a `body` add lines to its function;
    the others return functions as text."""

    # The network ----------------------------------------------------------------------------

    def visit_arrival(self, plan: Plan) -> str:
        """`arrive`: a parsed packet's fields that the network writes."""
        return network.arrive(plan)

    def visit_departure(self, plan: Plan) -> str:
        """`deparse`: the fields back into the frame."""
        return network.deparse(plan)

    def visit_state(self, table: TableCode, resources: Resources) -> str:
        """The functions of one table: pack and hash a key, find, put, delete."""
        return functions(table, resources)

    def visit_instance(self, plan: Plan, instance: InstanceLayout, resources: Resources) -> str:
        """The functions of one NF: its front, a pass, a visit, its init."""
        return network.nf(plan, instance, resources)

    def visit_machine(self, plan: Plan) -> str:
        """How packets go from NF to NF: `nf_push`, `nf_flush`, `nf_advance`."""
        return pipeline(plan) if plan.simple else sequence(plan)

    # A program ------------------------------------------------------------------------------

    def visit_init(self, body: Body, nodes: tuple[Stmt, ...]) -> None:
        """What runs before the first packet."""
        statements.statements(body, nodes)

    def visit_program(self, body: Body, nodes: tuple[Stmt, ...]) -> None:
        """What runs for each packet: tables, and statements between them."""
        statements.statements(body, nodes)

    def visit_table(self, body: Body, node: Table) -> None:
        """The first entry that matches. A table that only says where packets go is written without
        branches, and its entries aren't visited, unless what visits them is overridden."""
        if not (self._own(*_OF_ENTRIES) and entries.verdicts(body, node.entries)):
            entries.table(body, node.entries)

    def visit_entry(self, body: Body, entry: Entry) -> None:
        """What an entry does once it has matched."""
        statements.statements(body, entry.body)

    def visit_match(self, body: Body, entry: Entry) -> str:
        """The test of an entry."""
        if self._own("visit_match_flow", "visit_match_state"):
            return body.value(entry.guard)
        flow = self.visit_match_flow(body, entry.match_flow)
        return f"({flow} and {self.visit_match_state(body, entry.match_state)})"

    def visit_match_flow(self, body: Body, conjuncts: tuple[Expr, ...]) -> str:
        """The test of the packet alone."""
        return body.value(And(conjuncts))

    def visit_match_state(self, body: Body, conjuncts: tuple[Expr, ...]) -> str:
        """The test that reads state."""
        return body.value(And(conjuncts))

    def visit_action(self, body: Body, node: Stmt) -> None:
        """A statement."""
        match node:
            case Table():
                self.visit_table(body, node)
            case Write() | Delete() | Touch():
                self.visit_action_state(body, node)
            case _:
                self.visit_action_flow(body, node)

    def visit_action_flow(self, body: Body, node: Stmt) -> None:
        """A statement that doesn't assign state: the packet, its output, locals, control."""
        statements.statement(body, node)

    def visit_action_state(self, body: Body, node: Write | Delete | Touch) -> None:
        """A statement that assigns state."""
        statements.statement(body, node)

    def visit_operator(self, body: Body, node: Apply) -> str:
        """The text of a call: `hash`, pattern matching, encryption, the user's own."""
        return operator_call(body, node)

    def _own(self, *names: str) -> bool:
        """Is none of these methods overridden?"""
        return all(getattr(type(self), name) is getattr(Visitor, name) for name in names)
