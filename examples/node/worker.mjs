// Works a search from Node: takes queued trials, evaluates them here, records how they end. Nothing of hstore is needed;
// docs/other-languages.md explains each step.
//
//     HSTORE_URL=mongodb://host/lab node worker.mjs EXPERIMENT ./objective.mjs
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { BSON, Double, MongoClient, MongoNetworkError, MongoServerSelectionError, Timestamp, UUID } from "mongodb";
import { TYPED, checked, readKeys, signed } from "./signing.mjs";

const [exp, module] = process.argv.slice(2);
const objective = (await import(pathToFileURL(resolve(module)))).default;
const client = await new MongoClient(process.env.HSTORE_URL).connect();
const db = client.db(); // the one that the URL names
const certain = { readConcern: { level: "majority" }, writeConcern: { w: "majority" } };
const events = db.collection("events", certain); // the log: insert, never update
const trials = db.collection("trials"); // for queries, tickets and leases; derived from the log
const experiments = db.collection("experiments");

const keys = readKeys(process.env.HSTORE_KEY); // none: nothing is signed, and nothing checked

const session = randomUUID();
const name = `${hostname()}:${process.pid}`;
const by = `${name}:node`;
const [LEASE, TICKET] = [60, 5]; // seconds
const later = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
let isLeaving = false;
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => (isLeaving = true)); // after the trial under way

// Return the trial that was queued first and that nobody else is about to take.
async function takeTicket() {
  const ticket = { by: session, until: { $add: ["$$NOW", 1000 * TICKET] } }; // by the server's clock, as all times here
  for (const free of [{ ticket: null }, { $expr: { $lte: ["$ticket.until", "$$NOW"] } }]) {
    const queued = { exp, state: "queued", ...free };
    const found = await trials.findOneAndUpdate(queued, [{ $set: { ticket } }], { sort: { queued_at: 1 } });
    if (found) return found.tid;
  }
}

// Return the chain of trial *tid* (null: the experiment's own) up to place *ver* with its digest. With a key it must be
// signed, the experiment's own as well.
async function read(tid, ver = Infinity) {
  const found = await events.find({ exp, tid, ver: { $lte: ver } }, TYPED).sort({ ver: 1 }).toArray();
  const chain = found.map((event) => BSON.deserialize(BSON.serialize(event)));
  if (!keys.length) return { chain };
  const first = tid === null ? found[0] : (await read(null)).chain[0];
  const created = first.origin?.id ?? first._id; // that of a fork is its ancestor's
  return { chain, created, digest: checked(found, created, keys) };
}

// Append [type, data] pairs to the chain of trial *tid*, behind place *ver*. Return false if a place was taken by others.
async function append(tid, ver, ...drafts) {
  let left = drafts.map(([type, data], i) => {
    const envelope = { _id: new UUID(), exp, tid, ver: ver + 1 + i, type, v: 1, at: new Date(), by };
    return { ...envelope, ts: new Timestamp({ t: 0, i: 0 }), data }; // the server fills in ts
  });
  if (keys.length) {
    const { created, digest } = await read(tid, ver);
    left = signed(left, digest, created, keys);
  }
  for (;;) {
    try {
      await events.insertMany(left, { ordered: true });
      return true;
    } catch (error) {
      const isAway = error instanceof MongoNetworkError || error instanceof MongoServerSelectionError;
      if (error.code !== 11000 && !isAway && !error.hasErrorLabel?.("RetryableWriteError")) throw error;
      await later(0.2);
    }
    // An error never means "not written", nor a duplicate key "written by somebody else": look, with majority concern.
    const there = await events.find({ exp, tid, ver: { $gte: left[0].ver } }).toArray();
    left = left.filter(({ _id }) => !there.some((event) => event._id.equals(_id)));
    if (!left.length) return true;
    if (there.some((event) => event.ver === left[0].ver)) return false;
  }
}

