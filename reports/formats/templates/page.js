"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const make = (tag, text, attributes = {}) => {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
const words = cell => cell.innerText.replace(/\s+/g, " ").trim();
const status = make("div", "", { role: "status", class: "status" });

// -- tables: sort, filter, copy
const number = text => {
  const found = text.replace(/[\u2212]/g, "-").replace(/\u202f/g, "").match(/^[≈<\s]*(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)/i);
  return found ? Number(found[1]) : null;
};
const compare = (one, two, numeric) => {
  if (!numeric) return one.localeCompare(two, "en", { numeric: true });
  const [a, b] = [number(one), number(two)];
  return a === null || b === null ? (a === null) - (b === null) : a - b;
};
function sortBy(table, head, index) {
  const falling = head.getAttribute("aria-sort") === "ascending", numeric = head.classList.contains("number");
  const body = table.tBodies[0];
  const rows = [...body.rows].map(row => [row.cells[index].textContent.trim(), row]);
  rows.sort(([one], [two]) => {
    const empty = (one === "–") - (two === "–");
    return empty || compare(one, two, numeric) * (falling ? -1 : 1);
  });
  body.append(...rows.map(([, row]) => row));
  for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", falling ? "descending" : "ascending");
}
const rowsOf = table => [...table.rows].filter(row => !row.hidden).map(row => [...row.cells].map(words));
const latex = text => text.replace(/[\\{}$&#^_%~]/g, sign =>
  ({ "\\": "\\textbackslash{}", "^": "\\textasciicircum{}", "~": "\\textasciitilde{}" })[sign] || "\\" + sign)
  .replace(/±/g, "$\\pm$").replace(/≈/g, "$\\approx$").replace(/−/g, "$-$").replace(/–/g, "--");
const forms = {
  Markdown: rows => {
    const lines = rows.map(row => `| ${row.map(cell => cell.replace(/\|/g, "\\|")).join(" | ")} |`);
    return [lines[0], `|${" --- |".repeat(rows[0].length)}`, ...lines.slice(1)].join("\n");
  },
  LaTeX: (rows, table) => {
    const columns = all("thead th", table).map(head => head.classList.contains("number") ? "r" : "l").join("");
    const lines = rows.map(row => row.map(latex).join(" & ") + " \\\\");
    const top = [`\\begin{tabular}{${columns}}`, "\\toprule", lines[0], "\\midrule"];
    return [...top, ...lines.slice(1), "\\bottomrule", "\\end{tabular}"].join("\n");
  },
  CSV: rows => {
    const quoted = cell => /[",\n]/.test(cell) ? `"${cell.replace(/"/g, '""')}"` : cell;
    return rows.map(row => row.map(quoted).join(",")).join("\n");
  },
};
async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", text, { class: "outside", "aria-hidden": "true" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  status.textContent = `${what} copied`;
  setTimeout(() => { status.textContent = ""; }, 2000);
}
for (const figure of all("figure.table")) {
  const table = figure.querySelector("table"), tools = make("div", "", { class: "tools" });
  const title = figure.querySelector("b").textContent;
  all("thead th", table).forEach((head, index) => {
    const button = make("button", head.textContent, { type: "button", class: "sort" });
    button.addEventListener("click", () => sortBy(table, head, index));
    head.replaceChildren(button);
  });
  if (table.tBodies[0].rows.length > 7) {
    const field = make("input", "", { type: "search", placeholder: "Filter", "aria-label": `Filter ${title}` });
    field.addEventListener("input", () => {
      const parts = field.value.toLowerCase().split(/\s+/);
      for (const row of table.tBodies[0].rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !parts.every(part => text.includes(part));
      }
    });
    tools.append(field);
  }
  tools.append(make("span", "Copy as"));
  for (const form of Object.keys(forms)) {
    const button = make("button", form, { type: "button", "aria-label": `Copy ${title} as ${form}` });
    button.addEventListener("click", () => copy(forms[form](rowsOf(table), table), `Table as ${form}`));
    tools.append(button);
  }
  figure.querySelector(".scroll").before(tools);
}

// -- figures: methods on and off everywhere, values under the pointer
for (const button of all("button.toggle")) {
  button.disabled = false;
  button.addEventListener("click", () => {
    const style = button.dataset.style, shown = button.getAttribute("aria-pressed") !== "true";
    for (const other of all(`button.toggle[data-style="${style}"]`)) other.setAttribute("aria-pressed", shown);
    for (const part of all(`.LineChart .style-${style}`)) part.classList.toggle("off", !shown);
  });
}
const tip = make("div", "", { class: "tip", hidden: "", "aria-hidden": "true" });
function nearest(svg, x, y) {
  let best = null, least = 28;
  for (const point of all("[data-tip]", svg)) {
    if (point.closest(".off")) continue;
    const box = point.getBoundingClientRect();
    const away = Math.hypot(Math.max(box.left - x, 0, x - box.right), Math.max(box.top - y, 0, y - box.bottom));
    const middle = Math.hypot((box.left + box.right) / 2 - x, (box.top + box.bottom) / 2 - y);
    if (away + middle / 100 < least) [best, least] = [point, away + middle / 100];
  }
  return best;
}
for (const svg of all("figure.picture svg[role=img]")) {
  const show = event => {
    const point = nearest(svg, event.clientX, event.clientY);
    tip.hidden = !point;
    if (!point) return;
    tip.textContent = point.dataset.tip;
    const right = event.clientX + 14 + tip.offsetWidth > innerWidth;
    tip.style.left = `${Math.max(4, right ? event.clientX - tip.offsetWidth - 14 : event.clientX + 14)}px`;
    tip.style.top = `${Math.max(4, event.clientY - tip.offsetHeight - 10)}px`;
  };
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", () => { tip.hidden = true; });
}
document.body.append(tip, status);
