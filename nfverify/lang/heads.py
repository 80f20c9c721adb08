"""What begins here? Keywords are contextual (decision 1): a word is one only at the head of a
declaration, block or statement, and only if what follows fits."""

from __future__ import annotations

from nfverify.lang.expressions import INFIX
from nfverify.lang.faults import Fault, did_you_mean
from nfverify.lang.tokens import END, Tokens
from nfverify.lang.types import NAMED, TYPE_WORDS

DECLARATIONS = (
    "rule", "ruleset", "iface", "tag", "op", "func", "init", "every", "property", "invariant",
)  # fmt: skip
BLOCKS = ("match_flow", "match_state", "action_flow", "action_state")
STATEMENTS = (
    *("if", "while", "let", "choose", "delete", "touch", "push", "pop"),
    *("pass", "drop", "resubmit"),
)
_ASSIGNING = frozenset({"=", ":=", "++", "--", "[", "'"})


def file_head(tokens: Tokens, at: int) -> str:
    """The kind of the item at the top of a file that begins at token `at`."""
    text = tokens.texts[at]
    if text in ("import", "program", "chain"):
        return text
    if text == "nfd" and tokens[at + 1] == "n":
        raise tokens.fault(at, "the version stands first in a file")
    kind = _declaration(tokens, at)
    if kind:
        return kind
    if text in ("entry", *BLOCKS):
        raise tokens.fault(at, f"`{text}` stands inside a program", "write `program NAME { … }`")
    raise _unknown(tokens, at, ("import", "program", "chain", *DECLARATIONS, *TYPE_WORDS),
                   "a declaration, `program` or `chain`")  # fmt: skip


def program_head(tokens: Tokens, at: int) -> str:
    """The kind of the item of a program: a declaration's word, variable, entry or a statement's."""
    text, after = tokens.texts[at], tokens.texts[at + 1]
    if text == "entry" and (after == "{" or tokens[at + 1] == "w"):
        return "entry"
    kind = _declaration(tokens, at)
    if kind:
        return kind
    if text in BLOCKS and after == "{":
        raise tokens.fault(at, f"`{text}` stands inside an entry", "write `entry { … }` around it")
    if text in ("program", "chain", "import") and tokens[at + 1] in "ws":
        raise tokens.fault(at, f"`{text}` stands at the top of a file, not inside a program")
    return _statement(tokens, at, ("entry", *DECLARATIONS, *TYPE_WORDS))


def statement_head(tokens: Tokens, at: int) -> str:
    """The kind of the statement that begins at token `at`: its word, or simple."""
    return _statement(tokens, at, ())


def block_head(tokens: Tokens, at: int) -> str:
    """The kind of the block of an entry: match_flow, match_state, action_flow, action_state."""
    text = tokens.texts[at]
    if text in BLOCKS:
        return text
    if tokens[at] == "w":
        raise tokens.fault(at, f"unknown block `{text}`{did_you_mean(text, BLOCKS)}",
                           f"the blocks of an entry are {' '.join(BLOCKS)}")  # fmt: skip
    raise tokens.fault(at, f"expected a block of the entry, found {tokens.found(at)}",
                       f"the blocks of an entry are {' '.join(BLOCKS)}")  # fmt: skip


def _declaration(tokens: Tokens, at: int) -> str:
    """The word of the declaration at `at`, variable for a typed one, "" if it is none."""
    text, after, kind = tokens.texts[at], tokens.texts[at + 1], tokens[at + 1]
    if tokens[at] == "w":
        if text in DECLARATIONS:
            fits = after not in _ASSIGNING
            match text:
                case "init":
                    fits = after == "{"
                case "every":
                    fits = kind == "n"
                case "invariant":
                    fits = fits and after not in (";", "}")
                case "rule" | "ruleset" | "iface" | "tag" | "op" | "func" | "property":
                    port = text == "iface" and after == "in"
                    fits = port or (kind == "w" and after not in INFIX)
            if fits:
                return text
        elif text in NAMED:
            if (kind == "w" and after not in INFIX) or kind == "n":
                return "variable"
        elif text in ("bit", "set", "map") and after == "<":
            return "variable"
    elif text == "(" and _tuple_type(tokens, at):
        return "variable"
    return ""


def _tuple_type(tokens: Tokens, at: int) -> bool:
    """Is (…) at `at` a type: type words and names alone, and a name behind it?"""
    depth = 0
    for i in range(at, min(at + 200, len(tokens))):
        text = tokens.texts[i]
        if text == "(":
            depth += 1
        elif text == ")":
            depth -= 1
            if depth == 0:
                return tokens[i + 1] == "w" and tokens.texts[i + 1] not in INFIX
        elif not (tokens[i] in "wn" or text in (",", "<", ">")):
            return False
    return False


def closed_before(tokens: Tokens, at: int, text: str) -> bool:
    """Does `text` follow the parenthesis that opens at `at`?"""
    depth = 0
    for i in range(at, min(at + 200, len(tokens))):
        match tokens.texts[i]:
            case "(":
                depth += 1
            case ")":
                depth -= 1
                if depth == 0:
                    return tokens.texts[i + 1] == text
            case ";" | "}":
                return False
    return False


def _statement(tokens: Tokens, at: int, others: tuple[str, ...]) -> str:
    text, after, kind = tokens.texts[at], tokens.texts[at + 1], tokens[at + 1]
    if tokens[at] != "w":
        return "simple"
    match text:
        case "pass" | "drop" | "resubmit":
            if after in (";", "}") or kind in "w$":
                return text
        case "if" | "while":
            if after not in _ASSIGNING:
                return text
        case "let" | "choose" | "delete" | "touch" | "push" | "pop":
            bracketed = after == "(" and text in ("delete", "touch")
            if bracketed or (kind == "w" and after not in INFIX):
                return text
        case _ if after == "(" and closed_before(tokens, at + 1, "{"):
            raise _unknown(tokens, at, ("if", "while"), "`if` or `while`")
        case "else":
            raise tokens.fault(at, "this `else` belongs to no `if`")
    if (
        (kind == "w" and after not in INFIX and after != "not") or after == "{"
    ) and text not in INFIX:
        known = (*STATEMENTS, *others)
        raise _unknown(tokens, at, known, "a statement" if not others else
                       "an entry, a declaration or a statement")  # fmt: skip
    return "simple"


def _unknown(tokens: Tokens, at: int, known: tuple[str, ...], expected: str) -> Fault:
    """The fault of a word that begins nothing."""
    text = tokens.texts[at]
    if tokens[at] == "w":
        suggestion = did_you_mean(text, known)
        if suggestion:
            return tokens.fault(at, f"unknown word `{text}`{suggestion}")
        if tokens[at + 1] == "w":
            hint = "a variable is declared as `int name = 0;`"
            return tokens.fault(at, f"expected {expected}, found `{text}`", hint)
    if tokens[at] == END:
        return tokens.fault(at, f"expected {expected}, found the end of the file")
    return tokens.fault(at, f"expected {expected}, found {tokens.found(at)}")
