// What a page can do beyond being read: sort and filter tables, hide curves, tell the values of marks by arrow keys.
"use strict";
(() => {
  const make = (name, words, ...inside) => {
    const made = Object.assign(document.createElement(name), words);
    made.append(...inside);
    return made;
  };
  const NUMBER = /^[<>≤≥~≈×±+]*\s*([-−]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[-+]?\d+)?)/i;
  const MISSING = ["", "-", "–", "—", "nan"];

  /** The number that a cell begins with, its text if there is none, and null where nothing is said. */
  function key(text) {
    const cell = text.trim();
    if (MISSING.includes(cell)) return null;
    const endless = /^([-−+]?)inf$/.exec(cell);
    if (endless) return endless[1] && endless[1] !== "+" ? -Infinity : Infinity;
    const found = NUMBER.exec(cell);
    return found ? Number(found[1].replaceAll(",", "").replace("−", "-")) : cell;
  }

  function compare(left, right) {
    if (typeof left === "number" && typeof right === "number") return left < right ? -1 : left > right ? 1 : 0;
    return String(left).localeCompare(String(right), "en", { numeric: true });
  }

  function sort(table, at, head) {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [key(row.cells[at] ? row.cells[at].textContent : ""), row]);
    const told = rows.filter(([value]) => value !== null);
    const numbers = told.every(([value]) => typeof value === "number");
    const text = ([value, row]) => (numbers ? value : row.cells[at].textContent.trim());
    told.sort((a, b) => (down ? -1 : 1) * compare(text(a), text(b)));
    body.append(...told.map(([, row]) => row), ...rows.filter(([value]) => value === null).map(([, row]) => row));
  }

  // A box is a stop of the Tab key if it scrolls; the boxes of charts always are, for the arrow keys.
  const stops = () => {
    for (const box of document.querySelectorAll(".box:not(.plot)")) box.tabIndex = box.scrollWidth > box.clientWidth ? 0 : -1;
  };

  for (const table of document.querySelectorAll(".exhibit.table table")) {
    [...table.tHead.rows[0].cells].forEach((head, at) => {
      const button = make("button", { type: "button", onclick: () => sort(table, at, head) }, ...head.childNodes);
      head.append(button);
    });
  }

  for (const table of document.querySelectorAll("table[data-filter]")) {
    const rows = [...table.tBodies[0].rows];
    const count = make("output", {});
    const show = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
      count.value = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
    };
    const input = make("input", { type: "search", oninput: show });
    table.closest(".box").before(make("div", { className: "filter" }, make("label", {}, "Filter ", input), count));
    show();
  }

  for (const figure of document.querySelectorAll(".exhibit.chart")) {
    for (const entry of figure.querySelectorAll(".legend li")) {
      const curve = figure.querySelector(`.plot g[data-s="${entry.dataset.s}"]`);
      const button = make("button", { type: "button" }, ...entry.childNodes);
      button.setAttribute("aria-pressed", "true");
      button.onclick = () => {
        const hidden = curve.toggleAttribute("hidden");
        button.setAttribute("aria-pressed", String(!hidden));
      };
      entry.append(button);
    }
    const value = make("output", { className: "value" });
    const plot = figure.querySelector(".plot");
    figure.append(value);
    plot.addEventListener("pointerover", (event) => tell(event.target.closest(".m, .bar, .bin")));
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const marks = [...plot.querySelectorAll("g:not([hidden]) > :is(.m, .bar, .bin)")];
      if (!step || !marks.length) return;
      event.preventDefault();
      const at = marks.findIndex((mark) => mark.classList.contains("now"));
      tell(marks[at < 0 ? (step > 0 ? 0 : marks.length - 1) : (at + step + marks.length) % marks.length]);
    });
    function tell(mark) {
      if (!mark) return;
      for (const other of plot.querySelectorAll(".now")) other.classList.remove("now");
      mark.classList.add("now");
      value.value = mark.querySelector("title").textContent;
    }
  }

  stops();
  addEventListener("resize", stops);
  document.addEventListener("toggle", stops, true);
})();
