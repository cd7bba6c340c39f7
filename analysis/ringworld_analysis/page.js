"use strict";
// Tables sort by a click on a column head; a second click reverses. Cells carry their raw value in data-value.
document.querySelectorAll("th.sortable").forEach((head) => {
  const sort = () => {
    const descends = head.getAttribute("aria-sort") === "ascending";
    const table = head.closest("table");
    table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", descends ? "descending" : "ascending");
    const body = table.tBodies[0];
    const value = (row) => {
      const cell = row.cells[head.cellIndex];
      return cell.dataset.value === undefined ? cell.textContent : cell.dataset.value;
    };
    const isNumeric = head.classList.contains("number");
    const compare = (a, b) => (isNumeric ? Number(value(a)) - Number(value(b)) : value(a).localeCompare(value(b)));
    Array.from(body.rows)
      .sort((a, b) => (descends ? compare(b, a) : compare(a, b)))
      .forEach((row) => body.appendChild(row));
  };
  head.addEventListener("click", sort);
  head.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); }
  });
});
// Folded figures and provenance belong on paper too.
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((fold) => { fold.open = true; }));
