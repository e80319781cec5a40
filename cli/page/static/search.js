// One search, live: its history, its table, its workers, and what a person does with it.
import { address, around, ask, bokeh, byId, draw, el, fail, fill, get, grouped, isReadOnly, lossRange, number, onTap, onTheme, post, query, ranges, setRanges, showSnippets, shown, span, tell, theme } from "./page.js";
import { analysis } from "./analysis.js";
import { fork } from "./corrections.js";
import { evidence } from "./evidence.js";
import { moment } from "./moment.js";
import { table } from "./trial_table.js";
import { frontOf } from "./front.js";

const name = query.get("name");
const trials = new Map();  // by number: {state, loss, losses, ranked}; of many, those that a screen can show apart
let near = new Map();  // more of them, in the part of the history that is looked at
let sent = {};  // how many trials were sent, of how many, and below which loss nine tenths of all lie
let tick = 0;
let head = {};
let charts = {};
let stream;
const openTrial = (tid) => { location.href = address("/trial", { name, tid }); };
const state = { name, at: "" };
const rows = table(state);
const parts = [analysis(state), evidence(state)];

// -- charts --------------------------------------------------------------------------------------------------------

const KIND = { done: "done", failed: "failed", pruned: "muted", void: "muted", infeasible: "muted" };

const drawHistory = (isForced = false) => {
  if (!charts.history) return;
  const here = near.size ? new Map([...trials, ...near]) : trials;
  const kinds = { done: [], failed: [], muted: [] };
  const best = { tid: [], loss: [] };
  const sorted = [...here.keys()].sort((a, b) => a - b);
  const losses = [];
  let least = Infinity;
  for (const tid of sorted) {
    const trial = here.get(tid);
    if (typeof trial.loss !== "number") continue;
    losses.push(trial.loss);
    if (trial.ranked && trial.loss < least) {
      least = trial.loss;
      best.tid.push(tid);
      best.loss.push(least);
    }
  }
  if (best.tid.length) {
    best.tid.push(sorted.at(-1));
    best.loss.push(least);
  }
  const range = lossRange(losses, byId("outliers").checked, sent.count < sent.of ? sent.common : undefined) ?? { start: 0, end: 1 };
  const top = range.end - (range.end - range.start) * 0.03;
  for (const tid of sorted) {
    const { state, loss } = here.get(tid);
    const kind = KIND[state];
    if (kind && (typeof loss === "number" || kind === "failed")) kinds[kind].push([tid, loss]);
    else if (kind === "muted") kinds.muted.push([tid, undefined]);
  }
  for (const [kind, points] of Object.entries(kinds)) {
    fill(charts.history, kind, {
      tid: points.map(([tid]) => tid),
      loss: points.map(([, loss]) => loss ?? top),  // without a loss it is marked at the upper edge
      text: points.map(([, loss]) => (loss === undefined ? "none" : number(loss, 8))),
    });
  }
  for (const [kind, points] of Object.entries(kinds)) {
    const entry = charts.history.get_model_by_name(`legend ${kind}`);
    if (!entry) continue;
    entry.visible = points.length > 0;
    const isCrowded = points.length > 2000;
    entry.renderers[0].glyph.setv({ size: { value: isCrowded ? 4 : 6 }, fill_alpha: { value: isCrowded ? 0.35 : 0.75 }, line_alpha: { value: isCrowded ? 0.2 : 0.75 } });
  }
  byId("history-card").hidden = !losses.length && [...trials.values()].some((trial) => trial.losses);
  fill(charts.history, "best", best);
  charts.ranges.set({ x_range: around(sorted), y_range: range }, isForced);
  sayWhatIsDrawn();
};

const sayWhatIsDrawn = (part) => {
  const { count, of } = part ?? sent;
  const isAll = !(count < of);
  const drawn = `${grouped(count)} of ${grouped(of)} trials`;
  if (part) byId("drawn").textContent = isAll ? "all trials of this part are drawn" : `${drawn} of this part are drawn; zoom in for the others`;
  else if (!near.size) byId("drawn").textContent = isAll ? "" : `${drawn} are drawn: one for each place on the screen, each extreme, each best; zoom in for the others`;
};

