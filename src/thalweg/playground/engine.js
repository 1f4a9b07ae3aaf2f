"use strict";

// Descents in the browser. The rules and surfaces behind this file are printed from the programs that train.
//
// A run's numbers stand in Float64Arrays, so that a step allocates nothing:
//   h  the hyperparameters, in the order of rule.hyper
//   s  the states: of rule.arrays the k-th at [2 * k + i] for coordinate i, behind them those of rule.scalars
//   k  what a step computes once for both coordinates, which nobody else reads
// and a rule is these functions, where x and g are those of one coordinate i and t counts steps from 1:
//   once(t, h, s, k)           fills k, and sets the scalar states in s
//   element(x, g, s, k, i)     the new x; sets the states of coordinate i in s. After once
//   point(x, t, h, s, i)       where the gradient is wanted; null where that is x. Before once
//   evaluation(x, t, h, s, i)  the weights to evaluate; null where these are x
//   inside(x, g, t, h, s, i)   every value of one step by its name, changing nothing; slow
// A surface is value(x, y) -> f, and gradient(x, y, out), which fills out with f and its two derivatives.
// Noise is {sigma, seed, run}: what is added to the gradient has the standard deviation sigma, and depends on nothing
// but the seed, the run's number and the step; or null. It is made from two whole numbers by Engine.normal, printed too.
const Engine = (() => {
  const GOLDEN = 0x9e3779b9;
  const drawn = new Float64Array(2);

  function mix(h) {
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (h ^ (h >>> 16)) >>> 0;
  }

  // The two whole numbers below 2**32 from which the noise of a step is made, into `out`.
  function hash(seed, run, step, out) {
    const own = mix(mix(seed + 1) + Math.imul(run, GOLDEN));
    const first = mix(seed + 2) + Math.imul(2 * step, GOLDEN);
    out[0] = mix(own ^ mix(first));
    out[1] = mix(own ^ mix(first + GOLDEN));
  }

  // Standard normal noise for both components, into `out`.
  function noise(seed, run, step, out) {
    hash(seed, run, step, out);
    Engine.normal(out[0], out[1], out);
  }

  // A new run. `hyper` and `initial` may name any of the rule's hyperparameters and states, the others have defaults.
  function begin(rule, start, hyper = {}, initial = {}) {
    const numbers = { ...rule.hyper, ...hyper };
    const run = {
      rule,
      t: 0,
      x: Float64Array.from(start),
      f: NaN, // the surface's value where the last gradient was taken
      g: new Float64Array(2),
      hyper: numbers,
      h: Float64Array.from(Object.keys(rule.hyper), (name) => numbers[name]),
      state: new Float64Array(2 * rule.arrays.length + rule.scalars.length),
      k: new Float64Array(rule.perStep),
      out: new Float64Array(3),
      before: { x: new Float64Array(2), state: null },
    };
    for (const name of [...rule.arrays, ...rule.scalars]) {
      const begins = Object.hasOwn(initial, name) ? initial[name] : rule.state[name];
      for (const [place, i] of placesOf(rule, name)) {
        run.state[place] = begins === "x" ? run.x[i] : typeof begins === "string" ? numbers[begins] : begins;
      }
    }
    run.before.state = run.state.slice();
    return run;
  }

  // Where a state stands in a run's states, each place with its coordinate.
  function placesOf(rule, name) {
    const k = rule.arrays.indexOf(name);
    if (k >= 0) return [[2 * k, 0], [2 * k + 1, 1]];
    return [[2 * rule.arrays.length + rule.scalars.indexOf(name), 0]];
  }

  // A run's states by name: two numbers, or one of a scalar state.
  function stateOf(run) {
    const found = {};
    for (const name of Object.keys(run.rule.state)) {
      const numbers = placesOf(run.rule, name).map(([place]) => run.state[place]);
      found[name] = numbers.length > 1 ? numbers : numbers[0];
    }
    return found;
  }

  // One step with a gradient that is given, from which everything else follows.
  function step(run, gx, gy) {
    const { rule, x, state, k } = run;
    run.t += 1;
    run.g[0] = gx;
    run.g[1] = gy;
    rule.once(run.t, run.h, state, k);
    x[0] = rule.element(x[0], gx, state, k, 0);
    x[1] = rule.element(x[1], gy, state, k, 1);
  }

  function follow(run, surface, added) {
    const { rule, x, out, h, state } = run, t = run.t + 1;
    if (rule.point === null) surface.gradient(x[0], x[1], out);
    else surface.gradient(rule.point(x[0], t, h, state, 0), rule.point(x[1], t, h, state, 1), out);
    run.f = out[0];
    if (added && added.sigma) {
      noise(added.seed, added.run, t, drawn);
      out[1] += added.sigma * drawn[0];
      out[2] += added.sigma * drawn[1];
    }
    step(run, out[1], out[2]);
  }

  // One step of a run down a surface; what was before it is kept, for `seen`.
  function advance(run, surface, added = null) {
    run.before.x.set(run.x);
    run.before.state.set(run.state);
    follow(run, surface, added);
  }

  // A whole run: its points, the start first, and the surface's values there.
  function descend(rule, surface, start, hyper, steps, added = null) {
    const run = begin(rule, start, hyper), { x } = run;
    const points = new Float64Array(2 * (steps + 1)), values = new Float64Array(steps + 1);
    points.set(x);
    for (let t = 1; t <= steps; t++) {
      follow(run, surface, added);
      values[t - 1] = rule.point === null ? run.f : surface.value(points[2 * t - 2], points[2 * t - 1]);
      points[2 * t] = x[0];
      points[2 * t + 1] = x[1];
    }
    values[steps] = surface.value(x[0], x[1]);
    return { points, values };
  }

  // The weights that a run would be evaluated at.
  function evaluated(run) {
    const { rule, x, t, h, state } = run;
    return rule.evaluation === null ? [x[0], x[1]] : [0, 1].map((i) => rule.evaluation(x[i], t, h, state, i));
  }

  // What every equation and every competing term was in the last step of `advance`, for coordinate i:
  //   equations  the numbers that the equations of rule.formula state, in their order
  //   values     the number of each competing term, by the class of its element in the formula
  //   matters    the classes of the terms that matter: in each sum the largest, of branches those taken
  // null before the first step.
  function seen(run, i = 0) {
    if (run.t === 0) return null;
    const { rule, before } = run;
    const every = rule.inside(before.x[i], run.g[i], run.t, run.h, before.state, i);
    const number = (value) => (typeof value === "string" ? every[value] : value);
    const values = {}, matters = new Set();
    for (const [kind, condition, terms, within] of rule.contests) {
      const numbers = terms.map(([, value]) => number(value));
      terms.forEach(([key], place) => (values[key] = numbers[place]));
      if (within.length && !within.some((key) => matters.has(key))) continue;
      const place = winner(kind, every[condition], numbers);
      if (place >= 0) matters.add(terms[place][0]);
    }
    return { equations: rule.stated.map(number), values, matters };
  }

  // The place of the term that matters; -1 where none is larger than the others.
  function winner(kind, condition, numbers) {
    const [a, b] = numbers;
    if (kind === "where") return condition ? 0 : 1;
    if (kind === "maximum") return a > b || Number.isNaN(a) ? 0 : 1;
    if (kind === "minimum") return a < b || Number.isNaN(a) ? 0 : 1;
    const sizes = numbers.map(Math.abs), largest = Math.max(...sizes);
    return sizes.filter((size) => size === largest).length === 1 ? sizes.indexOf(largest) : -1;
  }

  return { begin, step, advance, descend, evaluated, seen, stateOf, mix, hash, noise };
})();
