"use strict";

// Every chosen rule's descent in a state, and what became of it.
const Runs = (() => {
  const DASHES = [[], [9, 4], [2, 4], [12, 4, 2, 4], [5, 3], [16, 5]];

  function sigmaOf(state, surface) {
    surface.slope ??= Own2D.rounded(Own2D.typicalSlope(surface, surface.window) || 1);
    return state.noise * surface.slope;
  }

  function all(state, surface) {
    const sigma = sigmaOf(state, surface), turns = new Map();
    return state.rules.map((name) => {
      const rule = RULES[name], hyper = State.hyperOf(state, surface, rule);
      const turn = turns.get(rule.colour.light) || 0;
      turns.set(rule.colour.light, turn + 1);
      const noise = { sigma, seed: state.seed, run: 0 };
      const { points, values } = Engine.descend(rule, surface, state.start, hyper, state.steps, noise);
      const run = { name, rule, label: rule.label, hyper, dash: DASHES[turn % DASHES.length], points, values };
      return Object.assign(run, fate(run, state.steps, surface.window));
    });
  }

  // The step in which a run stopped being finite, and the one after which it was outside for good; infinite where
  // never.
  function fate({ points, values }, steps, window) {
    let diverged = Infinity, left = Infinity;
    for (let k = 0; k <= steps; k++) {
      const x = points[2 * k], y = points[2 * k + 1];
      if (!Number.isFinite(x) || !Number.isFinite(y) || !Number.isFinite(values[k])) {
        diverged = k;
        break;
      }
      const within = State.inside([x, y], window);
      if (within) left = Infinity;
      else if (left === Infinity) left = k;
    }
    return { diverged, left };
  }

  // What must be said of a run at a time, in two or three words; nothing where all is well.
  function status(run, time) {
    if (run.diverged <= time) return run.diverged === 0 ? "no gradient at the start"
      : `diverged in step ${run.diverged}`;
    return run.left <= time ? `left the window in step ${run.left}` : "";
  }

  // The last step at which a run has a place, at a time.
  function last(run, time) {
    return Math.min(time, run.diverged - 1);
  }

  return { all, status, last, sigmaOf };
})();
