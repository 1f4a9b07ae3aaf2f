"use strict";

// The user's own function as a surface, like those of the catalogue. The text is parsed and differentiated, never run.
const Own2D = (() => {
  const PROBES = 15;

  // What is wrong with a window's ends, in a sentence, or null.
  function windowFault([left, right, bottom, top]) {
    for (const [axis, low, high] of [["x", left, right], ["y", bottom, top]]) {
      if (!Number.isFinite(low) || !Number.isFinite(high)) return `Give two numbers as the ends of ${axis}.`;
      if (!(low < high)) return `The ends of ${axis} must rise: give the lower end first.`;
      const least = 1e-9 * Math.max(Math.abs(low), Math.abs(high), 1e-3);
      if (!(high - low > least)) return `The window is too narrow in ${axis}.`;
      if (high - low > 1e12) return `The window is too wide in ${axis}.`;
    }
    return null;
  }

  // Learning rates that move about a fiftieth of the window per step: where the ground is as steep as it usually is
  // there, for rules in proportion to the gradient; anywhere, for those that divide by its size.
  function ratesOf(parsed, window) {
    const size = Math.hypot(window[0][1] - window[0][0], window[1][1] - window[1][0]);
    const slope = typicalSlope(parsed, window);
    return [slope > 0 ? rounded(0.02 * size / slope) : 0.01, rounded(0.015 * size)];
  }

  function typicalSlope(surface, [[left, right], [bottom, top]]) {
    const slopes = [], out = [0, 0, 0];
    for (let i = 0; i < PROBES; i++) {
      for (let j = 0; j < PROBES; j++) {
        surface.gradient(left + (i + 0.37) / PROBES * (right - left), bottom + (j + 0.61) / PROBES * (top - bottom),
          out);
        const slope = Math.hypot(out[1], out[2]);
        if (Number.isFinite(slope)) slopes.push(slope);
      }
    }
    return slopes.sort((a, b) => a - b)[slopes.length >> 1] || 0;
  }

  // The nearest of 1, 2, 5 times a power of ten.
  function rounded(number) {
    const power = 10 ** Math.floor(Math.log10(number));
    const factor = [1, 2, 5, 10].reduce((a, b) => (Math.abs(Math.log(b * power / number)) <
      Math.abs(Math.log(a * power / number)) ? b : a));
    return Number((factor * power).toPrecision(1));
  }

  // A surface, or the sentence that says why there is none and the column it is about.
  function make(text, window) {
    let parsed;
    try {
      parsed = Own.parse(text);
    } catch (error) {
      return { message: String(error.message), position: Number.isInteger(error.position) ? error.position : null };
    }
    const [[left, right], [bottom, top]] = window;
    const surface = {
      name: State.OWN, label: "Your own function", window, minima: [], starts: [[0.8 * left + 0.2 * right,
        0.3 * bottom + 0.7 * top]], steps: 150, teaches: "", formula: parsed.formula || null,
      value: parsed.value, gradient: parsed.gradient, rates: [0.01, 0.1],
    };
    surface.rates = ratesOf(surface, window);
    return { surface };
  }

  return { make, windowFault, typicalSlope, rounded };
})();
