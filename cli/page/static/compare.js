// Two to six searches beside each other.
import { around, byId, draw, drawKind, el, fill, get, lossRange, number, onTheme, query, setRanges, shown, tell, theme } from "./page.js";

const names = [...new Set(query.getAll("name"))].slice(0, 6);
let lines = [];
let chart;

const show = () => {
  if (!chart) return;
  lines.forEach((line, n) => fill(chart, `search${n}`, { tid: line.tid, loss: line.best }));
  const all = lines.flatMap((line) => line.best);
  setRanges(chart, {
    x_range: around(lines.flatMap((line) => line.tid)), y_range: lossRange(all, byId("outliers").checked),
  });
};

const bestSoFar = (columns) => {
  const line = { tid: [], best: [] };
  let least = Infinity;
  columns.tid.forEach((tid, n) => {
    if (!columns.ranked[n] || columns.loss[n] === null) return;
    least = Math.min(least, columns.loss[n]);
    line.tid.push(tid);
    line.best.push(least);
  });
  return line;
};

const make = async () => {
  chart = await draw(byId("curves"), (await get("/api/chart", { kind: "compare", name: names, theme: theme() })).chart);
  show();
  await drawKind("edf", { name: names });
};

const value = (given) => el("td", { class: "value" }, given === null ? "–" : typeof given === "number" ? number(given, 8) : shown(given));

const difference = async () => {
  const button = byId("difference");
  const [a, b] = [byId("difference-a").value, byId("difference-b").value];
  button.disabled = true;
  try {
    const { rows } = await get("/api/difference", { name: [a, b], all: byId("difference-all").checked ? "yes" : "" });
    const heads = document.querySelectorAll("#differences thead th");
    heads[2].textContent = shown(a);
    heads[3].textContent = shown(b);
    let part = "";
    document.querySelector("#differences tbody").replaceChildren(...rows.map((row) => {
      const line = el("tr", {}, el("th", { scope: "row" }, row.section === part ? "" : row.section), el("td", { class: "value" }, shown(row.name)), value(row.a), value(row.b));
      part = row.section;
      return line;
    }));
    byId("differences").hidden = rows.length === 0;
    byId("difference-none").hidden = rows.length > 0;
  } catch (error) {
    tell(error.message, true);
  }
  button.disabled = false;
};

byId("difference")?.addEventListener("click", difference);
byId("outliers").addEventListener("change", show);
onTheme(() => make().catch((error) => tell(error.message, true)));
Promise.all(names.map((name) => get("/api/columns", { name })))
  .then((all) => { lines = all.map(bestSoFar); show(); })
  .catch((error) => tell(error.message, true));
make().catch((error) => tell(error.message, true));
