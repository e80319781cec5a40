// What all views share: requests, elements made of text alone, numbers, charts, dialogs, keys.

export const root = document.documentElement.dataset.root;
export const isReadOnly = document.documentElement.dataset.readOnly === "yes";
export const query = new URLSearchParams(location.search);

export const address = (path, values) => {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(values ?? {})) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null && each !== "") given.append(name, each);
    }
  }
  return `${root}${path}${given.size ? `?${given}` : ""}`;
};

const answered = async (response) => {
  if (response.ok) return response.json();
  const said = await response.text();
  let why = said;
  try {
    const { error, hint } = JSON.parse(said);
    why = hint ? `${error} (${hint})` : error;
  } catch { /* not JSON: shown as it is */ }
  throw new Error(why);
};

export const get = async (path, values) => answered(await fetch(address(path, values)));

export const post = async (path, value) =>
  answered(await fetch(`${root}${path}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value),
  }));

// The only way in which views make elements: text stays text.
export const el = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "on") for (const [event, run] of Object.entries(value)) made.addEventListener(event, run);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
};

export const byId = (id) => document.getElementById(id);

// Characters that are invisible or reorder text are shown as escapes, as on the command line.
const hidden = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu;
export const shown = (text) =>
  String(text).replace(hidden, (c) => (c === "\n" ? "\\n" : `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`));

export const number = (value, digits = 6) => {
  if (typeof value !== "number") return value === undefined || value === null ? "–" : shown(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
  const text = value.toPrecision(digits);
  return text.includes("e") ? text.replace(/\.?0+e/, "e") : text.includes(".") ? text.replace(/\.?0+$/, "") : text;
};

// 12345 as "12,345". (The first call of toLocaleString takes a browser as long as the rest of a chart's text.)
export const grouped = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, ",");

export const span = (seconds) => {
  if (seconds === undefined || seconds === null) return "–";
  if (seconds < 90) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes <= 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

// -- messages and questions ----------------------------------------------------------------------------------------

let fading;
export const tell = (text, isError = false) => {
  const place = byId("message");
  place.textContent = shown(text);
  place.className = isError ? "error" : "";
  place.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => { place.hidden = true; }, isError ? 12000 : 5000);
};

// Says above everything else why what is shown is not all there is; without *text* no more.
export const fail = (text) => {
  const place = byId("failure");
  place.textContent = text ? shown(text) : "";
  place.hidden = !text;
};

// Resolves to {why, now, person, and each of *fields* by its id}, or to null if the answer is no.
// why: what is asked for as a reason, if it must be given, or *isOptional*. fields: [{id, label, value}], numbers.
export const ask = ({ title, text, yes, now, why, isOptional, hasNoPerson, fields }) =>
  new Promise((resolve) => {
    const dialog = byId("ask");
    byId("ask-title").textContent = shown(title);
    byId("ask-text").textContent = text;
    byId("ask-yes").textContent = yes;
    byId("ask-why").value = "";
    byId("ask-why").required = Boolean(why) && !isOptional;
    byId("ask-why-text").textContent = why ?? "Reason (for the log)";
    byId("ask-person-row").hidden = !why || hasNoPerson === true;
    byId("ask-person").value = localStorage.getItem("hstore person") ?? document.documentElement.dataset.person;
    byId("ask-fields").replaceChildren(...(fields ?? []).map(({ id, label, value }) => el("label", {}, `${label} `,
      el("input", { id: `ask-${id}`, value, type: "number", step: "any", required: true, autocomplete: "off" }))));
    byId("ask-now").checked = false;
    byId("ask-now-row").hidden = !now;
    byId("ask-now-text").textContent = now ?? "";
    dialog.returnValue = "no";
    byId("ask-no").onclick = () => dialog.close("no");
    dialog.addEventListener("close", () => {
      if (dialog.returnValue !== "yes") return resolve(null);
      const answer = { why: byId("ask-why").value, now: byId("ask-now").checked };
      if (why) {
        answer.person = byId("ask-person").value;
        if (answer.person !== document.documentElement.dataset.person) localStorage.setItem("hstore person", answer.person);
      }
      for (const { id } of fields ?? []) answer[id] = Number(byId(`ask-${id}`).value);
      resolve(answer);
    }, { once: true });
    dialog.showModal();
    (dialog.querySelector("#ask-fields input") ?? byId("ask-why")).focus();
  });

// -- charts --------------------------------------------------------------------------------------------------------

const dark = matchMedia("(prefers-color-scheme: dark)");
export const theme = () => (dark.matches ? "dark" : "light");
export const onTheme = (redraw) => dark.addEventListener("change", redraw);

const script = (file) =>
  new Promise((resolve, reject) => {
    const made = el("script", { src: `${document.documentElement.dataset.static}/${file}` });
    made.onload = resolve;
    made.onerror = () => reject(new Error(`${file} cannot be loaded`));
    document.head.append(made);
  });

let loading;
// Bokeh is large, so it is loaded after the rest of the page is on the screen.
export const bokeh = () => {
  loading ??= script("style_nonce.js").then(() => script("bokeh.min.js")).then(() => script("bokeh-gl.min.js"));
  return loading;
};

let turn = Promise.resolve();
// Draws *item* in *holder* and resolves to its document, in which named sources are found.
export const draw = (holder, item) => {
  turn = turn.catch(() => {}).then(async () => {
    await bokeh();
    holder.replaceChildren();
    await Bokeh.embed.embed_item(item, holder.id);
    return Bokeh.documents.at(-1);
  });
  return turn;
};

// Draws what the server answers for *kind* in the holder of that id, or says there why not. Resolves to the answer.
export const drawKind = async (kind, values) => {
  const holder = byId(kind);
  const said = await get("/api/chart", { kind, theme: theme(), ...values });
  if (said.why) holder.replaceChildren(el("p", { class: "muted" }, shown(said.why)));
  else if (said.chart) await draw(holder, said.chart);
  return said;
};

export const fill = (chart, name, columns) => {
  const source = chart.get_model_by_name(name);
  if (source) source.data = columns;
};

// Calls *open* with the value of *column* of a point that is clicked.
export const onTap = (chart, name, column, open) => {
  const source = chart.get_model_by_name(name);
  source?.selected.properties.indices.change.connect(() => {
    const [first] = source.selected.indices;
    if (first !== undefined) open(source.data[column][first]);
  });
};

// The range in which the losses lie that matter: the worst tenth is cut off if it would flatten the rest.
// ninth: the loss below which nine tenths of all lie, where *losses* are but some of these.
export const lossRange = (losses, isWhole, ninth) => {
  const finite = losses.filter(Number.isFinite).sort((a, b) => a - b);
  if (!finite.length) return null;
  const low = Math.max(finite[0], -1e300);  // the difference of two greater ones may be none of the numbers
  let high = Math.min(finite.at(-1), 1e300);
  const common = ninth ?? finite[Math.floor(0.9 * (finite.length - 1))];
  if (!isWhole && finite.length >= 10 && high - low > 4 * (common - low) && common > low) high = common + (common - low) / 2;
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  return { start: low - margin, end: high + margin };
};

// Sets the ranges of the axes x_range and y_range, each if it is given.
export const setRanges = (chart, ranges) => {
  for (const figure of chart.roots()) {
    for (const [axis, range] of Object.entries(ranges)) {
      if (range) figure[axis].setv({ ...range, reset_start: range.start, reset_end: range.end });
    }
  }
};

// Follows the ranges of a chart's only figure: *changed* is called when a person has zoomed, moved or reset it.
// `set` gives it new ranges, which a part that is looked at keeps unless *isForced*; `part` is that part, or null.
export const ranges = (chart, changed) => {
  const [figure] = chart.roots();
  const axes = ["x_range", "y_range"];
  let whole = {};
  let isSetting = false;
  let due;
  for (const axis of axes) {
    for (const end of ["start", "end"]) {
      figure[axis].properties[end].change.connect(() => {
        if (isSetting) return;
        clearTimeout(due);
        due = setTimeout(changed, 250);
      });
    }
  }
  const part = () => {
    const isWhole = axes.every((axis) => whole[axis] === undefined || (figure[axis].start === whole[axis].start && figure[axis].end === whole[axis].end));
    return isWhole ? null : { first: figure.x_range.start, last: figure.x_range.end, low: figure.y_range.start, high: figure.y_range.end };
  };
  const set = (wanted, isForced) => {
    const isKept = !isForced && part() !== null;
    whole = wanted;
    isSetting = true;
    for (const axis of axes) {
      const { start, end } = wanted[axis];
      figure[axis].setv({ ...(isKept ? {} : { start, end }), reset_start: start, reset_end: end });
    }
    isSetting = false;
  };
  return { part, set };
};

// The range of *values* with a little room beside it.
export const around = (values) => {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return { start: 0, end: 1 };
  const margin = (high - low || Math.abs(high) || 1) * 0.03;
  return { start: low - margin, end: high + margin };
};

// -- keys and copying ----------------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape" && isTyping) event.target.blur();
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const field = document.querySelector('input[type="search"]');
  if (event.key === "/" && field) {
    field.focus();
    field.select();
    event.preventDefault();
  }
  const link = { "[": 'a[rel="prev"]', "]": 'a[rel="next"]', u: "header nav a:last-of-type" }[event.key];
  if (link) document.querySelector(link)?.click();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button.copy");
  if (!button) return;
  const place = byId(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(place.textContent);
    tell("copied");
  } catch {
    getSelection().selectAllChildren(place);
    tell("selected: press Ctrl-C to copy");
  }
});

export const showSnippets = (snippets) => {
  byId("snippets").replaceChildren(...Object.entries(snippets).map(([called, text], n) => el("div", { class: "snippet" },
    el("div", { class: "row" }, el("h3", {}, called), el("button", { class: "copy", "data-copy": `snippet-${n + 1}`, "aria-label": `Copy: ${called}` }, "Copy")),
    el("pre", { id: `snippet-${n + 1}`, tabindex: 0 }, text))));
};
