"use strict";

// What can be said of one run: each a function from the run and its world to a sentence, or nothing. The world is the
// surface, the time, the size of its window, its usual slope, and all runs. `rank` says how much it matters.
const Observations = (() => {
  const M = Measures;
  const AXES = ["x", "y"];

  // A number as one says it: two or three figures.
  function say(number) {
    const size = Math.abs(number);
    if (size === 0) return "0";
    if (!Number.isFinite(number)) return Number.isNaN(number) ? "no number" : number > 0 ? "∞" : "−∞";
    if (size >= 1e5 || size < 1e-3) {
      const [figures, power] = number.toExponential(1).split("e");
      const raised = [...String(Number(power))].map((sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)]).join("");
      return `${figures.replace("-", "−").replace(".0", "")} · 10${raised}`;
    }
    return String(Number(number.toPrecision(size < 10 ? 2 : 3))).replace("-", "−");
  }

  const times = (count) => (count === 1 ? "once" : count === 2 ? "twice" : `${count} times`);
  const momentumOf = (run) => {
    const letter = Object.keys(run.hyper).find((key) => State.role(run.rule, key) === "momentum");
    return letter === undefined ? 0 : run.hyper[letter];
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

  // The largest product of learning rate and curvature among the places that a run saw.
  function steepness(run, world) {
    let most = 0;
    for (let k = 0; k <= Math.min(end(run, world), 200); k += 1) {
      const high = M.curvature(world.surface, M.place(run, k), world.size).high;
      if (high > most && Number.isFinite(high)) most = high;
    }
    return most * run.hyper.lr;
  }

  function climbs(run, world) {
    const limit = limitOf(run), product = limit === null ? 0 : steepness(run, world);
    return product > limit && limit !== null
      ? `its learning rate times the curvature reached ${say(product)}, and above ${say(limit)} each step ` +
        `overshoots by more`
      : null;
  }

  function diverged(run, world) {
    if (run.diverged > world.time) return null;
    if (run.diverged === 0) return { rank: 99,
      text: `${run.label} cannot start: the function has no finite value or no derivative there. Move the start.` };
    const why = climbs(run, world) || (run.name.startsWith("radam") && run.diverged < 12
      ? "its first steps do not divide by the gradient’s size yet"
        : "its numbers grew beyond what a computer can hold");
    return { rank: 95, text: `${run.label} diverged in step ${run.diverged}: ${why}.` };
  }

  function climbed(run, world) {
    if (!moves(run, world) || run.left > world.time || run.values[world.time] <= run.values[0]) return leftUphill(run,
      world);
    const why = climbs(run, world);
    return why && { rank: 80, text: `${run.label} is higher than where it began: ${why}.` };
  }

  function leftUphill(run, world) {
    if (!moves(run, world) || run.left > world.time || run.values[run.left] <= run.values[0]) return null;
    const why = climbs(run, world) || "its step was longer than the valley is wide";
    return { rank: 85, text: `${run.label} was thrown out of the window in step ${run.left}: ${why}.` };
  }

  function slowed(run, world) {
    if (!moves(run, world) || !run.name.startsWith("adagrad") || world.time < 5) return null;
    const first = M.stepLength(run, 1), now = M.stepLength(run, world.time);
    const sums = [0, 0];
    let begun = 0;
    for (let k = 0; k < world.time; k++) {
      const g = M.gradient(world.surface, M.place(run, k));
      sums[0] += g[0] ** 2;
      sums[1] += g[1] ** 2;
      if (k === 0) begun = Math.max(...sums);
    }
    const rate = Math.sqrt(Math.max(...sums) / begun), slower = first / now;
    if (!(slower > 3 && rate > 1.5 && Math.log(rate) > 0.25 * Math.log(slower))) return null;
    const rest = rate < 0.5 * slower ? "; the gradient has fallen too" : "";
    return { rank: rate < 0.5 * slower ? 68 : 78,
      text: `${run.label} has slowed down: its steps are now 1/${say(slower)} of its first. The sum of its ` +
        `squared gradients only grows, and alone makes them 1/${say(rate)}${rest}.` };
  }

  function hardlyMoved(run, world) {
    if (!moves(run, world) || world.time < 15 || M.pathLength(run, world.time) > 0.03 * world.size) return null;
    const at = M.place(run, world.time), slope = M.slope(world.surface, at);
    if (run.name === "adadelta") {
      return { rank: 72,
        text: `${run.label} has hardly moved: it measures its steps by the steps before, and these began near ` +
          `zero. The last was ${say(M.stepLength(run, world.time))} long.` };
    }
    const why = run.rule.normalised
      ? `its steps are about its learning rate long, and that is ${say(run.hyper.lr)}`
      : `the gradient here is ${say(slope)}, and its step is in proportion to it`;
    return { rank: 74, text: `${run.label} has hardly moved: ${why}.` };
  }

  function zigzags(run, world) {
    if (!moves(run, world) || world.time < 4) return null;
    for (const axis of [0, 1]) {
      const { turned, steps, mean } = M.turns(run, world.time, axis, 10);
      if (steps < 3 || turned < 0.7 * steps || mean < 1e-3 * world.size) continue;
      const bend = M.curvature(world.surface, M.place(run, world.time), world.size);
      const ratio = axis === 0 ? bend.xx / bend.yy : bend.yy / bend.xx;
      const why = ratio > 3 && Number.isFinite(ratio)
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
    const rho = momentumOf(run);
    if (count === 0 || M.distance(minimum, M.place(run, world.time)) > 0.3 * world.size) return null;
    const why = rho > 0 ? `${say(100 * rho)} % of each step is carried into the next` : "its step is too long there";
    return { rank: 66 + Math.min(4, count), text: `${run.label} overshot the minimum ${times(count)}: ${why}.` };
  }

  function gathered(run, world) {
    if (!moves(run, world) || run.rule.normalised || momentumOf(run) === 0 || world.time < 3) return null;
    const alone = run.hyper.lr * M.slope(world.surface, M.place(run, world.time - 1));
    const now = M.stepLength(run, world.time);
    if (!(now > 3 * alone) || now < 5e-3 * world.size) return null;
    return { rank: 58,
      text: `${run.label} has gathered speed: its last step was ${say(now / alone)} times what the gradient ` +
        `alone would make it.` };
  }

  function balanced(run, world) {
    if (!moves(run, world) || !run.rule.normalised) return null;
    const [gx, gy] = M.gradient(world.surface, M.place(run, 0)).map(Math.abs);
    const [one, other] = [M.place(run, 0), M.place(run, 1)];
    const [dx, dy] = [Math.abs(other[0] - one[0]), Math.abs(other[1] - one[1])];
    const ratio = gx > gy ? gx / gy : gy / gx, shared = gx > gy ? dx / dy : dy / dx;
    if (!(ratio > 8 && Number.isFinite(ratio) && shared < 0.25 * ratio)) return null;
    const [much, little] = gx > gy ? AXES : [...AXES].reverse();
    const as = shared < 1.5 ? "as long" : `only 1/${say(shared)} as long`;
    return { rank: 56,
      text: `${run.label} divides by the gradient’s size: at the start the slope along ${much} is ${say(ratio)} ` +
        `times that along ${little}, yet its step along ${little} is ${as}.` };
  }

  function rests(run, world) {
    if (!moves(run, world) || world.time < 15) return null;
    const at = M.place(run, world.time), moved = M.distance(at, M.place(run, world.time - 10));
    if (moved > 2e-3 * world.size || M.slope(world.surface, at) > 0.05 * world.slope) return null;
    const bend = M.curvature(world.surface, at, world.size), height = run.values[world.time];
    const arrived = M.toBottom(world.surface, at, world.size) < 0.02 * world.size;
    if (bend.low < 0 && bend.high > 0 && bend.high > 1e-4 * world.slope / world.size) {
      return { rank: 76,
        text: `${run.label} lingers near a saddle: the slope is ${say(M.slope(world.surface, at))}, though the ` +
          `ground falls away to the side.` };
    }
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
    const slope = M.slope(world.surface, M.place(run, world.time));
    if (!(world.sigma > 2 * slope)) return null;
    return { rank: 60,
      text: `The noise is ${say(world.sigma / slope)} times the gradient where ${run.label} is: it wanders more ` +
        `than it descends.` };
  }

  function underWay(run, world) {
    if (!moves(run, world)) return null;
    const lower = world.runs.filter((other) => other.values[world.time] < run.values[world.time]).length;
    const slope = M.slope(world.surface, M.place(run, world.time));
    const rank = world.runs.length > 1 ? `, number ${lower + 1} of ${world.runs.length} from below` : "";
    return { rank: 5, text: `${run.label} is at height ${say(run.values[world.time])}${rank}; ` +
      `the slope there is ${say(slope)}, and its last step was ${say(M.stepLength(run, world.time))} long.` };
  }

  const ONE = { diverged, climbed, slowed, hardlyMoved, zigzags, overshot, gathered, balanced, rests, unsettled,
    growing, noisy, underWay };
  return { ONE, say, times };
})();
