// Corrections and notes: each is an event with a reason and a person.
import { address, ask, post, tell } from "./page.js";

const QUESTIONS = {
  void: { title: "Void the trial?", text: "From the next decision on the algorithm ignores it, and it is never the best. Its result stays in the log.", yes: "Void", why: "Reason" },
  unvoid: { title: "Put the trial back?", text: "It counts again from the next decision on.", yes: "Put back", why: "Reason" },
  amend: { title: "Let the trial count with another result?", text: "The algorithm sees it from the next decision on. What the objective returned stays in the log.", yes: "Amend", why: "Reason" },
  archive: { title: "Archive the search?", text: "It is hidden from lists, and from workers that serve all searches. All else stays as it is.", yes: "Archive", why: "Reason", isOptional: true },
  unarchive: { title: "Show the search in lists again?", text: "Workers that serve all searches serve it again.", yes: "Unarchive", why: "Reason", isOptional: true },
  note: { title: "Add a note", text: "It stays in the log.", yes: "Add", why: "Note" },
  tag: { title: "Add a tag", text: "It stays in the log.", yes: "Add", why: "Tag" },
};

// Asks for a name, forks search *name* at decision or time *at*, and goes to the new search.
export const fork = async (name, at) => {
  const answer = await ask({
    title: "Begin a new search from here?", yes: "Fork", why: "Name of the new search", hasNoPerson: true,
    text: `It begins with what was known at ${/^\d+$/.test(at) ? `decision ${at}` : at || "this moment"}; nothing is evaluated again. fmin or workers go on with it.`,
  });
  if (!answer) return;
  try {
    const made = await post("/api/act", { name, do: "fork", why: answer.why, at });
    location.href = address("/search", { name: made.name });
  } catch (error) {
    tell(error.message, true);
  }
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
