// One trial: its curve, a retry, and a word when it has changed.
import { address, ask, byId, draw, get, isReadOnly, onTheme, post, query, tell, theme } from "./page.js";

const name = query.get("name");
const tid = Number(query.get("tid"));
const holder = byId("trial").dataset;

const drawCurve = async () => {
  const { chart } = await get("/api/chart", { kind: "curve", name, tid, theme: theme() });
  if (chart) await draw(byId("curve"), chart);
};

if (holder.reports) {
  drawCurve().catch((error) => tell(error.message, true));
  onTheme(drawCurve);
}

if (!isReadOnly) {
  byId("retry")?.addEventListener("click", async () => {
    const answer = await ask({
      title: `Evaluate trial ${tid} again?`, yes: "Retry",
      text: "It is queued at the same point. Its earlier result stays in the log. A search that had finished is opened again.",
    });
    if (!answer) return;
    try {
      await post("/api/act", { name, do: "retry", tids: [tid], why: answer.why });
      location.reload();
    } catch (error) {
      tell(error.message, true);
    }
  });
}

byId("changed").addEventListener("click", () => location.reload());
const ended = ["done", "failed", "cancelled", "pruned", "void", "infeasible"];
if (!ended.includes(holder.state)) {
  get("/api/columns", { name }).then(({ tick }) => {
    const stream = new EventSource(address("/api/live", { name, tick }));
    stream.onmessage = (event) => {
      if (!JSON.parse(event.data).rows.some((row) => row.tid === tid)) return;
      byId("changed").hidden = false;
      stream.close();
    };
    stream.addEventListener("reload", () => stream.close());
    addEventListener("pagehide", () => stream.close());
  }).catch((error) => tell(error.message, true));
}
