"use strict";

// What can be measured of a run, up to a step: lengths of steps, slopes, curvatures, distances. Nothing here is words.
const Measures = (() => {
  const place = (run, k) => [run.points[2 * k], run.points[2 * k + 1]];
  const distance = (one, other) => Math.hypot(one[0] - other[0], one[1] - other[1]);
  const stepLength = (run, k) => distance(place(run, k), place(run, k - 1));

  function gradient(surface, [x, y]) {
    const out = [0, 0, 0];
    surface.gradient(x, y, out);
    return [out[1], out[2]];
  }

  const slope = (surface, at) => Math.hypot(...gradient(surface, at));

  // Second derivatives by central differences of the gradient, and the lowest and highest curvature that they mean.
  function curvature(surface, [x, y], size) {
    const h = 1e-5 * size;
    const [right, left] = [gradient(surface, [x + h, y]), gradient(surface, [x - h, y])];
    const [above, below] = [gradient(surface, [x, y + h]), gradient(surface, [x, y - h])];
    const xx = (right[0] - left[0]) / (2 * h), yy = (above[1] - below[1]) / (2 * h);
    const xy = (right[1] - left[1] + above[0] - below[0]) / (4 * h);
    const mean = (xx + yy) / 2, spread = Math.hypot((xx - yy) / 2, xy);
    return { xx, yy, xy, low: mean - spread, high: mean + spread };
  }

  function pathLength(run, time) {
    let sum = 0;
    for (let k = 1; k <= time; k++) sum += stepLength(run, k);
    return sum;
  }

  // In how many of the last steps the movement along an axis turned round, out of how many.
  function turns(run, time, axis, count) {
    const first = Math.max(2, time - count + 1);
    let turned = 0, travelled = 0;
    for (let k = first; k <= time; k++) {
      const now = place(run, k)[axis] - place(run, k - 1)[axis];
      const before = place(run, k - 1)[axis] - place(run, k - 2)[axis];
      if (now * before < 0) turned += 1;
      travelled += Math.abs(now);
    }
    const steps = Math.max(0, time - first + 1);
    return { turned, steps, mean: steps ? travelled / steps : 0 };
  }

  function nearest(points, at) {
    return points.reduce((best, point) => (best === null || distance(point, at) < distance(best, at) ? point : best),
      null);
  }

  // How often a run came near a point, to less than half of how far it had been, and went away again by more than a
  // margin.
  function passes(run, time, point, margin) {
    let count = 0, nearing = true, extreme = Infinity, farthest = 0;
    for (let k = 0; k <= time; k++) {
      const now = distance(place(run, k), point);
      farthest = Math.max(farthest, now);
      if (nearing ? now < extreme : now > extreme) extreme = now;
      else if (Math.abs(now - extreme) > margin) {
        if (nearing && extreme < 0.5 * farthest) count += 1;
        nearing = !nearing;
        extreme = now;
      }
    }
    return count;
  }

  // From which step on a run stays within a radius of one of these points, up to a time; infinite where it does not.
  function arrival(run, time, points, radius) {
    let since = Infinity;
    for (let k = 0; k <= time; k++) {
      const at = place(run, k);
      if (points.some((point) => distance(point, at) < radius)) since = Math.min(since, k);
      else since = Infinity;
    }
    return since;
  }

  // How far the bottom of the hollow is that slope and curvature here mean; infinite where there is no hollow.
  function toBottom(surface, at, size) {
    const { low } = curvature(surface, at, size);
    return low > 0 ? slope(surface, at) / low : Infinity;
  }

  return { toBottom, place, distance, stepLength, gradient, slope, curvature, pathLength, turns, nearest, passes,
    arrival };
})();
