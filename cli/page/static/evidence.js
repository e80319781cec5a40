// What the log can prove: its verification, how far the model is right, what people said of the search.
import { byId, draw, el, get, isReadOnly, shown, tell, theme } from "./page.js";
import { correct } from "./corrections.js";

export const evidence = (state) => {
  const { name } = state;

  const verify = async () => {
    const button = byId("verify");
    button.disabled = true;
    byId("verified").replaceChildren(el("p", { class: "muted" }, "reading …"));
    try {
      const said = await get("/api/verification", { name });
      const time = new Date().toISOString().slice(0, 19).replace("T", " ");
      const signed = said.signed || said.is_checked ? `${said.signed} signed${said.is_checked ? "" : " (not checked: the server has no key)"}, ${said.unsigned} unsigned` : "none is signed";
      byId("verified").replaceChildren(
        el("p", {}, el("span", { class: `state ${said.ok ? "done" : "failed"}` }, said.ok ? "OK" : "FAILED"), ` ${said.events} events, ${said.decisions} decisions, at ${time} UTC, in ${said.seconds} s`),
        ...said.findings.map((finding) => el("p", { class: "bad" }, shown(finding))),
        el("p", { class: "muted" }, `${signed}; ${said.recorded} heads recorded; ${said.uncommitted} events that no digest covers yet`),
        el("p", {}, "head ", el("code", { class: "head" }, said.head || "none")));
    } catch (error) {
      byId("verified").replaceChildren(el("p", { class: "bad" }, shown(error.message)));
    }
    button.disabled = false;
  };

  let isCalibrated = false;
  const calibrate = async () => {
    const button = byId("calibrate");
    button.disabled = true;
    byId("calibrated").textContent = "fitting …";
    try {
      const said = await get("/api/calibration", { name, theme: theme() });
      const share = (part) => `${Math.round((100 * part) / said.n)} %`;
      byId("calibrated").textContent = said.why ? shown(said.why)
        : `of ${said.n} losses ${share(said.within_68)} came out within the predicted 68 %, ${share(said.within_95)} within the 95 %`;
      byId("calibration").hidden = Boolean(said.why);
      if (said.chart) await draw(byId("calibration"), said.chart);
      isCalibrated = !said.why;
    } catch (error) {
      byId("calibrated").textContent = shown(error.message);
    }
    button.disabled = false;
  };

  const showFacts = async () => {
    const { notes, tags } = await get("/api/facts", { name });
    byId("tags").hidden = tags.length === 0;
    byId("tags").replaceChildren(...tags.flatMap((tag) => [el("span", { class: "badge" }, shown(tag)), " "]));
    byId("notes").replaceChildren(...notes.filter((note) => note.note).map((note) => el("li", {}, shown(note.note), " ",
      el("span", { class: "muted" }, `${note.person ? `${shown(note.person)}, ` : ""}${note.at} UTC`))));
  };

  byId("verify").addEventListener("click", verify);
  byId("calibrate").addEventListener("click", calibrate);
  byId("evidence").addEventListener("toggle", () => { if (byId("evidence").open) showFacts().catch((error) => tell(error.message, true)); });
  if (!isReadOnly) {
    for (const what of ["note", "tag"]) {
      byId(what).addEventListener("click", async () => { if (await correct(what, { name })) showFacts().catch((error) => tell(error.message, true)); });
    }
  }
  return { draw: () => { if (isCalibrated) calibrate(); }, figures: () => (isCalibrated ? ["calibration"] : []) };
};
