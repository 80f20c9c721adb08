"use strict";
// Filters, sorting and the choice of colours. Everything can be read without it.
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  for (const part of all("#tools, .filter")) part.hidden = false;

  // Which checks are shown.
  const off = new Set();
  for (const chip of all(".chip")) {
    chip.addEventListener("click", () => {
      const status = chip.dataset.status;
      const shown = off.delete(status);
      if (!shown) off.add(status);
      chip.setAttribute("aria-pressed", String(shown));
      for (const part of all("tr[data-status], section[data-status]")) {
        part.hidden = off.has(part.dataset.status);
      }
    });
  }

  // Colours: the system's until one is chosen.
  const root = document.documentElement;
  const theme = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const tell = () => theme.setAttribute("aria-pressed", String(dark()));
  theme.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    tell();
  });
  system.addEventListener("change", tell);
  tell();

  // Tables are a stop of the keyboard only where there is something to scroll.
  const stops = () => {
    for (const part of all(".scroll")) part.tabIndex = part.scrollWidth > part.clientWidth ? 0 : -1;
  };
  window.addEventListener("resize", stops);
  document.addEventListener("toggle", stops, true);
  stops();

  // Details: all at once, and for printing.
  const unfold = document.getElementById("unfold");
  unfold.addEventListener("click", () => {
    const open = unfold.textContent === "Open all";
    for (const part of all("details")) part.open = open;
    unfold.textContent = open ? "Close all" : "Open all";
  });
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = all("details:not([open])");
    for (const part of opened) part.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const part of opened) part.open = false;
    opened = [];
  });

  // Classes of packets: filter by words, sort by columns.
  for (const box of all(".filter input")) {
    const section = box.closest("section");
    const bodies = Array.from(section.querySelector(".changes").tBodies);
    const texts = bodies.map((body) => body.rows[0].textContent.toLowerCase());
    const told = section.querySelector(".filter [role=status]");
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      bodies.forEach((body, at) => {
        body.hidden = !words.every((word) => texts[at].includes(word));
        if (!body.hidden) count += 1;
      });
      told.textContent = `${count} of ${bodies.length} classes`;
    });
  }
  const number = (text) => {
    const digits = text.replaceAll(",", "");
    return /^[0-9]+$/.test(digits) ? BigInt(digits) : null;
  };
  const compare = (a, b) => {
    const [x, y] = [number(a), number(b)];
    if (x !== null && y !== null) return x < y ? -1 : Number(x > y);
    if (x !== null || y !== null) return x === null ? -1 : 1;
    return a.localeCompare(b, "en", { numeric: true });
  };
  for (const table of all(".changes")) {
    const heads = Array.from(table.tHead.rows[0].cells); // not those of tables within
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const text = (body) => body.rows[0].cells[column].textContent.trim();
        const sorted = Array.from(table.tBodies).map((body) => [text(body), body]);
        sorted.sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)));
        for (const [, body] of sorted) table.append(body);
      });
    });
  }
})();