// Loads the trials of the part that a person has zoomed in to.
let looking = 0;
const lookCloser = async () => {
  const mine = ++looking;
  const part = charts.ranges.part();
  if (part === null || sent.count >= sent.of) {
    if (!near.size) return;
    near = new Map();
    return drawHistory();
  }
  const columns = await get("/api/columns", { name, at: state.at, ...part });
  if (mine !== looking) return;
  near = rowsOf(columns);
  drawHistory();
  sayWhatIsDrawn({ count: columns.tid.length, of: columns.of });
};

const drawPareto = () => {
  const several = [...trials].filter(([, trial]) => trial.losses);
  byId("pareto-card").hidden = several.length === 0;
  if (!several.length || !charts.pareto) return;
  const [x, y] = [Number(byId("pareto-x").value), Number(byId("pareto-y").value)];
  const points = several.filter(([, { losses }]) => Number.isFinite(losses[x]) && Number.isFinite(losses[y]));
  const columns = (some) => ({
    tid: some.map(([tid]) => tid), x: some.map(([, { losses }]) => losses[x]), y: some.map(([, { losses }]) => losses[y]),
  });
  const all = columns(points);
  fill(charts.pareto, "trials", all);
  setRanges(charts.pareto, { x_range: around(all.x), y_range: around(all.y) });
  fill(charts.pareto, "front", columns(frontOf(points.filter(([, trial]) => trial.ranked), x, y)));
};

let drawing;
const drawSoon = () => {
  drawing ??= setTimeout(() => {
    drawing = undefined;
    drawHistory();
    drawPareto();
  }, trials.size > 20000 ? 1500 : 300);
};

const makeCharts = async () => {
  bokeh().catch(() => {});  // meanwhile
  const { chart } = await get("/api/chart", { kind: "history", theme: theme() });
  const history = await draw(byId("history"), chart);
  Object.assign(charts, { history, ranges: ranges(history, () => lookCloser().catch((error) => tell(error.message, true))) });
  for (const kind of ["done", "failed", "muted"]) onTap(charts.history, kind, "tid", openTrial);
  drawHistory();
  await makePareto();
};

const makePareto = async () => {
  const several = [...trials.values()].find((trial) => trial.losses);
  if (!several || charts.pareto) return;
  const count = several.losses.length;
  for (const [id, at] of [["pareto-x", 0], ["pareto-y", Math.min(1, count - 1)]]) {
    const options = Array.from({ length: count }, (_, n) => el("option", { value: n, selected: n === at }, `loss ${n}`));
    byId(id).replaceChildren(...options);
    byId(id).addEventListener("change", drawPareto);
  }
  byId("pareto-card").hidden = false;
  charts.pareto = await draw(byId("pareto"), (await get("/api/chart", { kind: "pareto", theme: theme() })).chart);
  for (const each of ["trials", "front"]) onTap(charts.pareto, each, "tid", openTrial);
  drawPareto();
};

// -- what is said at the top ---------------------------------------------------------------------------------------

const showHead = () => {
  const status = byId("status");
  status.textContent = head.status;
  status.className = `state ${head.status}`;
  byId("why").textContent = head.why ? `reason: ${shown(head.why)}` : "";
  byId("fact-trials").textContent = head.of ? `${head.trials} of ${head.of}` : String(head.trials);
  const best = byId("fact-best");
  best.replaceChildren(head.best ? `${number(head.best.loss, 8)} ` : "–");
  if (head.best) best.append(el("a", { href: address("/trial", { name, tid: head.best.tid }) }, `trial ${head.best.tid}`));
  byId("fact-algorithm").textContent = shown(head.algorithm ?? "–");
  byId("fact-counts").textContent = Object.entries(head.counts).map(([state, n]) => `${n} ${state}`).join(", ") || "no trials yet";
  if (isReadOnly) return;
  document.querySelector(".heading .buttons").hidden = state.at !== "";
  byId("pause").hidden = head.status !== "open";
  byId("resume").hidden = head.status === "open";
  byId("resume").textContent = head.status === "finished" ? "Open again" : "Resume";
  byId("stop").hidden = head.status === "finished";
  byId("retry-failed").hidden = !head.counts.failed;
};

