// The search as of a moment: a slider over its decisions, or a time.
import { byId } from "./page.js";

// Calls *show* with a decision or a time as text, or with "" for now.
export const moment = (show) => {
  const slider = byId("moment");
  const when = byId("moment-when");
  let due;
  const later = (at) => {
    clearTimeout(due);
    due = setTimeout(() => show(at), 250);
  };
  slider.addEventListener("input", () => {
    const at = slider.value === slider.max ? "" : slider.value;
    when.value = at;
    byId("moment-text").textContent = at === "" ? "now" : `decision ${at}`;
    later(at);
  });
  when.addEventListener("keydown", (event) => { if (event.key === "Enter") show(when.value.trim()); });
  when.addEventListener("change", () => show(when.value.trim()));
  byId("now").addEventListener("click", () => show(""));
  return {
    // Follows how many decisions there are.
    count: (n) => {
      const isAtEnd = slider.value === slider.max;
      slider.max = n;
      if (isAtEnd && when.value === "") slider.value = n;
    },
    // Says what is shown now.
    said: (at, text, trials) => {
      when.value = at;
      slider.value = at === "" ? slider.max : /^\d+$/.test(at) ? at : trials;
      byId("now").hidden = at === "";
      byId("moment-text").textContent = at === "" ? "now" : text;
    },
  };
};
