"use strict";

// What can be said of one run: each a function from the run and its world to a sentence, or nothing. The world is the
// surface, the time, the size of its window, its usual slope, and all runs. `rank` says how much it matters.
const Observations = (() => {
  const M = Measures;
  const AXES = ["x", "y"];

  const { said: say } = Numbers;
  const part = (count) => (count < 1e5 ? `1/${say(count)}` : say(1 / count)); // of a whole
  const times = (count) => (count === 1 ? "once" : count === 2 ? "twice" : `${count} times`);
  // The share of its momentum that a rule keeps; 0 for those whose letter means something else.
  const momentumOf = (run) => {
    const letter = Object.keys(run.hyper).find((key) => State.role(run.rule, key) === "momentum");
    return letter === undefined || /^(schedule_free|lion)/.test(run.name) ? 0 : run.hyper[letter];
  };
  const end = (run, world) => Runs.last(run, world.time);
  const moves = (run, world) => run.diverged > world.time && world.time >= 1;

  // Above which product of learning rate and curvature a quadratic is climbed, for the rules whose limit is known.
  function limitOf(run) {
    const { rho, mu } = run.hyper;
    if (run.name === "sgd") return 2;
    if (run.name === "momentum") return 2 * (1 + rho);
    if (run.name === "momentum_velocity") return 2 * (1 + mu);
    return run.name === "nesterov" || run.name === "nesterov_lookahead" ? 2 * (1 + mu) / (1 + 2 * mu) : null;
  }

  // The largest product of learning rate and curvature among the first places of a run within the window.
  function steepness(run, world) {
    const last = Math.min(end(run, world), run.left - 1, 200);
    let most = 0;
    for (let k = 0; k <= last; k++) {
      const { high } = M.curvature(world.surface, M.place(run, k), world.size);
      if (high > most && Number.isFinite(high)) most = high;
    }
    return most * run.hyper.lr;
  }

  function climbs(run, world) {
    const limit = limitOf(run);
    if (limit === null) return null;
    const product = steepness(run, world);
    return product > limit
      ? `its learning rate times the curvature reached ${say(product)}, and above ${say(limit)} each step ` +
        `overshoots by more than the last` : null;
  }

  function diverged(run, world) {
    if (run.diverged > world.time) return null;
    if (run.diverged === 0) return { rank: 99,
      text: `${run.label} cannot start: the function has no finite value or no derivative there. Move the start.` };
    return { rank: 95, text: `${run.label} diverged in step ${run.diverged}: ${whyDiverged(run, world)}.` };
  }

  // Numbers beyond all bounds, or a place where the function is not defined.
  function whyDiverged(run, world) {
    const at = M.place(run, run.diverged), before = M.place(run, run.diverged - 1);
    const isNear = (place) => M.distance(place, M.place(run, 0)) < 1e6 * world.size;
    if (isNear(at)) return "it stepped to a place where the function has no finite value";
    if (isNear(before) && !M.gradient(world.surface, before).every(Number.isFinite)) {
      return "the function has no finite derivative where it was";
    }
    if (run.name.startsWith("radam") && run.diverged < 12) {
      return "its first steps do not divide by the gradient’s size yet";
    }
    return climbs(run, world) || "its numbers grew beyond what a computer can hold";
  }

  function climbed(run, world) {
    if (!moves(run, world) || run.left <= world.time || run.values[world.time] <= run.values[0]) return null;
    const why = climbs(run, world);
    return why && { rank: 80, text: `${run.label} is higher than where it began: ${why}.` };
  }

  function leftUphill(run, world) {
    if (!moves(run, world) || run.left > world.time || run.left === 0) return null;
    if (run.values[run.left] <= run.values[0]) return null;
    const why = climbs(run, world) || `its step there was ${say(M.stepLength(run, run.left))} long`;
    return { rank: 85, text: `${run.label} was thrown out of the window in step ${run.left}: ${why}.` };
  }

  // A step of AdaGrad is the gradient over the root of the sum of all squares: how each of the two has changed since
  // the first step, along the axis on which the run has travelled most.
  function slowed(run, world) {
    if (!moves(run, world) || !run.name.startsWith("adagrad") || world.time < 5) return null;
    const axis = M.travelled(run, world.time, 0) >= M.travelled(run, world.time, 1) ? 0 : 1;
    const { size, root, gradient } = changeSinceFirst(run, world, axis);
    if (!(size > 3 && root > 1.5 && Number.isFinite(size))) return null;
    const arrived = M.toBottom(world.surface, M.place(run, world.time), world.size) < 0.02 * world.size;
    if (arrived && Math.log(root) < 0.25 * Math.log(size)) return null; // there is nothing left to descend
    const rest = gradient > 1.05 ? `, and the gradient is ${part(gradient)} of its first`
      : gradient < 0.95 ? `, the gradient only ${say(1 / gradient)} times` : "";
    return { rank: root * root < size ? 68 : 84,
      text: `${run.label} has slowed down: its step along ${AXES[axis]} is ${part(size)} of the first. It divides ` +
        `by the root of the sum of all squared gradients, which only grows: that root is ${say(root)} times its ` +
        `first value${rest}.` };
  }

  // The first step's size over the last one's, the last root over the first one, the first gradient over the last.
  function changeSinceFirst(run, world, axis) {
    const [first, last] = [1, world.time].map((time) => {
      const { run: seen } = Runs.replayed({ ...world.state, time }, world.surface, run.rule);
      return { gradient: Math.abs(seen.g[axis]), root: Math.sqrt(Engine.stateOf(seen).s[axis]) };
    });
    const moved = (k) => Math.abs(M.place(run, k)[axis] - M.place(run, k - 1)[axis]);
    return { size: moved(1) / moved(world.time), root: last.root / first.root,
      gradient: first.gradient / last.gradient };
  }

  function hardlyMoved(run, world) {
    if (!moves(run, world) || world.time < 15 || M.pathLength(run, world.time) > 0.03 * world.size) return null;
    const last = M.stepLength(run, world.time);
    if (run.name === "adadelta") {
      return { rank: 72,
        text: `${run.label} has hardly moved: it measures its steps by the steps before, and these began near ` +
          `zero. The last was ${say(last)} long.` };
    }
    return { rank: 74, text: `${run.label} has hardly moved: ${whyHardly(run, world, last)}.` };
  }

  function whyHardly(run, world, last) {
    const { lr } = run.hyper, mean = M.pathLength(run, world.time) / world.time;
    if (run.rule.normalised) {
      return mean > 0.5 * lr && mean < 2 * lr
        ? `its steps are about as long as its learning rate, and that is ${say(lr)}`
        : `its last step was ${say(last)} long`;
    }
    return `the gradient here is ${say(M.slope(world.surface, M.place(run, world.time)))}, and its step is in ` +
      `proportion to it`;
  }

  function zigzags(run, world) {
    if (!moves(run, world) || world.time < 4) return null;
    for (const axis of [0, 1]) {
      const { turned, steps, mean } = M.turns(run, world.time, axis, 10);
      if (steps < 3 || turned < 0.7 * steps || mean < 1e-3 * world.size) continue;
      const bend = M.curvature(world.surface, M.place(run, world.time), world.size);
      const ratio = axis === 0 ? bend.xx / bend.yy : bend.yy / bend.xx;
      const why = ratio > 3 && Number.isFinite(ratio) && bend.xx > 0 && bend.yy > 0
        ? `; the ground curves ${say(ratio)} times as much along ${AXES[axis]} as along ${AXES[1 - axis]}` : "";
      return { rank: 70,
        text: `${run.label} zig-zags: along ${AXES[axis]} it turned round in ${turned} of its last ${steps} ` +
          `steps${why}.` };
    }
    return null;
  }

  function overshot(run, world) {
    if (!moves(run, world) || world.surface.minima.length === 0) return null;
    const minimum = M.nearest(world.surface.minima, M.place(run, world.time));
    const count = M.passes(run, world.time, minimum, 0.03 * world.size);
    if (count === 0 || M.distance(minimum, M.place(run, world.time)) > 0.3 * world.size) return null;
    const kept = momentumOf(run);
    const why = kept > 0 ? `: it keeps ${say(100 * kept)} % of its momentum from step to step` : "";
    return { rank: 66 + Math.min(4, count), text: `${run.label} went past the minimum ${times(count)}${why}.` };
  }

  function gathered(run, world) {
    if (!moves(run, world) || run.rule.normalised || world.time < 3 || world.sigma) return null;
    if (momentumOf(run) === 0) return null;
    const alone = run.hyper.lr * M.slope(world.surface, M.place(run, world.time - 1));
    const now = M.stepLength(run, world.time);
    if (!(now > 3 * alone) || now < 5e-3 * world.size) return null;
    return { rank: 58,
      text: `${run.label} has gathered speed: its last step was ${say(now / alone)} times what the gradient ` +
        `alone would make it.` };
  }

  function balanced(run, world) {
    if (!moves(run, world) || !run.rule.normalised || world.sigma) return null;
    const [gx, gy] = M.gradient(world.surface, M.place(run, 0)).map(Math.abs);
    const [one, other] = [M.place(run, 0), M.place(run, 1)];
    const [dx, dy] = [Math.abs(other[0] - one[0]), Math.abs(other[1] - one[1])];
    const ratio = gx > gy ? gx / gy : gy / gx, shared = gx > gy ? dx / dy : dy / dx;
    if (!(ratio > 8 && Number.isFinite(ratio) && shared < 0.25 * ratio)) return null;
    const [much, little] = gx > gy ? AXES : [...AXES].reverse();
    const as = shared > 1.5 ? `only ${part(shared)} as long` : shared > 0.67 ? "as long" : "even longer";
    return { rank: 56,
      text: `${run.label} evens out the axes: at the start the slope along ${much} is ${say(ratio)} times that along ` +
        `${little}, yet its first step along ${little} is ${as}.` };
  }

  function rests(run, world) {
    if (!moves(run, world) || world.time < 15) return null;
    const at = M.place(run, world.time), moved = M.distance(at, M.place(run, world.time - 10));
    if (moved > 2e-3 * world.size || M.slope(world.surface, at) > 0.05 * world.slope) return null;
    return isNearSaddle(at, world) ? { rank: 76,
      text: `${run.label} lingers near a saddle: the slope is only ${say(M.slope(world.surface, at))}, though the ` +
        `ground falls away to the side.` } : inHollow(run, world, at);
  }

  // Whether the ground is level close by, and curves up in one direction and down in another there.
  function isNearSaddle(at, { surface, size, slope }) {
    const level = M.levelPlace(surface, at, size);
    if (level === null || M.distance(level, at) > 0.05 * size) return false;
    const { low, high } = M.curvature(surface, level, size), least = 1e-4 * slope / size;
    const flat = Math.max(0.1 * M.slope(surface, at), 1e-9 * slope);
    return low < -least && high > least && M.slope(surface, level) <= flat;
  }

  function inHollow(run, world, at) {
    const height = run.values[world.time], arrived = M.toBottom(world.surface, at, world.size) < 0.02 * world.size;
    const lowest = Math.min(...world.surface.minima.map(([x, y]) => world.surface.value(x, y)));
    if (!(arrived && height - lowest > 0.02 * Math.abs(run.values[0] - lowest)) ||
      !Number.isFinite(lowest)) return null;
    return { rank: 75,
      text: `${run.label} has come to rest in another hollow: height ${say(height)}, where the lowest is ` +
        `${say(lowest)}. No slope leads out.` };
  }

  function unsettled(run, world) {
    if (!moves(run, world) || world.time < 25) return null;
    const at = M.place(run, world.time), net = M.distance(at, M.place(run, world.time - 20));
    const recent = Array.from({ length: 20 }, (_, k) => M.stepLength(run, world.time - k));
    const mean = recent.reduce((a, b) => a + b) / 20;
    if (mean < 2e-3 * world.size || net > 4 * mean) return null;
    return { rank: 62,
      text: `${run.label} does not settle: its last 20 steps were ${say(mean)} long on average, and together ` +
        `they led only ${say(net)} away.` };
  }

  function growing(run, world) {
    if (!moves(run, world) || run.name !== "adadelta" || world.time < 5) return null;
    const first = M.stepLength(run, 1), now = M.stepLength(run, world.time);
    if (!(now > 3 * first)) return null;
    return { rank: 54,
      text: `${run.label} gains speed slowly: its first step was ${say(first)} long, this one ${say(now)}. It ` +
        `measures its steps by those before.` };
  }

  function noisy(run, world) {
    if (!moves(run, world) || world.sigma === 0) return null;
    const ratio = world.sigma / M.slope(world.surface, M.place(run, world.time));
    if (!(ratio > 2)) return null;
    const uphill = Math.round(100 * normalBelow(-1 / ratio));
    return { rank: 60,
      text: `The noise is ${say(ratio)} times the gradient where ${run.label} is: of single gradients ${uphill} % ` +
        `point the wrong way.` };
  }

  // The share of a standard normal distribution below a number between -1/2 and 0.
  const normalBelow = (z) => 0.5 + z * (1 - z * z / 6 + z ** 4 / 40) / Math.sqrt(2 * Math.PI);

  function underWay(run, world) {
    if (!moves(run, world)) return null;
    const lower = world.runs.filter((other) => other.values[world.time] < run.values[world.time]).length;
    const slope = M.slope(world.surface, M.place(run, world.time));
    const others = world.runs.length - 1;
    const place = lower === 0 ? "the lowest" : lower === others ? "the highest"
      : `with ${lower} of ${others} others below it`;
    return { rank: 5, text: `${run.label} is at height ${say(run.values[world.time])}` +
      `${world.runs.length > 1 ? `, ${place}` : ""}; ` +
      `the slope there is ${say(slope)}, and its last step was ${say(M.stepLength(run, world.time))} long.` };
  }

  const ONE = { diverged, climbed, slowed, hardlyMoved, zigzags, overshot, gathered, balanced, rests, unsettled,
    growing, noisy, underWay };
  return { ONE };
})();
