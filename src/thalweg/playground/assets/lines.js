"use strict";

// Long lines drawn fast: points that would fall on the pixel of the last one are left out, and so is what lies outside,
// for a dash pattern along a line to a far place would be drawn dash by dash.
const Lines = (() => {
  const MARGIN = 30; // pixels

  // Adds the line through places first..last to the path of a pen; `place(k, out)` gives the pixel of each; places
  // nearer to the last one than `thin` pixels are left out.
  function follow(pen, first, last, place, width, height, thin) {
    const at = [0, 0], before = [0, 0];
    let drawn = false; // whether the pen stands on `before`
    if (first > last) return;
    place(first, before);
    for (let k = first + 1; k <= last; k++) {
      place(k, at);
      if (k < last && Math.abs(at[0] - before[0]) < thin && Math.abs(at[1] - before[1]) < thin) continue;
      if (seen(before, width, height) && seen(at, width, height)) {
        if (!drawn) pen.moveTo(before[0], before[1]);
        pen.lineTo(at[0], at[1]);
        drawn = true;
      } else {
        const cut = inside(before, at, width, height);
        if (cut) {
          pen.moveTo(cut[0], cut[1]);
          pen.lineTo(cut[2], cut[3]);
        }
        drawn = false;
      }
      before[0] = at[0];
      before[1] = at[1];
    }
  }

  const seen = (at, width, height) => at[0] >= -MARGIN && at[1] >= -MARGIN && at[0] <= width + MARGIN &&
    at[1] <= height + MARGIN;

  // The part of a segment within the picture and a margin, or null.
  function inside([x0, y0], [x1, y1], width, height) {
    const dx = x1 - x0, dy = y1 - y0;
    let from = 0, to = 1;
    for (const [way, room] of [[-dx, x0 + MARGIN], [dx, width + MARGIN - x0], [-dy, y0 + MARGIN],
      [dy, height + MARGIN - y0]]) {
      if (way === 0 && room < 0) return null;
      if (way < 0) from = Math.max(from, room / way);
      if (way > 0) to = Math.min(to, room / way);
    }
    if (!(from <= to)) return null;
    return [from > 0 ? x0 + from * dx : x0, from > 0 ? y0 + from * dy : y0, to < 1 ? x0 + to * dx : x1, to < 1 ? y0 +
      to * dy : y1];
  }

  return { follow };
})();
