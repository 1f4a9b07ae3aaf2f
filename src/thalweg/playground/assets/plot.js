"use strict";

// The map: the surface below, painted once per surface and size, and the descents on it, painted in every frame.
const Plot = (() => {
  const FONT = "12px system-ui, sans-serif";
  const FAR = 1e5; // pixels; beyond them a canvas draws nothing anyway
  let canvas, context, ground = null, groundKey = "", field = null, fieldOf = null, width = 0, height = 0, density = 1;

  function setup(element) {
    canvas = element;
    context = canvas.getContext("2d", { alpha: false });
  }

  // As wide as its frame, in the proportions of the window as far as the screen has room.
  function fit(window) {
    const frame = canvas.parentElement.clientWidth, [[left, right], [bottom, top]] = window;
    const room = Math.max(260, Math.min(innerHeight * 0.6, 900));
    const ratio = State.clamp((top - bottom) / (right - left), [0.45, 1.4]);
    const nextWidth = Math.floor(Math.min(frame, room / ratio)), nextHeight = Math.floor(nextWidth * ratio);
    const nextDensity = Math.min(3, devicePixelRatio || 1);
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
    if (key !== groundKey) ground = painted(surface);
    groundKey = key;
  }

  function painted(surface) {
    const sheet = document.createElement("canvas");
    sheet.width = canvas.width;
    sheet.height = canvas.height;
    const pen = sheet.getContext("2d");
    pen.putImageData(Contour.bands(field, sheet.width, sheet.height, Theme.ramp, Theme.hatch()), 0, 0);
    pen.scale(density, density);
    levels(pen);
    ticks(pen, surface.window);
    return sheet;
  }

  function levels(pen) {
    const across = width / (field.columns - 1), up = height / (field.rows - 1), taken = [];
    pen.strokeStyle = Theme.colours().line;
    pen.lineWidth = 1;
    for (const level of field.levels) {
      const pieces = Contour.line(field, level);
      pen.beginPath();
      for (let k = 0; k < pieces.length; k += 4) {
        pen.moveTo(pieces[k] * across, height - pieces[k + 1] * up);
        pen.lineTo(pieces[k + 2] * across, height - pieces[k + 3] * up);
      }
      pen.stroke();
      labelled(pieces, across, up, level, taken);
    }
    for (const { at, angle, level } of taken) label(pen, at, angle, level);
  }

  // A place for a level's number: on its line, away from the edges and from the other numbers.
  function labelled(pieces, across, up, level, taken) {
    if (taken.length >= 12) return;
    let best = null, room = 64;
    for (let k = 0; k < pieces.length; k += 4 * Math.max(1, Math.floor(pieces.length / 4 / 160))) {
      const at = [pieces[k] * across, height - pieces[k + 1] * up];
      if (at[0] < 46 || at[0] > width - 40 || at[1] < 22 || at[1] > height - 34) continue;
      const free = Math.min(160, ...taken.map((other) => Measures.distance(other.at, at)));
      if (free <= room) continue;
      room = free;
      best = { at, level, angle: Math.atan2((pieces[k + 1] - pieces[k + 3]) * up,
        (pieces[k + 2] - pieces[k]) * across) };
    }
    if (best) taken.push(best);
  }

  function label(pen, [x, y], angle, level) {
    pen.save();
    pen.translate(x, y);
    pen.rotate(Math.abs(angle) > Math.PI / 2 ? angle + Math.PI : angle);
    text(pen, written(level), 0, 0, { font: "11px system-ui, sans-serif", colour: Theme.colours().quiet });
    pen.restore();
  }

  const written = (number) => (Math.abs(number) >= 1e5 || (number !== 0 && Math.abs(number) < 1e-3)
    ? number.toExponential(0).replace("e+", "e") : String(Number(number.toPrecision(4))).replace("-", "−"));

  function text(pen, content, x, y, { font = FONT, colour = Theme.colours().ink, align = "center" } = {}) {
    pen.font = font;
    pen.textAlign = align;
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    pen.lineWidth = 3;
    pen.strokeStyle = Theme.colours().halo;
    pen.strokeText(content, x, y);
    pen.fillStyle = colour;
    pen.fillText(content, x, y);
  }

  // About n round numbers between two ends.
  function round([low, high], n) {
    const raw = (high - low) / n, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw);
    const numbers = [];
    for (let k = Math.ceil(low / step); k * step <= high; k++) numbers.push(Number((k * step).toPrecision(10)));
    return numbers;
  }

  function ticks(pen, window) {
    const { quiet } = Theme.colours(), [across, up] = window, font = "11px system-ui, sans-serif";
    const mark = (x, y, wide, high) => { pen.fillStyle = quiet; pen.fillRect(x, y, wide, high); };
    for (const x of round(across, Math.max(3, width / 110))) {
      const [px] = toPixel(window, x, 0);
      if (px < 26 || px > width - 26) continue;
      mark(px - 0.5, height - 5, 1, 5);
      text(pen, written(x), px, height - 13, { font, colour: quiet });
    }
    for (const y of round(up, Math.max(3, height / 90))) {
      const [, py] = toPixel(window, 0, y);
      if (py < 16 || py > height - 26) continue;
      mark(0, py - 0.5, 5, 1);
      text(pen, written(y), 9, py, { font, colour: quiet, align: "left" });
    }
    text(pen, "x", width - 10, height - 13, { font: "italic 13px serif", colour: quiet });
    text(pen, "y", 12, 10, { font: "italic 13px serif", colour: quiet });
  }

  function trace(window, run, time, many) {
    const [[left, right], [bottom, top]] = window, across = width / (right - left), up = height / (top - bottom);
    context.beginPath();
    Lines.follow(context, 0, Runs.last(run, time), (k, out) => {
      out[0] = (run.points[2 * k] - left) * across;
      out[1] = (top - run.points[2 * k + 1]) * up;
    }, width, height, many ? 1.5 : 0.8);
  }

  function descent(window, run, time, selected, many) {
    if (run.diverged === 0) return;
    context.lineJoin = "round";
    trace(window, run, time, many);
    if (selected || !many) {
      context.setLineDash([]);
      context.strokeStyle = Theme.colours().halo;
      context.lineWidth = selected ? 7 : 4.5;
      context.stroke();
    }
    context.setLineDash(many && !selected ? [] : run.dash); // so many lines no dashes tell apart
    context.strokeStyle = Theme.of(run.rule);
    context.lineWidth = selected ? 3.5 : many ? 1.5 : 2.25;
    context.stroke();
    context.setLineDash([]);
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
      for (const [colour, size] of [[Theme.colours().halo, 5], [Theme.colours().ink, 2]]) {
        context.strokeStyle = colour;
        context.lineWidth = size;
        context.beginPath();
        context.moveTo(x - 7, y);
        context.lineTo(x + 7, y);
        context.moveTo(x, y - 7);
        context.lineTo(x, y + 7);
        context.stroke();
      }
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
    const taken = ends.map(({ at: [x, y] }) => [x - 6, y - 6, x + 6, y + 6]);
    const [sx, sy] = toPixel(window, ...state.start);
    taken.push([sx - 10, sy - 10, sx + 10, sy + 10]);
    ends.sort((a, b) => (b.run.name === state.selected) - (a.run.name === state.selected));
    for (const { run, at: [x, y] } of ends) {
      const bold = run.name === state.selected;
      context.font = bold ? `bold ${FONT}` : FONT;
      const long = context.measureText(run.label).width + 4;
      const box = [[11, -8], [-11 - long, -8], [-long / 2, -25], [-long / 2, 10], [9, -22], [9, 7], [-9 - long, -22],
        [-9 - long, 7]]
        .map(([dx, dy]) => [x + dx, y + dy, x + dx + long, y + dy + 16])
        .find((one) => one[0] > 2 && one[2] < width - 2 && one[1] > 2 && one[3] < height - 20 && !taken.some((other) =>
          one[0] < other[2] && one[2] > other[0] && one[1] < other[3] && one[3] > other[1]));
      if (!box) continue;
      taken.push(box);
      text(context, run.label, box[0] + 2, box[1] + 8, { font: context.font, colour: Theme.colours().ink,
        align: "left" });
    }
  }

  function paint(state, surface, runs) {
    fit(surface.window);
    prepare(surface);
    const { window } = surface, many = runs.length > 16;
    const ordered = [...runs].sort((a, b) => (a.name === state.selected) - (b.name === state.selected));
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(ground, 0, 0);
    context.scale(density, density);
    minima(window, surface.minima);
    for (const run of ordered) descent(window, run, state.time, run.name === state.selected, many);
    for (const run of ordered) head(window, run, state.time, run.name === state.selected, many);
    if (runs.length <= 12) names(window, runs, state);
    handle(window, state.start);
  }

  return { setup, paint, toPixel, toPlane, round, written, text, field: () => field };
})();
