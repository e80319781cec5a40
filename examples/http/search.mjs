// A search from Node over HTTP, with nothing but Node's own fetch:
//
//   hstore ui --api --no-browser --token-file ~/.hstore-token
//   HSTORE_API=http://127.0.0.1:8722 HSTORE_TOKEN=$(cat ~/.hstore-token) node search.mjs EXPERIMENT

const { HSTORE_API, HSTORE_TOKEN } = process.env;
const experiment = process.argv[2];

async function call(name, fields) {
  const response = await fetch(`${HSTORE_API}/api/v1/${name}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${HSTORE_TOKEN}`, "Content-Type": "application/json" },
    body: JSON.stringify({ experiment, ...fields }),
  });
  const said = await response.json();
  if (!response.ok) throw new Error(`${response.status}: ${said.error} ${said.hint}`);
  return said;
}

// JSON has no NaN, and JSON.stringify makes null of it: the API takes the texts nan, inf and -inf.
const number = (value) =>
  Number.isFinite(value) ? value : Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";

// Yields the loss after each epoch.
function* train({ lr, opt, momentum = 0 }) {
  for (let epoch = 1; epoch <= 5; epoch++) {
    yield Math.abs(Math.log10(lr) + 2) + (opt === "sgd" ? Math.abs(momentum - 0.9) : 0.5) + 1 / epoch;
  }
}

const search = {
  space: { lr: "log(1e-5, 1)", opt: "adam|sgd", momentum: "float(0, 1) if opt=sgd" },
  max_evals: 16, seed: 0, pruner: "median",
};
let best = Infinity;
for (;;) {
  const { trial } = await call("ask", search);
  if (trial === null) break;
  let loss = Infinity, step = 0, stopped = false;
  for (loss of train(trial.params)) {
    const { should_stop } = await call("report", { token: trial.token, step: ++step, value: number(loss) });
    if ((stopped = should_stop)) break;
  }
  await call("tell", { token: trial.token, ...(stopped ? {} : { loss: number(loss) }) });
  if (!stopped) best = Math.min(best, loss);
}
console.log(`best loss ${Number(best.toPrecision(6))}`);
