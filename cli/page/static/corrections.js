// Corrections and notes: each is an event with a reason and a person.
import { ask, post, tell } from "./page.js";

const QUESTIONS = {
  void: { title: "Void the trial?", text: "From the next decision on the algorithm ignores it, and it is never the best. Its result stays in the log.", yes: "Void", why: "Reason" },
  unvoid: { title: "Put the trial back?", text: "It counts again from the next decision on.", yes: "Put back", why: "Reason" },
  amend: { title: "Let the trial count with another result?", text: "The algorithm sees it from the next decision on. What the objective returned stays in the log.", yes: "Amend", why: "Reason" },
  note: { title: "Add a note", text: "It stays in the log.", yes: "Add", why: "Note" },
  tag: { title: "Add a tag", text: "It stays in the log.", yes: "Add", why: "Tag" },
};

// Asks, and has the server write it; resolves to whether it did. *fields*: numbers that are asked for; *asIs* makes what
// is sent of their answers.
export const correct = async (what, about, { fields = [], asIs = () => ({}) } = {}) => {
  const answer = await ask({ ...QUESTIONS[what], fields });
  if (!answer) return false;
  try {
    const { written } = await post("/api/act", { ...about, do: what, why: answer.why, person: answer.person, ...asIs(answer) });
    tell(written.length ? "written to the log" : "nothing to do: it is so already");
    return true;
  } catch (error) {
    tell(error.message, true);
    return false;
  }
};