// -- data ----------------------------------------------------------------------------------------------------------

const rowsOf = (columns) => new Map(columns.tid.map((tid, n) => [tid, {
  state: columns.states[columns.state[n]], loss: columns.loss[n] ?? undefined,
  ranked: columns.ranked[n] === 1, losses: columns.losses?.[n] ?? undefined,
}]));

const load = async () => {
  const at = state.at;
  const columns = await get("/api/columns", { name, at });
  if (at !== state.at) return;  // another moment was chosen meanwhile
  trials.clear();
  near = new Map();
  for (const [tid, trial] of rowsOf(columns)) trials.set(tid, trial);
  sent = { count: columns.tid.length, of: columns.of, common: columns.common };
  ({ tick, head } = columns);
  fail("");
  showHead();
  drawHistory();
  drawPareto();
  makePareto();
  if (at) {
    stream?.close();
    byId("live").textContent = `as of ${head.moment}`;
    byId("live").className = "badge";
  } else {
    slider.count(head.trials);
    follow();
  }
  slider.said(at, head.moment, head.trials);
  if (!isReadOnly) byId("fork").hidden = at === "";
};

const slider = moment(async (at) => {
  const before = state.at;
  if (at === before) return slider.said(at, head.moment, head.trials);
  state.at = at;
  byId("moment-text").textContent = at ? "reading the log …" : "now";
  try {
    await load();
  } catch (error) {
    tell(error.message, true);
    state.at = before;
    return slider.said(before, head.moment, head.trials);
  }
  const shownNow = new URL(location.href);
  at ? shownNow.searchParams.set("at", at) : shownNow.searchParams.delete("at");
  history.replaceState(null, "", shownNow);
  rows.again();
  parts[0].draw();
  snippets();
});

const snippets = () =>
  get("/api/snippets", { name, at: state.at, figure: ["history", ...parts.flatMap((part) => part.figures())] }).then(showSnippets).catch(() => {});


const take = (message) => {
  if (state.at) return;
  ({ tick, head } = message);
  slider.count(head.trials);
  for (const row of message.rows) {
    near.delete(row.tid);
    trials.set(row.tid, { state: row.state, loss: row.loss, losses: row.losses, ranked: row.ranked });
  }
  showHead();
  drawSoon();
  makePareto();
  rows.changed(message.rows);
  if (message.rows.length) workersSoon();
};

const follow = () => {
  stream?.close();
  stream = new EventSource(address("/api/live", { name, tick }));
  const live = byId("live");
  stream.onopen = () => { live.textContent = "live"; live.className = "live"; };
  stream.onerror = () => { live.textContent = "not connected"; live.className = "muted"; };
  stream.onmessage = (event) => take(JSON.parse(event.data));
  stream.addEventListener("reload", () => {
    stream.close();
    live.textContent = "not connected";
    live.className = "muted";
    again();
  });
  stream.addEventListener("failed", (event) => {
    stream.close();
    live.textContent = "not followed";
    live.className = "muted";
    fail(`This search cannot be followed: ${JSON.parse(event.data).error}`);
    again(15000);
  });
};

let waiting;
const again = (wait = 1000) => {
  clearTimeout(waiting);
  waiting = setTimeout(() => load().then(() => rows.load()).catch((error) => {
    if (!(error instanceof TypeError)) fail(error.message);  // that of fetch: the server is away, which *live* says
    again(Math.min(wait * 2, 15000));
  }), wait);
};

