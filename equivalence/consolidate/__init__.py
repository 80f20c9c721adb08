"""Consolidation: a chain of NFs as one stateful match-action table (NFD, VII-D)."""

from nfverify.equivalence.consolidate.chain import as_network, consolidate
from nfverify.equivalence.consolidate.rewriter import NotConsolidatable

__all__ = ["NotConsolidatable", "as_network", "consolidate"]
