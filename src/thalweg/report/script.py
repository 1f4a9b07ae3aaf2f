"""The page's only script: headings that sort, a button that saves the data. Without it the page reads the same."""

from __future__ import annotations

import base64
import hashlib

SCRIPT = """"use strict";
function key(cell) {
  const data = cell.querySelector("data");
  if (data) return parseFloat(data.value);
  const text = cell.textContent.trim();
  return text === "" || isNaN(text) ? text : parseFloat(text);
}
function compare(one, other) {
  const numbers = [typeof one, typeof other].map((kind) => kind === "number");
  if (numbers[0] !== numbers[1]) return numbers[0] ? -1 : 1;
  return numbers[0] ? one - other : one.localeCompare(other);
}
function sort(table, column, head) {
  const down = head.getAttribute("aria-sort") === "ascending";
  const rows = [...table.tBodies[0].rows].map((row) => [key(row.cells[column]), row]);
  rows.sort(([one], [other]) => {
    const order = compare(one, other);
    return typeof one === typeof other && down ? -order : order;
  });
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  table.tBodies[0].append(...rows.map(([, row]) => row));
}
for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(table, column, head));
    head.replaceChildren(button);
  });
}
const save = document.getElementById("save");
save.hidden = false;
save.addEventListener("click", () => {
  const content = document.getElementById("comparison").textContent;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "application/json" }));
  link.download = save.dataset.name;
  link.click();
  URL.revokeObjectURL(link.href);
});
"""
# The page's policy allows this script and no other, whatever text of a run should slip into the page.
DIGEST = "sha256-" + base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