// -- workers -------------------------------------------------------------------------------------------------------

const showWorkers = async () => {
  const { workers, held } = await get("/api/workers", { name });
  const known = new Set(workers.map((worker) => worker.name));
  for (const each of held) {
    if (!known.has(each.worker)) {
      known.add(each.worker);
      workers.push({ name: each.worker, state: each.is_silent ? "silent" : null, host: each.host, age: each.age });
    }
  }
  const line = (worker) => {
    const mine = held.filter((each) => each.worker === worker.name);
    const links = mine.slice(0, 12).flatMap((each, n) => [n ? ", " : "",
      el("a", { href: address("/trial", { name, tid: each.tid }) }, String(each.tid)),
      el("span", { class: each.is_silent ? "bad" : "muted" }, ` (${span(each.age)})`)]);
    return el("tr", {}, el("th", { scope: "row" }, shown(worker.name ?? "–")), el("td", {}, shown(worker.state ?? "–")),
      el("td", {}, shown(worker.host ?? "–")), el("td", {}, ...links, mine.length > 12 ? ` and ${mine.length - 12} more` : ""),
      el("td", {}, worker.age === null || worker.age === undefined ? "–" : `${span(worker.age)} ago`));
  };
  document.querySelector("#workers tbody").replaceChildren(...workers.map(line));
  const none = byId("no-workers");
  byId("workers").hidden = workers.length === 0;
  none.hidden = workers.length > 0;
  none.textContent = head.counts?.queued ? "No worker is connected, and trials are queued: start one with `hstore worker`." : "No worker is connected.";
};

let workersDue;
const workersSoon = () => { workersDue ??= setTimeout(() => { workersDue = undefined; showWorkers().catch(() => {}); }, 2000); };

// -- what a person does --------------------------------------------------------------------------------------------

const QUESTIONS = {
  pause: { title: "Pause the search?", text: "No new trials are suggested or started. Running trials continue to their ends.", yes: "Pause", now: "requeue running trials at once" },
  resume: { title: "Continue the search?", text: "Workers start queued trials at once. New trials are suggested by a call of fmin.", yes: "Continue" },
  stop: { title: "Stop the search?", text: "Queued trials are cancelled. Running ones continue to their ends.", yes: "Stop", now: "cancel running trials at once" },
};

const doIt = async (what, more = {}) => {
  try {
    const { status, written } = await post("/api/act", { name, do: what, ...more });
    tell(written.length ? `done: the search is ${status}` : `nothing to do: the search is ${status}`);
  } catch (error) {
    tell(error.message, true);
  }
};

if (!isReadOnly) {
  byId("fork").addEventListener("click", () => fork(name, state.at));
  for (const what of Object.keys(QUESTIONS)) {
    byId(what).addEventListener("click", async () => {
      const answer = await ask(QUESTIONS[what]);
      if (answer) doIt(what, QUESTIONS[what].now ? answer : { why: answer.why });
    });
  }
  byId("retry-failed").addEventListener("click", async () => {
    const answer = await ask({ title: "Evaluate all failed trials again?", text: "They are queued at the same points. Their earlier results stay in the log.", yes: "Retry" });
    if (answer) doIt("retry", { tids: "failed", why: answer.why });
  });
}

byId("outliers").addEventListener("change", () => drawHistory(true));
for (const each of document.querySelectorAll("details")) each.addEventListener("toggle", snippets);
onTheme(() => {
  charts = {};
  makeCharts().catch((error) => tell(error.message, true));
  for (const part of parts) part.draw();
});
addEventListener("pagehide", () => stream?.close());
addEventListener("pageshow", (event) => { if (event.persisted) again(); });

state.at = query.get("at") ?? "";
if (state.at) snippets();
rows.load();
load().catch((error) => { fail(error.message); again(); });
makeCharts().catch((error) => tell(error.message, true));
showWorkers().catch(() => {});
setInterval(() => { if (!document.hidden) showWorkers().catch(() => {}); }, 10000);
