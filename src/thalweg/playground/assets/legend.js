"use strict";

// The chosen rules: colour, name, height now, and what became of them. A press on one selects it.
const Legend = (() => {
  const { byId, make, say, swatch } = Dom;
  let rows = new Map(), drawn = "";

  function build(runs, change) {
    rows = new Map();
    byId("legend").replaceChildren(...runs.map((run) => {
      const value = make("span", { className: "value" }), status = make("span", { className: "status" });
      const button = make("button", { type: "button", className: "pick", data: { rule: run.name } }, swatch(run),
        make("span", { className: "name", textContent: run.label }), value, status);
      const remove = make("button", { type: "button", className: "remove", textContent: "×",
        title: `Leave out ${run.label}`,
        "aria-label": `Leave out ${run.label}` });
      button.addEventListener("click", () => change.select(run.name));
      remove.addEventListener("click", () => change.toggle(run.name, false));
      rows.set(run.name, { button, value, status });
      return make("li", {}, button, remove);
    }));
  }

  function update(state, runs, change) {
    const key = [Theme.dark(), ...state.rules].join();
    if (key !== drawn) {
      const focused = document.activeElement?.dataset?.rule;
      build(runs, change);
      drawn = key;
      rows.get(focused)?.button.focus();
    }
    for (const run of runs) {
      const { button, value, status } = rows.get(run.name), k = Runs.last(run, state.time);
      say(value, k < 0 ? "–" : Numbers.written(run.values[k]));
      say(status, Runs.status(run, state.time));
      status.classList.toggle("alarm", run.diverged <= state.time);
      button.setAttribute("aria-pressed", String(run.name === state.selected));
    }
    say(byId("count"), `${runs.length} of ${Object.keys(RULES).length}`);
  }

  return { update };
})();
