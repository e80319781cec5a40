// The list of searches: state, progress, best, sparkline; filtered here, compared elsewhere.
import { address, byId, el, get, number, shown, tell } from "./page.js";

const REFRESH = 4000;
const ORDER = ["done", "running", "reserved", "queued", "failed", "cancelled", "unreadable"];
const chosen = new Set();
let searches = [];
let sparks = {};
const body = document.querySelector("#searches tbody");

const spark = (losses) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 100 24");
  svg.setAttribute("class", "spark");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const from = losses.length > 4 ? losses[1] : losses[0];  // the first one is often far off
  const [high, low] = [from, losses.at(-1)];
  const y = (loss) => (high > low ? 2 + 20 * (1 - (Math.min(loss, high) - low) / (high - low)) : 12);
  const x = (n) => (100 * n) / Math.max(1, losses.length - 1);
  let path = `M0 ${y(losses[0])}`;
  losses.forEach((loss, n) => { path += ` H${x(n).toFixed(1)} V${y(loss).toFixed(1)}`; });
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", `${path} H100`);
  svg.append(line);
  return svg;
};

const progress = (each) => {
  const ended = ["done", "failed", "cancelled"].reduce((sum, state) => sum + (each.counts[state] ?? 0), 0);
  const of = Math.max(each.of ?? each.trials, each.trials);
  const text = ORDER.filter((state) => each.counts[state]).map((state) => `${each.counts[state]} ${state}`).join(", ");
  return el("td", {},
    el("progress", { max: of || 1, value: ended, "aria-label": `${ended} of ${of} trials ended` }),
    el("span", { class: "muted small" }, ` ${ended} of ${of}`), el("div", { class: "muted small" }, text || "no trials yet"));
};

const row = (each) => {
  const box = el("input", { type: "checkbox", "aria-label": `Compare ${shown(each.name)}`, on: { change: (event) => {
    event.target.checked ? chosen.add(each.name) : chosen.delete(each.name);
    buttons();
  } } });
  box.checked = chosen.has(each.name);
  const losses = sparks[each.name];
  return el("tr", {}, el("td", {}, box),
    el("td", { class: "name" }, el("a", { href: address("/search", { name: each.name }) }, shown(each.name)),
      each.archived ? el("span", { class: "badge" }, "archived") : null,
      each.title ? el("div", { class: "muted small" }, shown(each.title)) : null),
    el("td", {}, el("span", { class: `state ${each.status}`, title: each.why ?? "" }, each.status ?? "–")),
    el("td", { class: "number value" }, each.best.loss === undefined && each.front ? `front of ${each.front}` : number(each.best.loss)),
    progress(each),
    el("td", {}, losses?.length > 1 ? spark(losses) : null),
    el("td", {}, shown(each.algorithm ?? "–")),
    el("td", { class: "muted" }, (each.last ?? "–").slice(0, 19).replace("T", " ")));
};

const buttons = () => {
  const button = byId("compare");
  button.disabled = chosen.size < 2 || chosen.size > 6;
  button.textContent = chosen.size ? `Compare ${chosen.size}` : "Compare";
  button.title = chosen.size > 6 ? "at most six" : "choose two to six";
};

const visible = () => {
  const wanted = byId("filter").value.toLowerCase();
  const status = byId("status").value;
  const isShown = (each) => !each.archived || byId("archived").checked;
  const says = (each) => `${each.name} ${each.title ?? ""}`.toLowerCase().includes(wanted);
  return searches.filter((each) => isShown(each) && says(each) && (!status || each.status === status)).slice(0, 300);
};

const show = () => {
  const found = visible();
  const focused = document.activeElement?.closest?.("#searches a")?.getAttribute("href");
  body.replaceChildren(...found.map(row));
  if (focused) [...body.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
  byId("count").textContent = found.length === searches.length ? `${searches.length}` : `${found.length} of ${searches.length}`;
  byId("none").hidden = searches.length > 0;
  byId("archived-row").hidden = !searches.some((each) => each.archived);
};

let before = "";
const load = async () => {
  try {
    const said = await get("/api/overview");
    const text = JSON.stringify(said.searches);
    if (text === before) return;
    before = text;
    searches = said.searches;
    show();
    const names = visible().slice(0, 60).map((each) => each.name);
    if (names.length) sparks = { ...sparks, ...(await get("/api/sparks", { name: names })).sparks };
    show();
  } catch (error) {
    tell(error.message, true);
  }
};

byId("filter").addEventListener("input", show);
byId("status").addEventListener("change", show);
byId("archived").addEventListener("change", show);
byId("compare").addEventListener("click", () => { location.href = address("/compare", { name: [...chosen] }); });
buttons();
load();
setInterval(() => { if (!document.hidden) load(); }, REFRESH);
