"""A verdict of `equiv` explained: each kind by its own method."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from nfverify.equivalence.concrete import signatures_of
from nfverify.equivalence.explain.answer import Explanation, Together
from nfverify.equivalence.explain.deciding import Open, Paste, lacking
from nfverify.equivalence.explain.parted import Unlike, parted
from nfverify.equivalence.explain.together import together
from nfverify.equivalence.predicates import RulesetPlan
from nfverify.equivalence.problem import Problem, Side
from nfverify.equivalence.prove import begin, decided, same_model
from nfverify.equivalence.question import Question
from nfverify.equivalence.verdict import Different, Equivalent, Unknown, Verdict
from nfverify.lang.source import NOWHERE, Diagnostic, ModelError
from nfverify.smat import ir


def explain(
    verdict: Verdict,
    a: ir.Network,
    b: ir.Network,
    question: Question,
    paste: Paste,
    notify: Callable[[str], None] = lambda what: None,
) -> Explanation | str:
    """Why the verdict is right; a text says why that could not be found. ModelError for a verdict
    that isn't right of these models."""
    match verdict:
        case Different(counterexample=example):
            missing = set(signatures_of((a, b))) - set(question.operators or {})
            if missing:
                raise _wrong(f"name the operators {', '.join(sorted(missing))} by --ops")
            problem = Problem(Side("a", a), Side("b", b), question.options, RulesetPlan({}))
            try:
                return parted(problem, example, question.operators or {})
            except Unlike:
                hint = "have they been changed since? Ask `nfverify equiv` again"
                raise _wrong("the models do the same on the verdict's trace", hint) from None
            except ValueError as error:
                raise _wrong(f"the verdict's trace doesn't fit the models: {error}") from None
        case Equivalent():
            return _together(a, b, question, notify)
        case Unknown(reason=reason, depth=depth, resisting=resisting):
            open_ = Open(a, b, question, reason, depth, resisting, paste)
            return lacking(open_, notify)
        case _:
            assert_never(verdict)


def _together(
    a: ir.Network, b: ir.Network, question: Question, notify: Callable[[str], None]
) -> Explanation | str:
    if same_model(a, b):
        return Together((), (), (), True, ("both sides are the same model",))
    run = begin(a, b, question, notify)
    found = decided(run)
    if isinstance(found, Different):
        hint = "have they been changed since? Ask `nfverify equiv` again"
        raise _wrong("the models are different", hint)
    if run.proved is None:
        why = found.reason if isinstance(found, Unknown) else "there is no relation"
        return f"the proof was not found again: {why}"
    return together(run, *run.proved)


def _wrong(message: str, hint: str = "") -> ModelError:
    return ModelError(Diagnostic("error", "verdict", message, NOWHERE, hint))
