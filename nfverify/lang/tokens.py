"""Text to tokens. The grammar runs over a string that has one character for each token.

The characters are the kinds: w word, n number, 4 IPv4, 6 IPv6, m MAC address, s string, o sign,
and $ for the end of the text.
"""

from __future__ import annotations

import re
from array import array

from nfverify.lang.faults import Fault, Faults
from nfverify.lang.source import Source, Span

MAX_TOKENS = 1_000_000
MAX_NESTING = 64
END = "$"

_TOKEN = re.compile(
    r"""
      (?P<space> (?: [ \t\r\n\f\v\u00a0]++ | //[^\n]*+ | \#[^\n]*+ | /\*(?s:.*?)\*/ )++ )
    | (?P<mac> (?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2} (?! [0-9A-Za-z_] | :[0-9A-Fa-f] ) )
    | (?P<ip6> (?: (?: [0-9A-Fa-f]{1,4} (?: :[0-9A-Fa-f]{1,4} ){0,6} )? :: (?! : )
                   (?: [0-9A-Fa-f]{1,4} (?: :[0-9A-Fa-f]{1,4} ){0,6} (?: \.[0-9]+ )* )?
                 | (?: [0-9A-Fa-f]{1,4}: ){7} [0-9A-Fa-f]{1,4}
               ) [0-9A-Za-z_]*+ (?: /[0-9]++ )? )
    | (?P<ip4> [0-9]++ (?: \.[0-9]++ )++ [A-Za-z_]*+ (?: /[0-9]++ )? )
    | (?P<number> [0-9][0-9A-Za-z_]*+ )
    | (?P<word> [A-Za-z_Δ][0-9A-Za-z_Δ]*+ )
    | (?P<string> "(?: [^"\\\n] | \\. )*+" )
    | (?P<sign> := | == | != | <= | >= | << | && | \|\| | -> | \+\+ | -- | \.\.
              | [{}()\[\];:,.=<>+\-*/%|&^\\!~?'∈∉⊏⊑⋢∪∩∧∨¬ε≤≥≠×] )
    | (?P<bad> (?s:.) )
    """,
    re.VERBOSE,
)
_KINDS = {"mac": "m", "ip6": "6", "ip4": "4", "number": "n", "word": "w", "string": "s"}
_CLOSER = {"{": "}", "(": ")", "[": "]"}
_BLOCKS = {"match_flow", "match_state", "action_flow", "action_state"}


_COMMENT = re.compile(r"//[^\n]*+|\#[^\n]*+|/\*(?s:.*?)\*/")


class Tokens(str):
    """The kinds of a text's tokens as a string, with the text of each and where it stands."""

    source: Source
    faults: Faults
    texts: list[str]
    starts: array[int]
    ends: array[int]
    blocks: int  # how many blocks the parser is in,
    depth: int  # and how deep the tree is there

    __slots__ = ("blocks", "depth", "ends", "faults", "source", "starts", "texts")

    def span(self, first: int, after: int) -> Span:
        """From the start of token `first` to the end of the token before `after`."""
        start = self.starts[first]
        return Span(self.source, start, max(start, self.ends[after - 1]) if after else start)

    def fault(self, at: int, message: str, hint: str = "") -> Fault:
        """An error that marks token `at`."""
        return Fault(self.starts[at], self.ends[at], message, hint)

    def found(self, at: int) -> str:
        """How a message calls the token that it did not expect."""
        text = self.texts[at]
        if self[at] == END:
            return "the end of the file"
        if len(text) > 30:
            text = text[:27] + "..."
        return f"`{text}`"


def tokenise(source: Source, faults: Faults) -> Tokens:
    """The tokens of a text. Signs that mean nothing are noted and left out; brackets are in order
    in what is returned, else ModelError."""
    kinds: list[str] = []
    texts: list[str] = []
    starts: list[int] = []
    ends = array("q")
    text = source.text
    for match in _TOKEN.finditer(text):
        group = match.lastgroup
        if group == "space":
            continue
        start, end = match.span()
        word = match.group()
        if group == "bad":
            faults.add(_bad(text, start))
            if word == '"' or text.startswith("/*", start):
                break
            continue
        if word == "/" and text.startswith("/*", start):
            faults.add(Fault(start, start + 2, "this comment is never closed", "end it with `*/`"))
            break
        kinds.append(_KINDS.get(group or "", "o"))
        texts.append(word)
        starts.append(start)
        ends.append(end)
        if len(kinds) > MAX_TOKENS:
            faults.add(
                Fault(start, end, f"the file has more than {MAX_TOKENS:,} words and signs",
                      "split it, or put rules into a CSV file", "limit")
            )  # fmt: skip
            faults.stop()
    kinds.append(END)
    texts.append("")
    starts.append(len(text))
    ends.append(len(text))
    tokens = Tokens("".join(kinds))
    tokens.source, tokens.faults, tokens.texts = source, faults, texts
    tokens.starts, tokens.ends = array("q", starts), ends
    tokens.blocks = tokens.depth = 0
    _check_brackets(tokens)
    return tokens


