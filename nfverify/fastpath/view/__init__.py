"""A plan for people: Local MATs, Global MAT, Event Table; as text, JSON, dot and SVG."""

from __future__ import annotations

from nfverify.fastpath.view.document import as_json
from nfverify.fastpath.view.dot import dot
from nfverify.fastpath.view.svg import svg
from nfverify.fastpath.view.tables import Compiled, View, view
from nfverify.fastpath.view.text import Line, lines

__all__ = ["Compiled", "Line", "View", "as_json", "dot", "lines", "svg", "view"]
