"use strict";

// What lies below the descents: the bands and lines of the surface with the numbers of their levels, and the ticks.
const Ground = (() => {
  const SMALL = "11px system-ui, sans-serif";
  const VARIABLE = "italic 13px serif";
  const MOST_LABELS = 12;

  // A sheet of a map's size, in pixels of the screen, with all of it.
  function sheet(field, window, { width, height, density }) {
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    const pen = canvas.getContext("2d");
    pen.putImageData(Contour.bands(field, canvas.width, canvas.height, Theme.ramp, Theme.hatch()), 0, 0);
    pen.scale(density, density);
    levels(pen, field, width, height);
    ticks(pen, window, width, height);
    return canvas;
  }

  function levels(pen, field, width, height) {
    const across = width / (field.columns - 1), up = height / (field.rows - 1), labels = [];
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
      const place = labels.length < MOST_LABELS && labelPlace(pieces, across, up, width, height, labels);
      if (place) labels.push({ ...place, level });
    }
    for (const { at, angle, level } of labels) label(pen, at, angle, level);
  }

  // A place for a level's number: on its line, away from the edges and from the other numbers; null where none is.
  function labelPlace(pieces, across, up, width, height, others) {
    let best = null, room = 64;
    for (let k = 0; k < pieces.length; k += 4 * Math.max(1, Math.floor(pieces.length / 4 / 160))) {
      const at = [pieces[k] * across, height - pieces[k + 1] * up];
      if (at[0] < 46 || at[0] > width - 40 || at[1] < 22 || at[1] > height - 34) continue;
      const free = Math.min(160, ...others.map((other) => Measures.distance(other.at, at)));
      if (free <= room) continue;
      room = free;
      best = { at, angle: Math.atan2((pieces[k + 1] - pieces[k + 3]) * up, (pieces[k + 2] - pieces[k]) * across) };
    }
    return best;
  }

  function label(pen, [x, y], angle, level) {
    pen.save();
    pen.translate(x, y);
    pen.rotate(Math.abs(angle) > Math.PI / 2 ? angle + Math.PI : angle);
    text(pen, Numbers.written(level), 0, 0, { font: SMALL, colour: Theme.colours().onGround });
    pen.restore();
  }

  function text(pen, content, x, y, { font = "12px system-ui, sans-serif", colour, align = "center" }) {
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

  function ticks(pen, [[left, right], [bottom, top]], width, height) {
    const colour = Theme.colours().onGround;
    const mark = (x, y, wide, high) => { pen.fillStyle = colour; pen.fillRect(x, y, wide, high); };
    for (const x of round([left, right], Math.max(6, width / 100))) {
      const px = (x - left) / (right - left) * width;
      if (px < 26 || px > width - 26) continue;
      mark(px - 0.5, height - 5, 1, 5);
      text(pen, Numbers.written(x), px, height - 13, { font: SMALL, colour });
    }
    for (const y of round([bottom, top], Math.max(6, height / 90))) {
      const py = (top - y) / (top - bottom) * height;
      if (py < 16 || py > height - 26) continue;
      mark(0, py - 0.5, 5, 1);
      text(pen, Numbers.written(y), 9, py, { font: SMALL, colour, align: "left" });
    }
    text(pen, "x", width - 10, height - 13, { font: VARIABLE, colour });
    text(pen, "y", 12, 10, { font: VARIABLE, colour });
  }

  return { sheet, text, round };
})();
