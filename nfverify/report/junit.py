"""Results as JUnit XML: a suite for each kind of check, a test case for each check.

The dialect is the one that Jenkins, GitLab and others read. What is unknown is an `error`, as what
went wrong is, for neither says that the models do the same; the types tell them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as xml

from nfverify.report.escape import one_line, several_lines
from nfverify.report.results import Result, Results
from nfverify.report.results_text import details

_ELEMENT = {"different": "failure", "unknown": "error", "error": "error"}


def junit(results: Results) -> str:
    """The whole document."""
    kinds = dict.fromkeys(result.kind for result in results.results)
    suites = xml.Element("testsuites", name=_attribute(results.title))
    suites.attrib |= _counts(results.results) | {"time": f"{results.seconds:.3f}"}
    for kind in kinds:
        found = [result for result in results.results if result.kind == kind]
        suite = xml.SubElement(suites, "testsuite", name=kind)
        suite.attrib |= _counts(found) | {"skipped": "0", "time": _time(found)}
        properties = xml.SubElement(suite, "properties")
        xml.SubElement(properties, "property", name="nfverify", value=_attribute(results.version))
        for result in found:
            _case(suite, result)
    xml.indent(suites)
    body = xml.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _case(suite: xml.Element, result: Result) -> None:
    case = xml.SubElement(suite, "testcase", name=_attribute(result.name))
    case.attrib |= {"classname": f"nfverify.{result.kind}", "time": f"{result.seconds:.3f}"}
    shown = several_lines("\n".join(details(result)))
    if result.status in _ELEMENT:
        element = xml.SubElement(case, _ELEMENT[result.status], type=result.status)
        element.set("message", _attribute(result.title))
        element.text = shown
    else:
        xml.SubElement(case, "system-out").text = shown


def _counts(results: Sequence[Result]) -> dict[str, str]:
    elements = [_ELEMENT.get(result.status) for result in results]
    return {
        "tests": str(len(results)),
        "failures": str(elements.count("failure")),
        "errors": str(elements.count("error")),
    }


def _time(results: Sequence[Result]) -> str:
    return f"{sum(result.seconds for result in results):.3f}"


def _attribute(text: str) -> str:
    """What XML 1.0 can hold, on one line."""
    return one_line(text)
