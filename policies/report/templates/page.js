// Sorting is an extra: without scripts the tables are there in their own order.
for (const table of document.querySelectorAll("table.sorts")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];

  // A cell's number if it begins with one, else its text; null for a dash.
  function key(row, k) {
    const text = row.cells[k].textContent.trim().replace(/\u2212/g, "-");
    const value = parseFloat(text);
    return text === "\u2013" ? null : isNaN(value) ? text : value;
  }

  // Numbers before texts, each in their order; dashes are last either way.
  function compare(a, b, up) {
    if (a === null || b === null) return (a === null) - (b === null);
    const order =
      typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
    return up ? order : -order;
  }

  heads.forEach((head, k) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const keyed = [...body.rows].map((row) => [key(row, k), row]);
      keyed.sort((one, other) => compare(one[0], other[0], up));
      body.append(...keyed.map(([, row]) => row));
    });
  });
}
