"use strict";

// One curve per rule against the step: height, x, y, or the length of its steps. A press on them sets the time.
const Curves = (() => {
  const MARGIN = { left: 54, right: 12, top: 10, bottom: 30 };
  const SPAN = 30; // heights that span more than this factor are drawn on a logarithmic scale
  const FONT = "11px system-ui, sans-serif";
  let canvas, context, width = 0, height = 0;

  function setup(element) {
    canvas = element;
    context = canvas.getContext("2d");
  }

  function fit() {
    const density = Math.min(3, devicePixelRatio || 1), wide = canvas.parentElement.clientWidth;
    const high = Math.round(State.clamp(wide * 0.6, [190, 300]));
    if (canvas.width !== Math.round(wide * density) || canvas.height !== Math.round(high * density)) {
      canvas.width = Math.round(wide * density);
      canvas.height = Math.round(high * density);
      canvas.style.width = `${wide}px`;
      canvas.style.height = `${high}px`;
    }
    [width, height] = [wide, high];
    context.setTransform(density, 0, 0, density, 0, 0);
  }

  // What a run's curve is at a step. Heights on a logarithmic scale are above the lowest value that is known.
  function valueOf(run, shown, k) {
    if (shown === "height") return run.values[k];
    if (shown === "step") return k === 0 ? NaN : Measures.stepLength(run, k);
    return run.points[2 * k + (shown === "x" ? 0 : 1)];
  }

  function lowest(surface) {
    return Math.min(...surface.minima.map(([x, y]) => surface.value(x, y)));
  }

  function scaleOf(state, surface, runs, field) {
    const { shown } = state, floor = shown === "height" ? lowest(surface) : 0;
    const possible = (shown === "height" && Number.isFinite(floor)) || shown === "step";
    let low = Infinity, high = -Infinity, least = Infinity;
    for (const run of runs) {
      for (let k = 0; k <= Runs.last(run, state.steps); k++) {
        const value = valueOf(run, shown, k);
        if (value < low) low = value;
        if (value > high) high = value;
        if (value - floor > 0 && value - floor < least) least = value - floor;
      }
    }
    if (!(high > low)) [low, high] = Number.isFinite(low) ? [low - 1, low + 1] : [0, 1];
    const limits = shown === "height" ? [field.low, field.high] : shown === "step" ? [0, Infinity]
      : surface.window[shown === "x" ? 0 : 1];
    [low, high] = [Math.max(low, limits[0]), Math.min(high, limits[1])];
    if (!(high > low)) high = low + 1;
    const wide = possible && (high - floor) / Math.max(least, 1e-300) > SPAN;
    const logarithmic = possible && (state.scale === "log" || (state.scale === "auto" && wide));
    if (!logarithmic) return { low, high, floor: 0, logarithmic };
    return { low: Math.max(least, 1e-8 * (high - floor)), high: high - floor, floor, logarithmic };
  }

  function place(scale, value) {
    const { low, high, floor, logarithmic } = scale;
    const share = logarithmic ? Math.log(Math.max(value - floor, 1e-300) / low) / Math.log(high / low)
      : (value - low) / (high - low);
    return height - MARGIN.bottom - State.clamp(share, [-0.2, 1.2]) * (height - MARGIN.top - MARGIN.bottom);
  }

  const across = (k, steps) => MARGIN.left + k / steps * (width - MARGIN.left - MARGIN.right);

  function ticksOf({ low, high, logarithmic }) {
    if (!logarithmic) return Ground.round([low, high], 5);
    const first = Math.ceil(Math.log10(low)), last = Math.floor(Math.log10(high));
    const every = Math.max(1, Math.ceil((last - first) / 5)), powers = [];
    for (let power = last; power >= first; power -= every) powers.push(Number(`1e${power}`));
    return powers.length > 1 ? powers : [1, 2, 5].flatMap((f) =>
      [first - 1, first, last].map((p) => Number(`${f}e${p}`)))
      .filter((number, k, all) => number >= low && number <= high && all.indexOf(number) === k);
  }

  function axes(state, scale) {
    const { grid, quiet } = Theme.colours();
    for (const tick of ticksOf(scale)) {
      const y = Math.round(place(scale, tick + (scale.logarithmic ? scale.floor : 0))) + 0.5;
      context.strokeStyle = grid;
      context.lineWidth = 1;
      line([[MARGIN.left, y], [width - MARGIN.right, y]]);
      Ground.text(context, Numbers.written(tick), MARGIN.left - 6, y, { font: FONT, colour: quiet, align: "right" });
    }
    for (const tick of Ground.round([0, state.steps], 5).filter(Number.isInteger)) {
      Ground.text(context, String(tick), across(tick, state.steps), height - MARGIN.bottom + 10,
        { font: FONT, colour: quiet });
    }
    Ground.text(context, "step", width - MARGIN.right - 12, height - 6, { font: FONT, colour: quiet });
  }

  function line(points) {
    context.beginPath();
    points.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.stroke();
  }

  // The part of a curve up to the time, and paler what is still to come.
  function curve(state, scale, run, many) {
    const end = Runs.last(run, state.steps), now = Math.min(end, state.time), selected = run.name === state.selected;
    const first = state.shown === "step" ? 1 : 0;
    const spot = (k, out) => {
      out[0] = across(k, state.steps);
      out[1] = place(scale, valueOf(run, state.shown, k));
    };
    context.strokeStyle = Theme.of(run.rule);
    context.setLineDash(many && !selected ? [] : run.dash);
    context.lineWidth = selected ? 3 : many ? 1 : 1.8;
    for (const [from, to, alpha] of [[now, end, 0.25], [first, now, 1]]) {
      context.globalAlpha = alpha;
      context.beginPath();
      Lines.follow(context, Math.max(first, from), to, spot, width, height, many ? 1.5 : 0.8);
      context.stroke();
    }
    context.setLineDash([]);
  }

  function paint(state, surface, runs, field) {
    fit();
    context.clearRect(0, 0, width, height);
    const scale = scaleOf(state, surface, runs, field);
    axes(state, scale);
    context.save();
    context.beginPath();
    context.rect(MARGIN.left - 1, MARGIN.top - 4, width - MARGIN.left - MARGIN.right + 2,
      height - MARGIN.top - MARGIN.bottom + 8);
    context.clip();
    const ordered = [...runs].sort((a, b) => (a.name === state.selected) - (b.name === state.selected));
    for (const run of ordered) curve(state, scale, run, runs.length >= Plot.MANY);
    context.strokeStyle = Theme.colours().ink;
    context.lineWidth = 1;
    const now = Math.round(across(state.time, state.steps)) + 0.5;
    line([[now, MARGIN.top - 4], [now, height - MARGIN.bottom]]);
    context.restore();
    return scale;
  }

  // The step that a place on the curves means.
  function stepAt(px, steps) {
    return Math.round(State.clamp((px - MARGIN.left) / (width - MARGIN.left - MARGIN.right), [0, 1]) * steps);
  }

  function title(state, scale) {
    const name = { height: "Height", x: "x", y: "y", step: "Length of a step" }[state.shown];
    const above = scale.logarithmic && scale.floor !== 0 ? ` above the lowest value, ${Numbers.said(scale.floor)}`
      : "";
    return `${name}${above}, against the step${scale.logarithmic ? ", on a logarithmic scale" : ""}`;
  }

  return { setup, paint, stepAt, title };
})();
