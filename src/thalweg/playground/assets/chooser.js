"use strict";

// All rules by family, with a search.
const Chooser = (() => {
  const { byId, make } = Dom;
  const boxes = new Map(), families = [];

  function build(change) {
    const groups = new Map();
    for (const rule of Object.values(RULES)) groups.set(rule.family, [...(groups.get(rule.family) || []), rule]);
    const ordered = [...groups].sort(([one], [other]) => (one === "other") - (other === "other"));
    for (const [family, rules] of ordered) {
      const set = make("fieldset", {}, make("legend", { textContent: Labels.of(family) }),
        ...rules.map((rule) => entry(rule, change)));
      families.push(set);
    }
    byId("families").replaceChildren(...families);
    byId("search").addEventListener("input", (event) => filter(event.target.value));
    byId("classics").addEventListener("click", () => change.rules(State.CLASSICS.filter((name) => name in RULES)));
    byId("all").addEventListener("click", () => change.rules(Object.keys(RULES)));
    byId("none").addEventListener("click", () => change.rules([]));
  }

  function entry(rule, change) {
    const box = make("input", { type: "checkbox", value: rule.name });
    box.addEventListener("change", () => change.toggle(rule.name, box.checked));
    const label = make("label", { className: "entry", title: rule.about }, box,
      make("span", { textContent: rule.label }));
    label.dataset.words = `${rule.name} ${rule.label} ${rule.about} ${rule.family}`.toLowerCase();
    boxes.set(rule.name, box);
    return label;
  }

  function filter(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const family of families) {
      const shown = [...family.querySelectorAll(".entry")].filter((one) => {
        one.hidden = !words.every((word) => one.dataset.words.includes(word));
        return !one.hidden;
      });
      family.hidden = shown.length === 0;
      found += shown.length;
    }
    byId("nothing").hidden = found > 0;
  }

  function update(state) {
    const on = new Set(state.rules);
    for (const [name, box] of boxes) box.checked = on.has(name);
  }

  return { build, update };
})();
