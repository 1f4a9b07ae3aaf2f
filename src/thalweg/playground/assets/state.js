"use strict";

// What the page shows, as one plain object: everything else is computed from it, and the address carries it.
const State = (() => {
  const CLASSICS = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam"];
  const OWN = "own";
  const OWN_TEXT = "x**2 + 10*sin(y)";
  const OWN_WINDOW = [[-6, 6], [-6, 6]];
  const SPEEDS = [1, 2, 5, 10, 20, 50, 100, 200];
  const SHOWN = { height: "height", x: "x", y: "y", step: "length of a step" };
  const SCALES = { auto: "as fits", linear: "linear", log: "logarithmic" };
  // The lowest and the highest number of each; a common momentum or memory of null leaves each rule its own.
  const LIMITS = {
    factor: [0.01, 100], momentum: [0, 0.999], memory: [0, 0.9999], noise: [0, 2], seed: [0, 4294967295],
    steps: [1, 1000],
  };

  function initial() {
    const surface = SURFACES.saddle || Object.values(SURFACES)[0];
    return {
      surface: surface.name, text: OWN_TEXT, window: OWN_WINDOW, start: [...surface.starts[0]], steps: surface.steps,
      time: surface.steps, rules: CLASSICS.filter((name) => name in RULES), selected: "adam" in RULES ? "adam" : null,
      factor: 1, momentum: null, memory: null, noise: 0, seed: 0, own: {}, speed: 20, shown: "height", scale: "auto",
    };
  }

  function clamp(number, [low, high]) {
    return Math.min(high, Math.max(low, number));
  }

  function inside([x, y], [[left, right], [bottom, top]]) {
    return x >= left && x <= right && y >= bottom && y <= top;
  }

  // The part of a state that another surface decides; a rule's own learning rate was meant for the old one.
  function onSurface(state, surface) {
    const own = {};
    for (const [name, hyper] of Object.entries(state.own)) {
      const kept = Object.entries(hyper).filter(([letter]) => letter !== "lr");
      if (kept.length) own[name] = Object.fromEntries(kept);
    }
    return {
      surface: surface.name, start: [...surface.starts[0]], steps: surface.steps, time: surface.steps, own,
    };
  }

  // What a hyperparameter means to a common slider: the average of gradients, that of their squares, or neither.
  function role(rule, letter) {
    const squares = rule.name === "adadelta" || rule.name.startsWith("rmsprop");
    if (letter === "mu" || letter === "beta1") return "momentum";
    if (letter === "rho" || letter === "beta") return squares ? "memory" : "momentum";
    return letter === "beta2" && rule.name !== "lion" && rule.name !== "adan" ? "memory" : null;
  }

  // A rule's learning rate on a surface before anyone turned a knob. AdaDelta's is a factor, not a length: it keeps
  // its own.
  function plainRate(rule, surface) {
    return rule.name === "adadelta" ? rule.hyper.lr : surface.rates[rule.normalised ? 1 : 0];
  }

  // The settings that a rule was given for itself; rules and letters may be called as what every object has.
  function ownOf(state, rule) {
    return Object.hasOwn(state.own, rule.name) ? state.own[rule.name] : {};
  }

  // All numbers that decide a rule's steps in this state.
  function hyperOf(state, surface, rule) {
    const hyper = { ...rule.hyper };
    if ("lr" in hyper) hyper.lr = plainRate(rule, surface) * state.factor;
    for (const letter of Object.keys(hyper)) {
      const common = state[role(rule, letter)];
      if (common !== null && common !== undefined) hyper[letter] = common;
    }
    return { ...hyper, ...ownOf(state, rule) };
  }

  return {
    CLASSICS, OWN, OWN_TEXT, OWN_WINDOW, SPEEDS, SHOWN, SCALES, LIMITS,
    initial, clamp, inside, onSurface, role, hyperOf, ownOf,
  };
})();