// Bring the document of trial *tid* up to place *ver* of its chain; one that knows as much or more stays as it is.
async function show(tid, ver, set, unset, more = {}) {
  const $unset = Object.fromEntries(unset.map((field) => [field, ""]));
  await trials.updateOne({ _id: { exp, tid }, ver: { $lt: ver } }, { $set: { ver, ...set }, $unset, ...more });
}

// Append *end* to the chain of a trial that we hold. Return its place, or undefined if the trial is no longer ours: then
// what came of it is noted beside it, and changes nothing.
async function settle(tid, ver, end) {
  for (let isOurs = true; ; ) {
    if (await append(tid, ver, end)) return isOurs ? ver + 1 : undefined;
    const news = await events.find({ exp, tid, ver: { $gt: ver } }).sort({ ver: 1 }).toArray();
    ver = news.at(-1).ver;
    if (isOurs && news.some(({ type }) => type !== "noted")) {
      isOurs = false;
      end = ["noted", { late: { type: end[0], ...end[1] } }];
    }
  }
}

// Return the result with its loss as a double, whatever number of JavaScript's it is.
function asResult(returned) {
  const result = typeof returned === "number" ? { status: "ok", loss: returned } : returned;
  if (result.status !== "ok") return result;
  if (!Number.isFinite(result.loss)) throw new TypeError(`the loss is ${result.loss}, not a finite number`);
  return { ...result, loss: new Double(result.loss) };
}

async function work(tid) {
  const { chain } = await read(tid);
  const steps = chain.filter(({ type }) => type !== "noted" && type !== "reported");
  if (!["queued", "requeued"].includes(steps.at(-1).type)) return; // the ticket was for what others have taken since
  const attempt = (steps.findLast(({ type }) => type === "reserved")?.data.attempt ?? 0) + 1;

  // The claim: whoever gets the next place in the chain has the trial, and alone may write to the places after it.
  let ver = chain.at(-1).ver;
  const reserved = ["reserved", { worker: name, host: hostname(), attempt }];
  const running = ["running", { pid: process.pid, python: `node ${process.version}`, hstore: "other" }];
  if (!(await append(tid, ver, reserved, running))) return;
  const begun = await events.findOne({ exp, tid, ver: (ver += 2) });
  const lease = { "lease.by": session, "lease.seconds": LEASE };
  const held = { state: "running", worker: name, host: hostname(), attempt, started_at: begun.at, ...lease };
  const stale = ["ticket", "status", "loss", "loss_kind", "result", "error", "final", "message", "duration", "ended_at"];
  await show(tid, ver, held, stale, { $currentDate: { "lease.beat": true } });
  const mine = { _id: { exp, tid }, "lease.by": session };
  const beat = () => trials.updateOne(mine, { $set: lease, $currentDate: { "lease.beat": true } }).catch(() => {});
  const heart = setInterval(beat, (1000 * LEASE) / 3); // an objective that never awaits keeps it from beating

  const since = performance.now();
  let end;
  try {
    const result = asResult(await objective(steps[0].data.params));
    end = ["done", { result, status: result.status, ...(result.loss && { loss: result.loss }) }];
  } catch (error) {
    end = ["failed", { error: error.name, message: error.message, traceback: error.stack, cause: "failed", final: true }];
  } finally {
    clearInterval(heart);
  }
  end[1].duration = new Double((performance.now() - since) / 1000);

  ver = await settle(tid, ver, end);
  if (ver === undefined) return console.log(`trial ${tid} was taken from here`);
  const [type, { traceback, cause, ...fields }] = end;
  const { at } = await events.findOne({ exp, tid, ver });
  if (fields.loss) fields.loss_kind = "finite";
  await show(tid, ver, { state: type, ...fields, ended_at: at }, ["lease"]);
  console.log(`trial ${tid} is ${type}`);
}

while (!isLeaving) {
  const { status } = (await experiments.findOne({ _id: exp })) ?? {};
  if (status === "finished") break;
  const tid = status === "open" ? await takeTicket() : undefined;
  if (tid === undefined) await later(0.2);
  else await work(tid);
}
await client.close();
