"use strict";

// The sliders for all rules at once.
const Settings = (() => {
  const { byId } = Dom;
  const OWN = "each rule’s own";
  const sliders = {};

  function build(change) {
    const { LIMITS } = State;
    const add = (key, given) => {
      sliders[key] = Slider.build({ ...given, set: (value) => change.set(key, value) });
      byId("sliders").append(sliders[key].row);
    };
    add("factor", { label: "Learning rate", range: ["log", ...LIMITS.factor], reset: "as usual here" });
    add("momentum", { label: "Momentum", range: ["fraction", ...LIMITS.momentum], own: OWN });
    add("memory", { label: "Decay of squares", range: ["fraction", ...LIMITS.memory], own: OWN });
    add("noise", { label: "Noise in gradients", range: ["linear", ...LIMITS.noise], reset: "none" });
    add("seed", { label: "Seed of the noise", range: ["whole", 0, 99], reset: "0" });
    add("steps", { label: "Steps", range: ["whole", ...LIMITS.steps], reset: "as usual here" });
  }

  function rates(state, surface) {
    const [plain, adaptive] = surface.rates.map((rate) => Numbers.said(rate * state.factor));
    return `times the usual: ${plain}, of adaptive rules ${adaptive}`;
  }

  function update(state, surface) {
    sliders.factor.update(state.factor, 1, rates(state, surface));
    sliders.momentum.update(state.momentum, 0.9, state.momentum === null ? OWN : "ρ, μ, β₁");
    sliders.memory.update(state.memory, 0.99, state.memory === null ? OWN : "β₂, β, AdaDelta’s ρ");
    const sigma = Runs.sigmaOf(state, surface);
    sliders.noise.update(state.noise, 0, sigma === 0 ? "none" : `standard deviation ${Numbers.said(sigma)}`);
    sliders.seed.update(state.seed, 0, "");
    sliders.seed.row.hidden = state.noise === 0;
    sliders.steps.update(state.steps, surface.steps, "");
  }

  return { build, update };
})();
