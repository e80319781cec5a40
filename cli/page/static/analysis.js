// The charts of a search that are drawn when their part of the page is opened: parameters, run.
import { byId, draw, drawKind, el, get, shown, tell, theme } from "./page.js";

// *state* has the search's name, and as of when it is shown.
export const analysis = (state) => {
  const asked = () => ({ name: state.name, at: state.at });

  const drawContour = async (chosen = {}) => {
    const said = await drawKind("contour", { ...asked(), ...chosen });
    for (const axis of ["x", "y"]) {
      const select = byId(`contour-${axis}`);
      select.closest("label").hidden = !said.labels;
      if (said.labels) select.replaceChildren(...said.labels.map((label) => el("option", { value: label, selected: label === said[axis] }, shown(label))));
    }
  };

  const drawSlices = async () => {
    const { charts, why } = await get("/api/chart", { kind: "slice", theme: theme(), ...asked() });
    if (why) return byId("slices").replaceChildren(el("p", { class: "muted" }, shown(why)));
    const holders = charts.map((each, n) => el("div", { id: `slice-${n}`, class: "chart small", role: "img", "aria-label": `Loss by ${shown(each.label)}` }));
    byId("slices").replaceChildren(...holders);
    for (const [n, each] of charts.entries()) await draw(holders[n], each.chart);
  };

  const PARTS = {
    parameters: [() => drawKind("importance", asked()), () => drawKind("parallel", asked()), () => drawContour(), drawSlices],
    run: [() => drawKind("timeline", asked()), () => drawKind("curves", asked()), () => drawKind("edf", asked())],
  };

  const drawPart = async (part) => {
    if (!byId(part).open) return;
    const button = document.querySelector(`button.again[data-of="${part}"]`);
    button.disabled = true;
    for (const piece of PARTS[part]) await piece().catch((error) => tell(error.message, true));
    button.disabled = false;
  };

  for (const part of Object.keys(PARTS)) {
    byId(part).addEventListener("toggle", () => drawPart(part));
    document.querySelector(`button.again[data-of="${part}"]`).addEventListener("click", () => drawPart(part));
  }
  for (const axis of ["x", "y"]) {
    byId(`contour-${axis}`).addEventListener("change", () => drawContour({ x: byId("contour-x").value, y: byId("contour-y").value }).catch((error) => tell(error.message, true)));
  }
  const FIGURES = { parameters: ["importance", "parallel", "contour", "slice"], run: ["timeline", "curves", "edf"] };
  return {
    draw: () => Object.keys(PARTS).forEach(drawPart),
    // Which figures are on the screen.
    figures: () => Object.keys(FIGURES).filter((part) => byId(part).open).flatMap((part) => FIGURES[part]),
  };
};
