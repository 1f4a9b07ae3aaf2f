"use strict";

// The state as the part of the address behind `#`, and back. Nothing in an address is trusted: every value is checked,
// and what is not right is left out and reported in a sentence.
const Address = (() => {
  const WORDS = 8000; // an address longer than this is not one of ours
  const number = (value) => String(Number(value.toPrecision(12)));

  function write(state) {
    const first = State.initial();
    const parts = [["surface", state.surface]];
    if (state.surface === State.OWN) {
      parts.push(["f", state.text], ["window", state.window.flat().map(number).join(",")]);
    }
    parts.push(["start", state.start.map(number).join(",")], ["steps", state.steps]);
    if (state.time !== state.steps) parts.push(["time", state.time]);
    parts.push(["rules", state.rules.join(",")]);
    if (state.selected) parts.push(["selected", state.selected]);
    for (const key of ["factor", "noise"]) if (state[key] !== first[key]) parts.push([key, number(state[key])]);
    for (const key of ["momentum", "memory"]) if (state[key] !== null) parts.push([key, number(state[key])]);
    for (const key of ["seed", "speed", "shown", "scale"]) if (state[key] !== first[key]) parts.push([key, state[key]]);
    const own = Object.entries(state.own).flatMap(([name, hyper]) =>
      Object.entries(hyper).map(([letter, value]) => `${name}.${letter}:${number(value)}`));
    if (own.length) parts.push(["own", own.join(",")]);
    return parts.map(([key, value]) =>
      `${key}=${encodeURIComponent(value).replaceAll("%2C", ",").replaceAll("%3A", ":")}`)
      .join("&");
  }

  function finite(text, limits) {
    const value = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : NaN;
    return Number.isFinite(value) && (!limits || (value >= limits[0] && value <= limits[1])) ? value : null;
  }

  function numbers(text, count) {
    const values = text.split(",").map((part) => finite(part));
    return values.length === count && values.every((value) => value !== null) ? values : null;
  }

  const whole = (text, limits) => {
    const value = finite(text, limits);
    return Number.isInteger(value) ? value : null;
  };
  const has = (table, key) => Object.prototype.hasOwnProperty.call(table, key);

  function ownOf(text) {
    const own = {};
    let refused = false;
    for (const part of text.split(",")) {
      const [, name, letter, written] = /^(\w+)\.(\w+):(.+)$/.exec(part) || [];
      const known = name && has(RULES, name) && has(RULES[name].hyper, letter);
      const value = known ? finite(written, Slider.endsOf(RULES[name].limits[letter])) : null;
      if (value === null) refused = true;
      else own[name] = { ...(has(own, name) ? own[name] : {}), [letter]: value };
    }
    return [own, refused];
  }

  // What each key may be: the patch that it makes of the state, or null where it is not right.
  const READERS = {
    window: (text) => {
      const ends = numbers(text, 4);
      return ends && Own2D.windowFault(ends) === null ? { window: [ends.slice(0, 2), ends.slice(2)] } : null;
    },
    rules: (text) => ({ rules: [...new Set(text.split(",").filter((name) => has(RULES, name)))] }),
    selected: (text) => (has(RULES, text) ? { selected: text } : null),
    momentum: (text) => one("momentum", finite(text, State.LIMITS.momentum)),
    memory: (text) => one("memory", finite(text, State.LIMITS.memory)),
    factor: (text) => one("factor", finite(text, State.LIMITS.factor)),
    noise: (text) => one("noise", finite(text, State.LIMITS.noise)),
    seed: (text) => one("seed", whole(text, State.LIMITS.seed)),
    speed: (text) => one("speed", State.SPEEDS.includes(Number(text)) ? Number(text) : null),
    shown: (text) => (has(State.SHOWN, text) ? { shown: text } : null),
    scale: (text) => (has(State.SCALES, text) ? { scale: text } : null),
    own: (text) => ({ own: ownOf(text)[0] }),
  };
  const one = (key, value) => (value === null ? null : { [key]: value });

  // The surface comes first: it decides where a start may lie and how many steps are usual.
  function readSurface(state, parts, refused) {
    const name = parts.get("surface");
    if (name === State.OWN) {
      const text = parts.get("f") ?? State.OWN_TEXT;
      const window = parts.has("window") ? READERS.window(parts.get("window")) : { window: State.OWN_WINDOW };
      if (window === null) refused.push("window");
      Object.assign(state, window);
      const made = Own2D.make(text, state.window);
      if (made.surface) Object.assign(state, { text }, State.onSurface(state, made.surface));
      else refused.push("f");
      return made.surface || SURFACES[state.surface];
    }
    if (name !== null && !has(SURFACES, name)) refused.push("surface");
    else if (name !== null) Object.assign(state, State.onSurface(state, SURFACES[name]));
    return SURFACES[state.surface];
  }

  function readRun(state, surface, parts, refused) {
    const start = parts.has("start") && numbers(parts.get("start"), 2);
    if (start && State.inside(start, surface.window)) state.start = start;
    else if (parts.has("start")) refused.push("start");
    const steps = parts.has("steps") && whole(parts.get("steps"), State.LIMITS.steps);
    if (steps) state.steps = state.time = steps;
    else if (parts.has("steps")) refused.push("steps");
    const time = parts.has("time") ? whole(parts.get("time"), [0, state.steps]) : state.steps;
    if (time === null) refused.push("time");
    else state.time = time;
  }

  // The state that an address means, and the sentence that says what of it was left out; null where nothing was.
  function read(fragment) {
    const state = State.initial(), refused = [];
    const text = fragment.replace(/^#/, "");
    if (text === "") return [state, null];
    if (text.length > WORDS) return [state, "The address is too long to be one of this page. It was left out."];
    const parts = new URLSearchParams(text);
    const surface = readSurface(state, parts, refused);
    readRun(state, surface, parts, refused);
    for (const [key, value] of parts) {
      if (["surface", "f", "start", "steps", "time", "window"].includes(key)) continue;
      const patch = has(READERS, key) ? READERS[key](value) : null;
      if (patch === null) refused.push(key);
      else Object.assign(state, patch);
    }
    if (parts.has("own") && ownOf(parts.get("own"))[1]) refused.push("own");
    if (parts.has("rules") && state.rules.join(",") !== parts.get("rules")) refused.push("rules");
    if (!state.rules.includes(state.selected)) state.selected = state.rules[0] ?? null;
    return [state, refused.length ? sentence(refused) : null];
  }

  function sentence(refused) {
    const named = [...new Set(refused)].map((key) => `“${key.slice(0, 20)}”`);
    const shown = named.length > 5 ? [...named.slice(0, 5), "more"] : named;
    return `Of the address, ${shown.join(", ")} could not be used and was left out.`;
  }

  return { write, read, finite };
})();
