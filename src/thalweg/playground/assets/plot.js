"use strict";

// The map: the surface below, painted once per surface and size, and the descents on it, painted in every frame.
const Plot = (() => {
  const FONT = "12px system-ui, sans-serif";
  const FAR = 1e5; // pixels; beyond them a canvas draws nothing anyway
  const MANY = 16; // from so many runs on lines are thin: wide ones are slow without a graphics card
  const NAMED = 12; // so many runs at most have their names at their ends
  const DOTS = [1.5, 6];
  let canvas, context, width = 0, height = 0, density = 1;
  let ground = null, groundKey = "", field = null, fieldOf = null;

  function setup(element) {
    canvas = element;
    context = canvas.getContext("2d", { alpha: false });
  }

  // As wide as its frame, in the proportions of the window as far as the screen has room.
  function fit(window) {
    const frame = canvas.parentElement.clientWidth, [[left, right], [bottom, top]] = window;
    const room = Math.max(260, Math.min(innerHeight * 0.6, 900));
    const ratio = State.clamp((top - bottom) / (right - left), [0.45, 1.4]);
    const nextWidth = Math.max(1, Math.floor(Math.min(frame, room / ratio)));
    const nextHeight = Math.max(1, Math.floor(nextWidth * ratio)), nextDensity = Math.min(3, devicePixelRatio || 1);
    if (nextWidth === width && nextHeight === height && nextDensity === density) return;
    [width, height, density] = [nextWidth, nextHeight, nextDensity];
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }

  const toPixel = ([[left, right], [bottom, top]], x, y) => [
    State.clamp((x - left) / (right - left) * width, [-FAR, FAR]),
    State.clamp((top - y) / (top - bottom) * height, [-FAR, FAR]),
  ];
  const toPlane = ([[left, right], [bottom, top]], px, py) => [
    State.clamp(left + px / width * (right - left), [left, right]),
    State.clamp(top - py / height * (top - bottom), [bottom, top]),
  ];

  function prepare(surface) {
    if (fieldOf !== surface) {
      field = Contour.field(surface, surface.window);
      fieldOf = surface;
      groundKey = "";
    }
    const key = [width, height, density, Theme.dark()].join();
    if (key !== groundKey) ground = Ground.sheet(field, surface.window, { width, height, density });
    groundKey = key;
  }

  // The line through points, two numbers each, up to the last one, as the context's path.
  function trace([[left, right], [bottom, top]], points, last, thin) {
    const across = width / (right - left), up = height / (top - bottom);
    context.beginPath();
    Lines.follow(context, 0, last, (k, out) => {
      out[0] = (points[2 * k] - left) * across;
      out[1] = (top - points[2 * k + 1]) * up;
    }, width, height, thin);
  }

  function stroke(colour, wide, dash) {
    context.setLineDash(dash);
    context.strokeStyle = colour;
    context.lineWidth = wide;
    context.stroke();
    context.setLineDash([]);
  }

  function descent(window, run, time, selected, many) {
    if (run.diverged === 0) return;
    context.lineJoin = "round";
    trace(window, run.points, Runs.last(run, time), many ? 1.5 : 0.8);
    if (selected || !many) stroke(Theme.colours().halo, selected ? 7 : 4.5, []);
    // So many lines no dashes tell apart.
    stroke(Theme.of(run.rule), selected ? 3.5 : many ? 1 : 2.25, many && !selected ? [] : run.dash);
    if (selected) steps(window, run, time);
  }

  // The points of the selected rule one by one, where they lie far enough apart to be seen.
  function steps(window, run, time) {
    const end = Runs.last(run, time);
    let before = [-99, -99];
    context.fillStyle = Theme.of(run.rule);
    context.strokeStyle = Theme.colours().halo;
    context.lineWidth = 1;
    for (let k = 1; k < end; k++) {
      const at = toPixel(window, run.points[2 * k], run.points[2 * k + 1]);
      if (Measures.distance(at, before) < 9) continue;
      before = at;
      dot(at, 3.2);
    }
  }

  // The weights that a rule keeps for use where these are others than it steps with: dotted, with a hollow end.
  function keptWeights(window, { rule, kept }) {
    const last = kept.length / 2 - 1;
    trace(window, kept, last, 0.8);
    stroke(Theme.colours().halo, 5, []);
    stroke(Theme.colours().ink, 2.5, DOTS);
    context.fillStyle = Theme.of(rule);
    context.strokeStyle = Theme.colours().ink;
    context.lineWidth = 2;
    dot(toPixel(window, kept[2 * last], kept[2 * last + 1]), 5);
  }

  function dot([x, y], radius) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }

  function head(window, run, time, selected, many) {
    const k = Runs.last(run, time);
    if (k < 0) return;
    context.fillStyle = Theme.of(run.rule);
    context.strokeStyle = Theme.colours().paper;
    context.lineWidth = 1.5;
    dot(toPixel(window, run.points[2 * k], run.points[2 * k + 1]), selected ? 7 : many ? 3.5 : 5.5);
  }

  function minima(window, points) {
    for (const point of points) {
      const [x, y] = toPixel(window, ...point);
      context.beginPath();
      context.moveTo(x - 7, y);
      context.lineTo(x + 7, y);
      context.moveTo(x, y - 7);
      context.lineTo(x, y + 7);
      stroke(Theme.colours().halo, 5, []);
      stroke(Theme.colours().ink, 2, []);
    }
  }

  function handle(window, start) {
    const at = toPixel(window, ...start), { ink, paper } = Theme.colours();
    context.fillStyle = paper;
    context.strokeStyle = ink;
    context.lineWidth = 2.5;
    dot(at, 9);
    context.fillStyle = ink;
    dot(at, 2);
  }

  // Names beside the ends, where there is room: no name covers another one, the start, or an end.
  function names(window, runs, state) {
    const ends = runs.filter((run) => run.diverged > 0).map((run) => {
      const k = Runs.last(run, state.time);
      return { run, at: toPixel(window, run.points[2 * k], run.points[2 * k + 1]) };
    }).filter(({ at: [x, y] }) => x >= 0 && y >= 0 && x <= width && y <= height);
    const taken = ends.map(({ at }) => around(at, 6));
    taken.push(around(toPixel(window, ...state.start), 10));
    ends.sort((a, b) => (b.run.name === state.selected) - (a.run.name === state.selected));
    for (const { run, at } of ends) {
      context.font = run.name === state.selected ? `bold ${FONT}` : FONT;
      const box = roomFor(context.measureText(run.label).width + 4, at, taken);
      if (!box) continue;
      taken.push(box);
      Ground.text(context, run.label, box[0] + 2, box[1] + 8, { font: context.font, colour: Theme.colours().ink,
        align: "left" });
    }
  }

  const around = ([x, y], by) => [x - by, y - by, x + by, y + by];

  // A box for a name of a length beside a place, which covers nothing that is taken; undefined where none is free.
  function roomFor(long, [x, y], taken) {
    const offsets = [[11, -8], [-11 - long, -8], [-long / 2, -25], [-long / 2, 10], [9, -22], [9, 7], [-9 - long, -22],
      [-9 - long, 7]];
    return offsets.map(([dx, dy]) => [x + dx, y + dy, x + dx + long, y + dy + 16])
      .find((one) => one[0] > 2 && one[2] < width - 2 && one[1] > 2 && one[3] < height - 20 && !taken.some((other) =>
        one[0] < other[2] && one[2] > other[0] && one[1] < other[3] && one[3] > other[1]));
  }

  // `replay` is the selected rule's run up to the time, or null.
  function paint(state, surface, runs, replay) {
    fit(surface.window);
    prepare(surface);
    const { window } = surface, many = runs.length >= MANY;
    const ordered = [...runs].sort((a, b) => (a.name === state.selected) - (b.name === state.selected));
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(ground, 0, 0);
    context.scale(density, density);
    minima(window, surface.minima);
    for (const run of ordered) descent(window, run, state.time, run.name === state.selected, many);
    for (const run of ordered) head(window, run, state.time, run.name === state.selected, many);
    if (replay?.kept) keptWeights(window, replay);
    if (runs.length <= NAMED) names(window, runs, state);
    handle(window, state.start);
  }

  return { MANY, setup, paint, toPixel, toPlane, field: () => field };
})();
