// The table of trials: sorted, filtered and cut by the server; rows on the screen follow what changes.
import { address, byId, el, get, number, shown, tell } from "./page.js";

const NUMBERS = ["tid", "loss", "seconds"];
const FIXED = [["tid", "trial"], ["state", "state"], ["loss", "loss"], ["seconds", "seconds"]];

// *state* has the search's name, and as of when it is shown.
export const table = (state) => {
  const { name } = state;
  const headings = document.querySelector("#trials thead tr");
  const body = document.querySelector("#trials tbody");
  const asked = { sort: "tid", label: undefined, order: "down", at: 0, text: "", state: "" };
  let labels = [];
  let numeric = new Set();
  let total = 0;
  let size = 50;
  const lines = new Map();
  let missed = 0;

  const isPlain = () => asked.sort === "tid" && asked.order === "down" && asked.at === 0 && !asked.text && !asked.state;

  const value = (given) => (typeof given === "number" ? number(given) : given === undefined ? "" : shown(given === null ? "None" : typeof given === "object" ? JSON.stringify(given) : given));

  const line = (row) => el("tr", {},
    el("th", { scope: "row", class: "number" }, el("a", { href: address("/trial", { name, tid: row.tid }) }, String(row.tid))),
    el("td", {}, el("span", { class: `state ${row.state}` }, row.state),
      row.amended ? el("span", { class: "muted", title: "its result was amended" }, " amended") : null,
      ...(row.tags ?? []).flatMap((tag) => [" ", el("span", { class: "badge" }, shown(tag))])),
    el("td", { class: "number value" }, row.losses ? row.losses.map((each) => number(each)).join(", ") : number(row.loss)),
    el("td", { class: "number" }, row.seconds === undefined ? "" : number(row.seconds, 3)),
    ...labels.map((label) => el("td", { class: `value ${typeof row.params[label] === "number" ? "number" : ""}` }, value(row.params[label]))),
    el("td", { class: "said" }, shown(row.said ?? "")),
    el("td", { class: "muted" }, shown(row.worker ?? "")));

  const heading = (text, sort, label) => {
    const isSorted = asked.sort === sort && asked.label === label;
    const button = el("button", { class: "sort", on: { click: () => {
      asked.order = isSorted ? (asked.order === "down" ? "up" : "down") : sort === "tid" ? "down" : "up";
      Object.assign(asked, { sort, label, at: 0 });
      load();
    } } }, shown(text), isSorted ? (asked.order === "down" ? " ↓" : " ↑") : "");
    const isNumber = label === undefined ? NUMBERS.includes(sort) : numeric.has(label);
    return el("th", { scope: "col", class: isNumber ? "number" : "", "aria-sort": isSorted ? (asked.order === "down" ? "descending" : "ascending") : "none" }, button);
  };

  const showTotal = () => {
    byId("total").textContent = total ? `${asked.at + 1}–${Math.min(asked.at + size, total)} of ${total}` : "none";
    byId("before").disabled = asked.at === 0;
    byId("after").disabled = asked.at + size >= total;
  };

  const showMissed = () => {
    const button = byId("changed");
    button.hidden = missed === 0;
    button.textContent = `${missed} changed: show`;
  };

  const render = (rows) => {
    numeric = new Set(labels.filter((label) => rows.some((row) => typeof row.params[label] === "number")));
    headings.replaceChildren(...FIXED.map(([sort, text]) => heading(text, sort)),
      ...labels.map((label) => heading(label, "param", label)), el("th", { scope: "col" }, "error or message"), heading("worker", "worker"));
    lines.clear();
    for (const row of rows) lines.set(row.tid, line(row));
    body.replaceChildren(...lines.values());
  };

  let turn = 0;
  const load = async () => {
    const mine = ++turn;
    try {
      const said = await get("/api/trials", { name, asof: state.at, ...asked });
      if (mine !== turn) return;
      ({ total, labels, size } = said);
      missed = 0;
      render(said.rows);
      showTotal();
      showMissed();
    } catch (error) {
      if (mine === turn) tell(error.message, true);
    }
  };

  // *rows*: those of the trials that changed.
  const changed = (rows) => {
    const isNewLabel = rows.some((row) => Object.keys(row.params).some((label) => !labels.includes(label)));
    if (isNewLabel && isPlain()) return load();
    for (const row of rows) {
      const shownNow = lines.get(row.tid);
      if (shownNow) {
        const fresh = line(row);
        shownNow.replaceWith(fresh);
        lines.set(row.tid, fresh);
        fresh.classList.add("fresh");
      } else if (isPlain() && row.tid >= total) {
        const fresh = line(row);
        fresh.classList.add("fresh");
        lines.set(row.tid, fresh);
        body.prepend(fresh);
        total = row.tid + 1;
      } else {
        missed += 1;
      }
    }
    if (isPlain()) {
      missed = 0;
      const sorted = [...lines.keys()].sort((a, b) => b - a);
      for (const tid of sorted.slice(size)) {
        lines.get(tid).remove();
        lines.delete(tid);
      }
      showTotal();
    }
    showMissed();
  };

  let typing;
  byId("text").addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(() => { Object.assign(asked, { text: event.target.value, at: 0 }); load(); }, 250);
  });
  byId("state").addEventListener("change", (event) => { Object.assign(asked, { state: event.target.value, at: 0 }); load(); });
  byId("before").addEventListener("click", () => { asked.at = Math.max(0, asked.at - size); load(); });
  byId("after").addEventListener("click", () => { asked.at += size; load(); });
  byId("changed").addEventListener("click", load);
  const again = () => {
    Object.assign(asked, { at: 0, text: state.at ? "" : asked.text });
    byId("text").value = asked.text;
    byId("text").disabled = state.at !== "";
    return load();
  };
  return { load, changed, again };
};
