"""Terms under a condition that holds or doesn't, and which condition is worth deciding first."""

from __future__ import annotations

from collections.abc import Sequence

from nfverify.equivalence.terms import Term, Terms, subterms


def rebuild(terms: Terms, term: Term, args: Sequence[Term]) -> Term:
    """The operator of `term` applied to other arguments, folded where it can be."""
    match term.op:
        case "const" | "var":
            return term
        case "uf":
            return terms.uf(term.data, args, term.width)
        case "not":
            return terms.not_(args[0])
        case "all":
            return terms.all(args)
        case "any":
            return terms.any(args)
        case "ite":
            return terms.ite(*args)
        case "eq":
            return terms.eq(*args)
        case "ult" | "ule" | "slt" | "sle":
            return terms.compare(term.op, *args)
        case "trunc" | "zext" | "sext":
            return terms.resize(args[0], term.width, term.op == "sext")
        case op:
            return terms.binary(op, *args)


def replace(terms: Terms, roots: Sequence[Term], known: dict[int, Term]) -> list[Term]:
    """The roots with terms (by id) replaced, and folded."""
    if not known or all(r.is_const and r.id not in known for r in roots):
        return list(roots)
    new = dict(known)
    for term in subterms(roots):
        if term.id in new:
            continue
        args = [new[a.id] for a in term.args]
        changed = any(a is not b for a, b in zip(args, term.args, strict=True))
        new[term.id] = rebuild(terms, term, args) if changed else term
    return [new[r.id] for r in roots]


def assume(terms: Terms, roots: Sequence[Term], condition: Term, holds: bool) -> list[Term]:
    """The roots where `condition` holds, or where it doesn't."""
    known: dict[int, Term] = {}
    pending = [(condition, holds)]
    while pending:
        term, value = pending.pop()
        if term.is_const:
            continue
        known[term.id] = terms.boolean(value)
        if term.op == "not":
            pending.append((term.args[0], not value))
        elif (term.op == "all" and value) or (term.op == "any" and not value):
            pending += [(arg, value) for arg in term.args]
    return replace(terms, roots, known)


def first_decision(condition: Term) -> Term:
    """What to ask first to know a condition: the tests of earlier entries come before its own."""
    while True:
        match condition.op:
            case "not":
                condition = condition.args[0]
            case "ite":
                condition = condition.args[0]
            case "all":
                inner = next((a.args[0] for a in condition.args if _negated_junction(a)), None)
                if inner is None:
                    return condition
                condition = inner
            case "any":
                inner = next((a for a in condition.args if _junction(a)), None)
                if inner is None:
                    return condition
                condition = inner
            case _:
                return condition


def _junction(term: Term) -> bool:
    return term.op in ("all", "any", "ite") or _negated_junction(term)


def _negated_junction(term: Term) -> bool:
    return term.op == "not" and term.args[0].op in ("all", "any", "ite")
