"use strict";

// The surface as a map: values on a grid, levels that a reader can read, bands between them, and lines by marching
// squares.
const Contour = (() => {
  const NODES = 320; // along the longer side
  const BUDGET = 250; // milliseconds for a function that is slow: then the grid is coarser

  // The surface's value at every node of a grid over a window.
  function field(surface, window) {
    const [[left, right], [bottom, top]] = window;
    const ratio = (top - bottom) / (right - left);
    let columns = Math.round(NODES * Math.min(1, 1 / ratio)), rows = Math.round(NODES * Math.min(1, ratio));
    columns = Math.max(60, columns);
    rows = Math.max(60, rows);
    const shrink = slowness(surface, window, columns * rows);
    columns = Math.max(40, Math.round(columns / shrink)) + 1;
    rows = Math.max(40, Math.round(rows / shrink)) + 1;
    const values = new Float64Array(columns * rows);
    for (let row = 0, k = 0; row < rows; row++) {
      const y = bottom + (top - bottom) * row / (rows - 1);
      for (let column = 0; column < columns; column++, k++) {
        values[k] = surface.value(left + (right - left) * column / (columns - 1), y);
      }
    }
    return { columns, rows, values, ...levelsOf(values) };
  }

  function slowness(surface, [[left, right], [bottom, top]], nodes) {
    const probes = 400, began = performance.now();
    for (let k = 0; k < probes; k++) surface.value(left + (right - left) * (k / probes), bottom +
      (top - bottom) * (k / probes));
    return Math.max(1, Math.sqrt((performance.now() - began) / probes * nodes / BUDGET));
  }

  // Levels at round numbers: equally far apart where values spread evenly, in powers where most lie near the bottom.
  function levelsOf(values) {
    const sorted = values.filter(Number.isFinite).sort();
    if (sorted.length === 0) return { levels: [], low: 0, high: 0, logarithmic: false, base: 0 };
    const low = sorted[0], high = sorted[sorted.length - 1], middle = sorted[sorted.length >> 1];
    if (!(high > low)) return { levels: [], low, high, logarithmic: false, base: low };
    const logarithmic = middle - low < 0.12 * (high - low);
    const base = Math.abs(low) < 0.02 * (middle - low) ? 0 : low;
    const levels = logarithmic ? powers(base, sorted) : even(low, high);
    return { levels, low, high, logarithmic, base };
  }

  function even(low, high) {
    const raw = (high - low) / 12;
    const step = [1, 2, 2.5, 5, 10].map((f) => f * 10 ** Math.floor(Math.log10(raw))).find((s) => s >= raw);
    const levels = [];
    for (let k = Math.ceil(low / step); k * step < high; k++) levels.push(Number((k * step).toPrecision(12)));
    return levels;
  }

  // From the height that a hundredth of the window lies below, up to the top, a dozen or so.
  function powers(base, sorted) {
    const least = Math.max(sorted[Math.floor(0.004 * sorted.length)] - base,
      1e-12 * (sorted[sorted.length - 1] - base));
    const most = sorted[sorted.length - 1] - base;
    const decades = Math.log10(most / least);
    const factors = decades > 5 ? [1] : decades > 3.2 ? [1, 3] : decades > 2 ? [1, 2, 5] : [1, 1.5, 2, 3, 5, 7];
    const levels = [];
    for (let power = Math.floor(Math.log10(least)); power <= Math.log10(most); power++) {
      for (const factor of factors) {
        const level = factor * 10 ** power;
        if (level >= least && level < most) levels.push(Number((base + level).toPrecision(6)));
      }
    }
    return levels;
  }

  // How many levels lie below a value.
  function band(levels, value) {
    let low = 0, high = levels.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (levels[middle] <= value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // Every pixel in the colour of its band; where the function has no value, a hatch.
  function bands(field, width, height, ramp, hatch) {
    const { columns, rows, values, levels } = field;
    const image = new ImageData(width, height), pixels = new Uint32Array(image.data.buffer);
    const colours = Array.from({ length: levels.length + 1 }, (_, k) => ramp(levels.length ? k / levels.length : 0));
    for (let j = 0, k = 0; j < height; j++) {
      const v = (1 - (j + 0.5) / height) * (rows - 1), row = Math.min(rows - 2, Math.floor(v)), b = v - row;
      for (let i = 0; i < width; i++, k++) {
        const u = (i + 0.5) / width * (columns - 1), column = Math.min(columns - 2, Math.floor(u)), a = u - column;
        const at = row * columns + column;
        const value = (1 - b) * ((1 - a) * values[at] + a * values[at + 1]) +
          b * ((1 - a) * values[at + columns] + a * values[at + columns + 1]);
        pixels[k] = value - value === 0 ? colours[band(levels, value)] : hatch[((i + j) >> 2) & 1];
      }
    }
    return image;
  }

  // The pieces of one level's line, each x, y, x, y in grid units, by the cells whose corners lie on both its sides.
  function line(field, level) {
    const { columns, rows, values } = field, pieces = [];
    for (let row = 0; row < rows - 1; row++) {
      for (let column = 0; column < columns - 1; column++) {
        const at = row * columns + column;
        const a = values[at], b = values[at + 1], c = values[at + columns + 1], d = values[at + columns];
        const kind = (a > level) | ((b > level) << 1) | ((c > level) << 2) | ((d > level) << 3);
        if (kind === 0 || kind === 15 || !Number.isFinite(a + b + c + d)) continue;
        const bottom = [column + (level - a) / (b - a), row], right = [column + 1, row + (level - b) / (c - b)];
        const top = [column + (level - d) / (c - d), row + 1], left = [column, row + (level - a) / (d - a)];
        const centre = (a + b + c + d) / 4 > level;
        for (const [one, other] of cuts(kind, centre, bottom, right, top, left)) pieces.push(...one, ...other);
      }
    }
    return pieces;
  }

  function cuts(kind, centre, bottom, right, top, left) {
    switch (kind) {
      case 1: case 14: return [[left, bottom]];
      case 2: case 13: return [[bottom, right]];
      case 4: case 11: return [[right, top]];
      case 8: case 7: return [[top, left]];
      case 3: case 12: return [[left, right]];
      case 6: case 9: return [[bottom, top]];
      case 5: return centre ? [[left, top], [bottom, right]] : [[left, bottom], [right, top]];
      default: return centre ? [[left, bottom], [right, top]] : [[left, top], [bottom, right]];
    }
  }

  return { field, bands, line };
})();
