"use strict";

// What can be measured of a run, up to a step: lengths of steps, slopes, curvatures, distances. Nothing here is words.
const Measures = (() => {
  const place = (run, k) => [run.points[2 * k], run.points[2 * k + 1]];
  const length = (dx, dy) => Math.sqrt(dx * dx + dy * dy); // Math.hypot is ten times slower
  const distance = (one, other) => length(one[0] - other[0], one[1] - other[1]);
  const stepLength = ({ points }, k) =>
    length(points[2 * k] - points[2 * k - 2], points[2 * k + 1] - points[2 * k - 1]);

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

  // How far a run has gone along an axis, there and back.
  function travelled(run, time, axis) {
    let sum = 0;
    for (let k = 1; k <= time; k++) sum += Math.abs(place(run, k)[axis] - place(run, k - 1)[axis]);
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

  // How often a run came near a point, to less than half of how far it had been, and went on beyond it by more than a
  // margin.
  function passes(run, time, point, margin) {
    const away = (k) => length(run.points[2 * k] - point[0], run.points[2 * k + 1] - point[1]);
    let count = 0, nearing = true, turn = 0, far = 0, near = -1; // steps: of the last extreme, farthest, and nearest
    const passed = () => near >= 0 && away(near) < 0.5 * away(far) && areOpposite(place(run, far), point,
      place(run, turn));
    for (let k = 0; k <= time; k++) {
      const now = away(k), extreme = away(turn);
      if (nearing ? now < extreme : now > extreme) turn = k;
      else if (Math.abs(now - extreme) > margin) {
        if (!nearing && passed()) count += 1;
        if (nearing) near = turn;
        else far = turn;
        nearing = !nearing;
        turn = k;
      }
    }
    return count + (!nearing && passed() ? 1 : 0);
  }

  // Whether two places lie on different sides of a point between them.
  function areOpposite(one, point, other) {
    return (one[0] - point[0]) * (other[0] - point[0]) + (one[1] - point[1]) * (other[1] - point[1]) < 0;
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

  // Where slope and curvature here say that the ground is level, by Newton's step; null where they say nothing.
  function levelPlace(surface, at, size) {
    const { xx, yy, xy } = curvature(surface, at, size), [gx, gy] = gradient(surface, at);
    const determinant = xx * yy - xy * xy;
    const found = [at[0] - (yy * gx - xy * gy) / determinant, at[1] - (xx * gy - xy * gx) / determinant];
    return found.every(Number.isFinite) ? found : null;
  }

  return { toBottom, levelPlace, place, distance, stepLength, gradient, slope, curvature, pathLength, travelled, turns,
    nearest, passes, arrival };
})();
