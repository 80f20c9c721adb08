"""The HTML page in a real browser: filtered, sorted, by keyboard, in the dark, without script."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from platforms import require
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from some_results import HOSTILE, some_results

from nfverify.packet.pcap import read
from nfverify.report.captures import captures
from nfverify.report.render import render

CHROMIUM = "/usr/bin/chromium"
UNFOLDED = "#check-3 .changes > tbody > .more > td > div > details[open]"
OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-dev-shm-usage",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require("chromium")
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield found
        found.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where the pages are."""
    folder = tmp_path_factory.mktemp("pages")
    for name, text in (("plain", ""), ("hostile", HOSTILE)):
        (folder / f"{name}.html").write_text(render("html", some_results(text)), encoding="utf-8")
    return {path.stem: path.as_uri() for path in folder.iterdir()}


class Seen:
    """What a page did that it should not: messages, errors, requests, dialogs."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.what: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self.what.append(message.text))
        self.page.on("pageerror", lambda error: self.what.append(str(error)))
        self.page.on("dialog", lambda dialog: self.what.append(dialog.message))
        self.page.on("request", lambda request: self.what.append(request.url))
        self.page.goto(address)
        assert self.what == [address]
        self.what.clear()


@pytest.fixture
def page(browser: Browser, files: dict[str, str]) -> Iterator[Page]:
    context = browser.new_context(color_scheme="light", viewport={"width": 1200, "height": 900})
    seen = Seen(context, files["plain"])
    yield seen.page
    assert seen.what == []
    context.close()


def test_classes_filter_and_sort(page: Page) -> None:
    section = page.locator("#check-3")
    rows = section.locator(".changes > tbody:visible")
    assert rows.count() == 6
    section.get_by_role("searchbox").fill("10.3.0.0 accept")
    assert rows.count() == 1
    assert section.locator(".filter [role=status]").inner_text() == "1 of 6 classes"
    section.get_by_role("searchbox").fill("")
    head = section.get_by_role("button", name="points")
    head.click()
    shown = [row.locator("td").nth(1).inner_text() for row in rows.all()]
    counts = ["", "1", f"{3**7:,}", f"{3**14:,}", f"{3**21:,}", f"{3**35:,}"]
    assert shown == counts
    head.click()
    shown = [row.locator("td").nth(1).inner_text() for row in rows.all()]
    assert shown == counts[::-1]
    assert section.locator("th[aria-sort=descending]").inner_text().startswith("points")


def test_checks_can_be_hidden_by_their_status(page: Page) -> None:
    sections = page.locator("section[data-status]:visible")
    assert sections.count() == 8
    chip = page.get_by_role("button", name="different 3")
    chip.click()
    assert sections.count() == 5
    assert chip.get_attribute("aria-pressed") == "false"
    chip.click()
    assert sections.count() == 8


def test_what_differs_of_a_packet_is_marked(page: Page) -> None:
    table = page.locator("#check-2 details[open] table.fields")
    rows = table.locator("tr.differs")
    assert [row.locator("th").inner_text() for row in rows.all()] == [
        "way differs",
        "sport differs",
    ]
    assert rows.last.locator("mark").all_inner_texts() == ["3000", "3001"]
    assert table.locator("tr", has_text="ttl").locator("ins").all_inner_texts() == ["63", "63"]


def test_captures_are_saved_as_they_were(page: Page, tmp_path: Path) -> None:
    (example,) = some_results().results[1].examples
    for name, data in captures(example).items():
        with page.expect_download() as waiting:
            page.locator("#check-2").get_by_role("link", name=name, exact=True).click()
        assert waiting.value.suggested_filename == name
        file = tmp_path / name
        waiting.value.save_as(file)
        assert file.read_bytes() == data
    with read(str(tmp_path / "trace.pcap")) as capture:
        assert [record.frame for record in capture] == [step.frame for step in example.steps]


_FOCUSED = """
[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]
"""


def test_everything_is_reached_by_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert skip.inner_text() == "Skip to the checks"
    assert skip.bounding_box()["x"] >= 0  # type: ignore[index]  # it comes into view
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "checks"
    reached: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        tag, outline = page.evaluate(_FOCUSED)
        reached.add(tag)
        assert outline != "none" or tag == "BODY"
    assert {"A", "BUTTON", "INPUT", "SUMMARY"} <= reached
    assert page.evaluate(
        "Array.from(document.querySelectorAll('[tabindex]')).every(e => e.tabIndex < 1)"
    )
    first = page.locator("#check-3 .changes summary").first
    first.focus()
    page.keyboard.press("Enter")
    assert page.locator(UNFOLDED).count() == 1


_CONTRAST = """
() => {
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const parts = text => text.match(/[0-9.]+/g).map(Number);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parts(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const element of document.querySelectorAll("body *")) {
    if (element.closest("svg, script") || !element.checkVisibility()) continue;
    const own = Array.from(element.childNodes).some(n => n.nodeType === 3 && n.data.trim());
    if (!own) continue;
    const [a, b] = [parts(getComputedStyle(element).color), ground(element)].map(light);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push(`${element.tagName}.${element.className}: ${ratio.toFixed(2)}`);
  }
  return bad;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_the_systems_until_others_are_chosen(
    browser: Browser, files: dict[str, str], scheme: str
) -> None:
    context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    page = Seen(context, files["plain"]).page
    grounds = ["rgb(255, 255, 255)", "rgb(13, 17, 23)"]
    if scheme == "dark":
        grounds.reverse()
    read_ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(read_ground) == grounds[0]
    assert page.evaluate(_CONTRAST) == []  # WCAG 2.2, 1.4.3
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate(read_ground) == grounds[1]
    assert page.evaluate(_CONTRAST) == []
    context.close()


@pytest.mark.parametrize("name", ["plain", "hostile"])
def test_it_fits_a_telephone_and_is_read_without_script(
    browser: Browser, files: dict[str, str], name: str
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 700})
    page = context.new_page()
    page.goto(files[name])
    assert page.locator("#tools").is_hidden()
    assert page.locator("section[data-status]:visible").count() == 8
    assert page.locator("#check-3 .changes > tbody:visible").count() == 6
    page.locator("#check-3 .changes summary").first.click()
    assert page.locator(UNFOLDED).count() == 1
    context.close()
    context = browser.new_context(viewport={"width": 360, "height": 700})
    page = Seen(context, files[name]).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_nothing_that_others_wrote_is_run(browser: Browser, files: dict[str, str]) -> None:
    context = browser.new_context()
    seen = Seen(context, files["hostile"])
    seen.page.get_by_role("button", name="Open all").click()
    seen.page.get_by_role("searchbox").first.fill("<script>")
    for button in seen.page.locator(".changes > thead button").all():
        button.click()
    assert seen.page.locator("script").count() == 1
    assert seen.page.locator("img, iframe, object, link, base, form").count() == 0
    assert seen.what == []
    # Even what got in could do nothing: the page's own policy forbids it.
    seen.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.bad = 1';"
        " document.body.append(s); const i = new Image(); i.src = 'https://example.invalid/x'; }"
    )
    assert seen.page.evaluate("window.bad") is None
    policy = [message for message in seen.what if "Content Security Policy" in message]
    assert {p for p in ("script-src", "img-src") for m in policy if p in m} == {
        "script-src",
        "img-src",
    }
    context.close()


def test_printed_pages_show_what_is_folded(page: Page, tmp_path: Path) -> None:
    closed = page.locator("details:not([open])").count()
    assert closed
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == closed
    page.emulate_media(media="print")
    assert page.locator("#tools").is_hidden()
    assert page.pdf().startswith(b"%PDF")
