"""Results in any of the formats. Each format's module is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from nfverify.report.results import Results

FORMATS: dict[str, tuple[str, str]] = {
    "text": ("results_text", "text"),
    "json": ("results_json", "dump"),
    "junit": ("junit", "junit"),
    "sarif": ("sarif", "sarif"),
    "github": ("github", "github"),
    "markdown": ("results_markdown", "markdown"),
    "html": ("html", "html"),
}
"""Name of a format: the module in this folder, and its function."""


def render(fmt: str, results: Results) -> str:
    """The report, which ends in a newline and is UTF-8 throughout. KeyError for no format."""
    module, name = FORMATS[fmt]
    write: Callable[[Results], str] = getattr(import_module(f"nfverify.report.{module}"), name)
    return write(results)
