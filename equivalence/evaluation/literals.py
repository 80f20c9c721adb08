"""Terms in which a byte string stands for itself: for evaluation, where no solver looks."""

from __future__ import annotations

from nfverify.equivalence.terms import BYTES_WIDTH, Term, Terms


class LiteralTerms(Terms):
    """As Terms, but the constants of byte strings hold the strings, not their numbers."""

    def string(self, value: bytes) -> Term:
        """The literal itself."""
        if value not in self._strings:
            self._strings[value] = self._make("const", (), BYTES_WIDTH, value)
        return self._strings[value]
