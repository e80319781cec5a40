// One trial: its curve, a retry, and a word when it has changed.
import { address, ask, byId, draw, el, get, isReadOnly, number, onTheme, post, query, shown, tell, theme } from "./page.js";
import { correct, fork } from "./corrections.js";

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

// -- why this point ------------------------------------------------------------------------------------------------

const fact = (title, ...said) => el("div", {}, el("dt", {}, title), el("dd", {}, ...said));
const between = (low, high) => `${number(low)} to ${number(high)}`;
const trialLink = (other) => el("a", { href: address("/trial", { name, tid: other }) }, `trial ${other}`);

// Of tpe, how much likelier each value is among the good trials than among the others.
const compared = ({ densities, ratio }) => (densities ?? []).length === 0 ? [] : [
  fact("likelier among the good trials than among the others", `${number(ratio, 3)} times: `,
    densities.map((each) => `${each.label === null ? "the point" : shown(each.label)} ${number(each.ratio, 3)} (rank ${each.rank} of ${each.candidates} candidates)`).join(", "))];

const expected = (said) => {
  const { prediction, is_within: within, why_no_prediction: whyNot } = said;
  if (!prediction) return [fact("expected", `no prediction: ${shown(whyNot)}`)];
  const came = within ? (within["68"] ? "within the 68 %" : within["95"] ? "within the 95 %" : "outside the 95 %") : "";
  const lengths = Object.entries(prediction.lengths).map(([label, length]) => `${shown(label)} ${number(length, 2)}`).join(", ");
  return [
    fact("expected loss", `${number(prediction.median)}; with 68 % from ${between(prediction.low_68, prediction.high_68)}, with 95 % from ${between(prediction.low_95, prediction.high_95)}`),
    fact("came to", `${number(said.loss)}${came ? `: ${came}` : ""}`),
    fact("expected improvement", number(prediction.expected_improvement)),
    fact("rank", `${prediction.rank} of ${prediction.candidates} candidates`),
    prediction.chance === null ? null : fact("chance not to fail", `${Math.round(100 * prediction.chance)} %`),
    fact("length scales, in ranges (the smallest matter most)", lengths),
  ];
};

let isExplained = false;
const explain = async () => {
  if (!byId("why").open || isExplained) return;
  isExplained = true;
  try {
    const said = await get("/api/why", { name, tid });
    const by = said.algorithm ? `${shown(said.algorithm.name)}${said.arm ? `, by ${shown(said.arm)}` : ""}, seed ${said.seed}` : "no algorithm";
    const knew = Object.entries(said.known).map(([kind, n]) => `${n} ${kind}`).join(", ") || "no trials";
    const links = said.new.slice(0, 12).flatMap((other, n) => [n ? ", " : "", trialLink(other)]);
    byId("why-said").replaceChildren(el("dl", { class: "why" },
      fact("chosen by", by), fact("it knew", knew),
      said.new.length ? fact("new to it", ...links, said.new.length > 12 ? ` and ${said.new.length - 12} more` : "") : null,
      said.best ? fact("best then", trialLink(said.best.tid), `, loss ${number(said.best.loss)}`) : null, ...compared(said), ...expected(said)));
  } catch (error) {
    byId("why-said").replaceChildren(el("p", { class: "bad" }, shown(error.message)));
    isExplained = false;
  }
  byId("why-wait").hidden = true;
};
byId("why").addEventListener("toggle", explain);

// -- what a person does --------------------------------------------------------------------------------------------

const numbers = (text) => (text ? text.split(",").map(Number) : []);

if (!isReadOnly) {
  for (const what of ["void", "unvoid", "note", "tag"]) {
    byId(what)?.addEventListener("click", async () => { if (await correct(what, { name, tid })) location.reload(); });
  }
  byId("fork").addEventListener("click", () => fork(name, String(tid)));
  byId("amend")?.addEventListener("click", async () => {
    const [losses, constraints] = [numbers(holder.losses), numbers(holder.constraints)];
    const fields = losses.length
      ? losses.map((value, n) => ({ id: `losses-${n}`, label: `loss ${n}`, value }))
      : [{ id: "loss", label: "loss", value: holder.loss }];
    fields.push(...constraints.map((value, n) => ({ id: `constraints-${n}`, label: `constraint ${n}`, value })));
    const asIs = (answer) => ({
      ...(losses.length ? { losses: losses.map((_, n) => answer[`losses-${n}`]) } : { loss: answer.loss }),
      ...(constraints.length ? { constraints: constraints.map((_, n) => answer[`constraints-${n}`]) } : {}),
    });
    if (await correct("amend", { name, tid }, { fields, asIs })) location.reload();
  });
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
  get("/api/facts", { name }).then(({ tick }) => {
    const stream = new EventSource(address("/api/live", { name, tick }));
    stream.onmessage = (event) => {
      if (!JSON.parse(event.data).rows.some((row) => row.tid === tid)) return;
      byId("changed").hidden = false;
      stream.close();
    };
    stream.addEventListener("reload", () => {
      stream.close();
      byId("changed").textContent = "This trial may have changed: show it again";
      byId("changed").hidden = false;
    });
    addEventListener("pagehide", () => stream.close());
  }).catch((error) => tell(error.message, true));
}
