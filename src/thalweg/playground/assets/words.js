"use strict";

// What one sees, in a few sentences computed from the runs: what holds for all, and what holds for single ones. The
// selected rule comes first, then what matters most; no two sentences of one kind.
const Words = (() => {
  const M = Measures;
  const { said: say } = Numbers;
  const MOST = 3;
  const list = (names) => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);
  const few = (names) => (names.length > 4 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`
    : list(names));
  // A coordinate to a hundredth of the window.
  const coarse = (value, size) => {
    const digits = Math.max(0, 2 - Math.floor(Math.log10(size)));
    return String(Number(value.toFixed(Math.min(12, digits))) || 0).replace("-", "−");
  };
  const alive = (world) => world.runs.filter((run) => run.diverged > world.time);

  function arrivals(world) {
    const { minima } = world.surface;
    if (!minima.length || world.runs.length < 2) return null;
    const since = world.runs.map((run) => [run, run.diverged <= world.time ? Infinity
      : M.arrival(run, world.time, minima, 0.02 * world.size)]);
    const there = since.filter(([, step]) => step < Infinity).sort((a, b) => a[1] - b[1]);
    if (!there.length) return null;
    const [[first, step]] = there, together = there.filter(([, other]) => other === step).map(([run]) => run.label);
    if (step === 0) return null; // the start itself is a minimum
    const second = there[together.length];
    const next = second ? ` ${second[0].label} followed in step ${second[1]}.` : "";
    const missing = world.runs.length - there.length, which = minima.length > 1 ? "a" : "the";
    const rest = missing === 0 ? " All are there now."
      : ` ${missing} of ${world.runs.length} ${missing === 1 ? "is" : "are"} not there yet.`;
    return { rank: 77, rule: first.name,
      text: `${few(together)} ${together.length > 1 ? "were" : "was"} the first to stay near ${which} minimum, from ` +
        `step ${step} on.${next}${rest}` };
  }

  function ahead(world) {
    const order = alive(world).map((run) => [run, run.values[world.time]]).sort((a, b) => a[1] - b[1]);
    if (order.length < 2 || world.time < 1 || arrivals(world)) return null;
    const [[first, low], [second, next]] = order, [last, high] = order.at(-1);
    if (!(next - low > 0.01 * (high - low)) || say(low) === say(next)) return null;
    const rest = order.length > 2 ? `, ${last.label} is last with ${say(high)}` : "";
    return { rank: 64, rule: first.name,
      text: `${first.label} is ahead: it is at height ${say(low)}, ${second.label} follows with ${say(next)}${rest}.` };
  }

  function escaped(world) {
    if (world.surface.minima.length) return null;
    const out = alive(world).filter((run) => run.left <= world.time && run.values[run.left] < run.values[0])
      .sort((a, b) => a.left - b.left);
    if (!out.length || world.runs.length < 2) return null;
    const others = world.runs.length - out.length;
    const rest = others ? ` ${others} of ${world.runs.length} ${others === 1 ? "has" : "have"} not done so yet.`
      : " All others followed.";
    return { rank: 77, rule: out[0].name,
      text: `${out[0].label} was the first to leave downhill, in step ${out[0].left}.${rest}` };
  }

  function places(world) {
    if (world.time < 20 || world.runs.length < 2) return null;
    const groups = [];
    for (const run of alive(world)) {
      const at = M.place(run, world.time);
      if (run.left <= world.time || M.distance(at, M.place(run, world.time - 10)) > 0.01 * world.size) continue;
      if (!(M.toBottom(world.surface, at, world.size) < 0.02 * world.size)) continue;
      const group = groups.find((other) => M.distance(other.at, at) < 0.03 * world.size);
      if (group) group.labels.push(run.label);
      else groups.push({ at, labels: [run.label] });
    }
    if (groups.length < 2) return null;
    const named = groups.slice(0, 3).map(({ at, labels }) =>
      `${few(labels)} near (${at.map((value) => coarse(value, world.size)).join(", ")})`);
    return { rank: 79, rule: null,
      text: `From one start the rules ended up in ${groups.length} different places: ${named.join("; ")}.` };
  }

  function together(world) {
    const moving = alive(world).filter((run) => M.pathLength(run, world.time) > 0.1 * world.size).slice(0, 12);
    for (let i = 0; i < moving.length; i++) {
      for (let j = i + 1; j < moving.length; j++) {
        let apart = 0;
        for (let k = 0; k <= world.time; k++) {
          apart = Math.max(apart, M.distance(M.place(moving[i], k), M.place(moving[j], k)));
        }
        if (apart > 5e-3 * world.size) continue;
        const how = apart < 1e-9 * world.size ? "take the same steps, but for rounding"
          : `run together: they were never more than ${say(apart)} apart`;
        return { rank: 40, rule: moving[i].name, text: `${moving[i].label} and ${moving[j].label} ${how}.` };
      }
    }
    return null;
  }

  const ALL = { arrivals, ahead, escaped, places, together };

  function worldOf(state, surface, runs) {
    const [[left, right], [bottom, top]] = surface.window;
    const sigma = Runs.sigmaOf(state, surface); // which also measures the usual slope
    const size = Math.hypot(right - left, top - bottom);
    return { state, surface, runs, time: state.time, size, slope: surface.slope, sigma };
  }

  // Everything that can be said, what matters most first.
  function every(world, selected) {
    const found = [];
    for (const [kind, observe] of Object.entries(ALL)) {
      const seen = observe(world);
      if (seen) found.push({ kind, ...seen });
    }
    for (const run of world.runs) {
      for (const [kind, observe] of Object.entries(Observations.ONE)) {
        const seen = observe(run, world);
        if (seen) found.push({ kind, rule: run.name, ...seen });
      }
    }
    const weight = (one) => one.rank + (one.rule === selected && selected !== null ? 100 : 0);
    return found.sort((a, b) => weight(b) - weight(a));
  }

  function said(state, surface, runs) {
    if (runs.length === 0) return [{ rule: null, text: "No rule is chosen. Open “Choose rules” and switch one on." }];
    const world = worldOf(state, surface, runs), kinds = new Set(), chosen = [];
    if (runs.every((run) => run.diverged === 0)) {
      return [{ rule: null,
        text: "Here the function has no finite value or no derivative: no rule can start. Move the start." }];
    }
    if (state.time === 0) return [{ rule: null, text: "Nothing has moved yet. Press play, or drag the time." }];
    for (const one of every(world, state.selected)) {
      if (one.rank < 20 && chosen.length) continue;
      const mine = one.rule !== null && chosen.filter((other) => other.rule === one.rule).length;
      if (chosen.length < MOST && !kinds.has(one.kind) && !(mine >= (one.rule === state.selected ? 2 : 1))) {
        chosen.push(one);
        kinds.add(one.kind);
      }
    }
    return chosen.length ? chosen
      : [{ rule: null, text: "All rules go down, without anything remarkable up to this step." }];
  }

  return { said, every, worldOf };
})();
