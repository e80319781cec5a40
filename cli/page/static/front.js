// The Pareto front of two losses.

// Returns those of *points*, [tid, {losses}], than which none is at least as good in both and better in one.
export const frontOf = (points, x, y) => {
  const sorted = [...points].sort(([, a], [, b]) => a.losses[x] - b.losses[x] || a.losses[y] - b.losses[y]);
  let least = Infinity;
  return sorted.filter(([, { losses }]) => {
    if (losses[y] >= least) return false;
    least = losses[y];
    return true;
  });
};
