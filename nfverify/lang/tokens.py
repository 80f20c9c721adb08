"""Text to tokens. The grammar runs over a string that has one character for each token.

The characters are the kinds: w word, n number, 4 IPv4, 6 IPv6, m MAC address, s string, o sign,
and $ for the end of the text.
"""

from __future__ import annotations

import re
from array import array

from nfverify.lang.faults import Fault, Faults
from nfverify.lang.source import Source, Span

MAX_TOKENS = 300_000
MAX_NESTING = 64
END = "$"

# What is frequent and cannot begin an address comes first.
_TOKEN = re.compile(
    r"""
    (?: [ \t\r\n\f\v\u00a0]++ | //[^\n]*+ | \#[^\n]*+ | /\*(?s:.*?)\*/ )*+
    (?: (?P<word> [G-Zg-z_Δ][0-9A-Za-z_Δ]*+ )
      | (?P<sign> == | != | <= | >= | << | && | \|\| | -> | \+\+ | -- | \.\.
                | [{}()\[\];,.=<>+\-*/%|&^\\!~?'∈∉⊏⊑⋢∪∩∧∨¬ε≤≥≠×] )
      | (?P<mac> (?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2} (?! [0-9A-Za-z_] | :[0-9A-Fa-f] ) )
      | (?P<ip6> (?: (?: [0-9A-Fa-f]{1,4} (?: :[0-9A-Fa-f]{1,4} ){0,6} )? :: (?! : )
                     (?: [0-9A-Fa-f]{1,4} (?: :[0-9A-Fa-f]{1,4} ){0,6} (?: \.[0-9]+ )* )?
                   | (?: [0-9A-Fa-f]{1,4}: ){7} [0-9A-Fa-f]{1,4}
                 ) (?: ::[0-9A-Fa-f:.]*+ )? [0-9A-Za-z_]*+ (?: /[0-9]++ )? )
      | (?P<ip4> [0-9]++ (?: \.[0-9]++ )++ [A-Za-z_]*+ (?: /[0-9]++ )? )
      | (?P<number> [0-9][0-9A-Za-z_]*+ )
      | (?P<hexword> [A-Fa-f][0-9A-Za-z_Δ]*+ )
      | (?P<string> "(?: [^"\\\n] | \\. )*+" )
      | (?P<colon> :=? )
      | (?P<quote> "[^\n]*+ )
      | (?P<bad> \0++ | (?s:.) )
      | \Z )
    """,
    re.VERBOSE,
)
_KINDS = {
    "mac": "m", "ip6": "6", "ip4": "4", "number": "n", "string": "s",
    "word": "w", "hexword": "w", "sign": "o", "colon": "o",
}  # fmt: skip
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
    """The tokens of a text, whose braces are in order; ModelError with all its lexical errors."""
    kinds: list[str] = []
    texts: list[str] = []
    starts = array("q")
    ends = array("q")
    text = source.text
    for match in _TOKEN.finditer(text):
        group = match.lastgroup
        if group is None:
            break
        start, end = match.span(group)
        word = match[group]
        kind = _KINDS.get(group)
        if kind is None:
            faults.add(_bad(word, start, end))
            continue
        if word == "/" and text.startswith("/*", start):
            message, hint = "this comment is never closed", "end it with `*/`"
            faults.add(Fault(start, start + 2, message, hint, "lexical"))
            break
        kinds.append(kind)
        texts.append(word)
        starts.append(start)
        ends.append(end)
        if len(kinds) > MAX_TOKENS:
            message = f"the file has more than {MAX_TOKENS:,} words and signs"
            hint = "split it, or put rules into a CSV file"
            faults.add(Fault(start, end, message, hint, "limit"))
            break
    faults.stop()
    kinds.append(END)
    texts.append("")
    starts.append(len(text))
    ends.append(len(text))
    tokens = Tokens("".join(kinds))
    tokens.source, tokens.faults, tokens.texts = source, faults, texts
    tokens.starts, tokens.ends = starts, ends
    tokens.blocks = tokens.depth = 0
    _check_brackets(tokens)
    return tokens


def comments(source: Source) -> list[Span]:
    """The comments of a text that has no lexical errors, in order."""
    return [
        Span(source, comment.start(), comment.end())
        for match in _TOKEN.finditer(source.text)
        for comment in _COMMENT.finditer(
            source.text,
            match.start(),
            match.start(match.lastgroup) if match.lastgroup else match.end(),
        )
    ]


def _bad(word: str, start: int, end: int) -> Fault:
    message, hint = "a NUL byte has no place in a model", "is this a text file?"
    if word[0] == '"':
        message, hint = "this string is never closed", 'end it with `"` on the same line'
    elif word[0] != "\0":
        shown = f"`{word}`" if word.isprintable() else f"U+{ord(word):04X}"
        message, hint = f"unexpected character {shown}", ""
    return Fault(start, end, message, hint, "lexical")


def _check_brackets(tokens: Tokens) -> None:
    """Every brace has its partner, and no bracket stands more than MAX_NESTING deep; else
    ModelError. Round and square brackets are left to the grammar: an error there ends with its
    statement.
    """
    wrong = _match_braces(tokens, blame=False)
    if wrong:
        for fault in _match_braces(tokens, blame=True) or wrong:
            tokens.faults.add(fault)
        tokens.faults.stop()


def _match_braces(tokens: Tokens, blame: bool) -> list[Fault]:
    """What is wrong with the braces. With `blame`, a brace that is not closed when a word comes
    that cannot stand inside it is the one at fault, and not the first one of the file."""
    texts = tokens.texts
    wrong: list[Fault] = []
    open_: list[tuple[int, str]] = []  # index of the bracket, the word that owns it
    for at, text in enumerate(texts):
        if text in _CLOSER:
            owner = _owner(tokens, at)
            while blame and open_ and _cannot_hold(open_[-1][1], owner):
                wrong.append(_unclosed(tokens, open_.pop()[0], f"before `{owner}` begins"))
            open_.append((at, owner))
            if len(open_) > MAX_NESTING:
                message = f"brackets are nested more than {MAX_NESTING} deep"
                fault = tokens.fault(at, message)
                fault.code = "limit"
                tokens.faults.add(fault)
                tokens.faults.stop()
        elif text == "}":
            while open_ and texts[open_[-1][0]] != "{":
                open_.pop()
            if open_:
                open_.pop()
            else:
                wrong.append(tokens.fault(at, "this `}` closes nothing"))
        elif text in (")", "]") and open_ and _CLOSER[texts[open_[-1][0]]] == text:
            open_.pop()
    wrong += [
        _unclosed(tokens, at, "before the end of the file") for at, _ in open_ if texts[at] == "{"
    ]
    return wrong


def _owner(tokens: Tokens, at: int) -> str:
    """The block word that a brace belongs to, "" if none."""
    texts = tokens.texts
    if texts[at] != "{" or at == 0:
        return ""
    if texts[at - 1] in _BLOCKS or texts[at - 1] == "entry":
        return texts[at - 1]
    named = at > 1 and tokens[at - 1] == "w" and texts[at - 2] in ("entry", "program")
    return texts[at - 2] if named else ""


def _cannot_hold(outer: str, inner: str) -> bool:
    match inner:
        case "program":
            return True
        case "entry":
            return outer != "program"
        case "match_flow" | "match_state" | "action_flow" | "action_state":
            return outer != "entry"
        case _:
            return False


def _unclosed(tokens: Tokens, at: int, when: str) -> Fault:
    return tokens.fault(at, f"this `{{` is not closed {when}", "add the `}` that belongs to it")