def comments(source: Source) -> list[Span]:
    """The comments of a text that has no lexical errors, in order."""
    return [
        Span(source, comment.start(), comment.end())
        for match in _TOKEN.finditer(source.text)
        if match.lastgroup == "space"
        for comment in _COMMENT.finditer(source.text, *match.span())
    ]


def _bad(text: str, start: int) -> Fault:
    sign = text[start]
    if sign == '"':
        end = text.find("\n", start)
        return Fault(start, len(text) if end < 0 else end, "this string is never closed",
                     'end it with `"` on the same line', "lexical")  # fmt: skip
    if sign == "\0":
        return Fault(start, start + 1, "a NUL byte has no place in a model",
                     "is this a text file?", "lexical")  # fmt: skip
    shown = f"`{sign}`" if sign.isprintable() else f"U+{ord(sign):04X}"
    return Fault(start, start + 1, f"unexpected character {shown}", code="lexical")


def _check_brackets(tokens: Tokens) -> None:
    """Every bracket has its partner, and none stands more than MAX_NESTING deep; else ModelError.

    A missing brace is blamed on the block that a block word cannot stand in.
    """
    faults, texts = tokens.faults, tokens.texts
    open_: list[tuple[int, str]] = []  # index of the bracket, the word that owns it
    wrong = False
    owner = ""
    for at, text in enumerate(texts):
        if text in _CLOSER:
            owner = _owner(texts, at)
            while open_ and _cannot_hold(open_[-1][1], owner):
                wrong = True
                _unclosed(tokens, open_.pop()[0], f"before `{owner}` begins")
            open_.append((at, owner))
            if len(open_) > MAX_NESTING:
                faults.add(
                    Fault(tokens.starts[at], tokens.ends[at],
                          f"brackets are nested more than {MAX_NESTING} deep", code="limit")
                )  # fmt: skip
                faults.stop()
        elif text in ("}", ")", "]"):
            # A brace closes what was left open inside it; a lone bracket closes nothing.
            partner = next(
                (
                    k
                    for k in range(len(open_) - 1, -1, -1)
                    if _CLOSER[texts[open_[k][0]]] == text or texts[open_[k][0]] == "{"
                ),
                None,
            )
            if partner is None or _CLOSER[texts[open_[partner][0]]] != text:
                wrong = True
                faults.add(tokens.fault(at, f"this `{text}` closes nothing"))
                continue
            for k in range(len(open_) - 1, partner, -1):
                wrong = True
                _unclosed(tokens, open_[k][0], f"before this block's `{text}`")
            del open_[partner:]
    for at, _ in reversed(open_):
        wrong = True
        _unclosed(tokens, at, "before the end of the file")
    if wrong:
        faults.stop()


def _owner(texts: list[str], at: int) -> str:
    """The block word that a brace belongs to, "" if none."""
    if texts[at] != "{" or at == 0:
        return ""
    if texts[at - 1] in _BLOCKS or texts[at - 1] == "entry":
        return texts[at - 1]
    return texts[at - 2] if at > 1 and texts[at - 2] in ("entry", "program") else ""


def _cannot_hold(outer: str, inner: str) -> bool:
    match inner:
        case "program":
            return True
        case "entry":
            return outer != "program"
        case "match_flow" | "match_state" | "action_flow" | "action_state":
            return outer in _BLOCKS
        case _:
            return False


def _unclosed(tokens: Tokens, at: int, when: str) -> None:
    text = tokens.texts[at]
    line, column = tokens.source.position(tokens.starts[at])
    tokens.faults.add(
        tokens.fault(
            at,
            f"this `{text}` is not closed {when}",
            f"add the `{_CLOSER[text]}` that belongs to the `{text}` at line {line}, column {column}",
        )
    )
