"""Consolidation: a chain of NFs as one stateful match-action table (NFD, VII-D)."""

from nfverify.equivalence.consolidate.chain import as_network, consolidate
from nfverify.equivalence.consolidate.rewriter import NotConsolidatable
from nfverify.equivalence.consolidate.text import TableText, table_text

__all__ = ["NotConsolidatable", "TableText", "as_network", "consolidate", "table_text"]
