"use strict";

// Light or dark: as the system has it, until the reader chooses; and the colours that canvases need, which styles
// cannot reach.
const Theme = (() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;

  const dark = () => (chosen === null ? system.matches : chosen === "dark");

  function apply() {
    document.documentElement.dataset.theme = dark() ? "dark" : "light";
  }

  function toggle() {
    chosen = dark() ? "light" : "dark";
    apply();
  }

  function follow(changed) {
    system.addEventListener("change", () => { apply(); changed(); });
    apply();
  }

  const PAPER = {
    light: { low: [196, 207, 219], high: [253, 253, 251], line: "rgba(60, 72, 88, .34)", ink: "#1b1f24",
      quiet: "#55606c", onGround: "#414b56",
      halo: "rgba(255, 255, 255, .85)", grid: "#e2e6ea", paper: "#ffffff", hatch: [[225, 200, 196], [240, 226, 222]] },
    dark: { low: [12, 16, 22], high: [56, 65, 77], line: "rgba(200, 212, 226, .26)", ink: "#eef1f4",
      quiet: "#aab4bf", onGround: "#c3ccd5",
      halo: "rgba(12, 15, 19, .8)", grid: "#333a43", paper: "#1b1f25", hatch: [[72, 44, 42], [54, 36, 36]] },
  };
  const colours = () => PAPER[dark() ? "dark" : "light"];
  const of = (rule) => rule.colour[dark() ? "dark" : "light"];
  const word = ([red, green, blue]) => (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;

  // The colour between the lowest and the highest band, as a pixel of an image.
  function ramp(share) {
    const { low, high } = colours();
    return word(low.map((from, k) => Math.round(from + (high[k] - from) * share ** 0.8)));
  }

  return { dark, toggle, follow, colours, of, ramp, hatch: () => colours().hatch.map(word) };
})();
