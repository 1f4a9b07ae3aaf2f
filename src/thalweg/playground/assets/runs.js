"use strict";

// Every chosen rule's descent in a state, and what became of it.
const Runs = (() => {
  const DASHES = [[], [9, 4], [2, 4], [12, 4, 2, 4], [5, 3], [16, 5]];

  function sigmaOf(state, surface) {
    surface.slope ??= Own2D.rounded(Own2D.typicalSlope(surface, surface.window) || 1);
    return state.noise * surface.slope;
  }

  const noiseOf = (state, surface) => ({ sigma: sigmaOf(state, surface), seed: state.seed, run: 0 });

  function all(state, surface) {
    const noise = noiseOf(state, surface), turns = new Map();
    return state.rules.map((name) => {
      const rule = RULES[name], hyper = State.hyperOf(state, surface, rule);
      const turn = turns.get(rule.colour.light) || 0;
      turns.set(rule.colour.light, turn + 1);
      const { points, values } = Engine.descend(rule, surface, state.start, hyper, state.steps, noise);
      const { diverged, left } = fate(points, values, state.steps, surface.window);
      return { name, rule, label: rule.label, hyper, dash: DASHES[turn % DASHES.length], points, values, diverged,
        left };
    });
  }

  // The step in which a run stopped being finite, and the one after which it was outside for good; infinite where
  // never.
  function fate(points, values, steps, [[left, right], [bottom, top]]) {
    let since = Infinity;
    for (let k = 0; k <= steps; k++) {
      const x = points[2 * k], y = points[2 * k + 1];
      if (x >= left && x <= right && y >= bottom && y <= top) since = Infinity;
      else if (since === Infinity) since = k;
      const finite = Number.isFinite(x) && Number.isFinite(y) && Number.isFinite(values[k]);
      if (!finite) return { diverged: k, left: since };
    }
    return { diverged: Infinity, left: since };
  }

  // A rule's run up to the time, as one that can be looked into, and the weights that it kept for use after each of
  // these steps, two numbers each; null where they are those that it steps with.
  function replayed(state, surface, rule) {
    const run = Engine.begin(rule, state.start, State.hyperOf(state, surface, rule));
    const noise = noiseOf(state, surface), kept = rule.evaluation ? new Float64Array(2 * state.time + 2) : null;
    kept?.set(state.start);
    for (let t = 1; t <= state.time; t++) {
      Engine.advance(run, surface, noise);
      kept?.set(Engine.evaluated(run), 2 * t);
    }
    return { rule, run, kept };
  }

  // What must be said of a run at a time, in a few words; nothing where all is well.
  function status(run, time) {
    if (run.diverged <= time) {
      return run.diverged === 0 ? "no gradient at the start" : `diverged in step ${run.diverged}`;
    }
    return run.left <= time ? `left the window in step ${run.left}` : "";
  }

  // The last step at which a run has a place, at a time.
  function last(run, time) {
    return Math.min(time, run.diverged - 1);
  }

  return { all, status, last, sigmaOf, replayed };
})();
