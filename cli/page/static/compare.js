// Two to six searches beside each other.
import { around, byId, draw, fill, get, lossRange, onTheme, query, setRanges, tell, theme } from "./page.js";

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
  chart = await draw(byId("curves"), await get("/api/chart", { kind: "compare", name: names, theme: theme() }));
  show();
};

byId("outliers").addEventListener("change", show);
onTheme(() => make().catch((error) => tell(error.message, true)));
Promise.all(names.map((name) => get("/api/columns", { name })))
  .then((all) => { lines = all.map(bestSoFar); show(); })
  .catch((error) => tell(error.message, true));
make().catch((error) => tell(error.message, true));
