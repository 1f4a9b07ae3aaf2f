"use strict";

// The selected rule: what it is, its equations with the numbers of the step that is shown, the terms that matter now,
// and its own settings.
const RulePanel = (() => {
  const { byId, make, say } = Dom;
  let shown = null, parts = null, axis = 1;

  function build(rule, change) {
    const rows = rule.formula.map((mathml) => row(mathml, true));
    const before = rule.pointFormula.map((mathml) => row(mathml, false));
    const caption = make("p", { className: "quiet" }), python = make("code", { className: "code python" });
    const sliders = Object.entries(rule.limits).map(([letter, range]) => {
      const slider = Slider.build({ label: letter, range, set: (value) => change.hyper(rule.name, letter, value),
        reset: "as usual" });
      return [letter, slider];
    });
    const table = make("table", { className: "equations" }, make("thead", {}, make("tr", {},
      make("th", { scope: "col", textContent: "equation" }), make("th", { scope: "col", textContent: "along x" }),
      make("th", { scope: "col", textContent: "along y" }))),
        make("tbody", {}, ...before.map(([line]) => line), ...rows.map(([line]) => line)));
    byId("rule").replaceChildren(make("p", {}, make("strong", { textContent: rule.label }), " ",
      make("code", { textContent: rule.name })),
      make("p", { textContent: rule.about }), make("div",
        { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Equations" }, table),
      axes(change), caption, make("fieldset", {}, make("legend", { textContent: `Settings of ${rule.label}` }),
        ...sliders.map(([, slider]) => slider.row)),
      make("p", { className: "quiet", textContent: "The same in Python:" }), python);
    parts = { rows, caption, python, sliders };
  }

  // The equations were printed with the page; they are the only markup that is ever set.
  function row(mathml, numbered) {
    const cell = make("td", { className: "equation" }),
      cells = [make("td", { className: "value" }), make("td", { className: "value" })];
    cell.innerHTML = mathml;
    return [make("tr", {}, cell, ...(numbered ? cells : [make("td",
      { colSpan: 2, className: "quiet", textContent: "takes its gradient there" })])), cell, cells];
  }

  function axes(change) {
    const choices = ["x", "y"].map((name, k) => {
      const input = make("input", { type: "radio", name: "axis", checked: k === axis });
      input.addEventListener("change", () => { axis = k; change.repaint(); });
      return make("label", { className: "inline" }, input, `along ${name}`);
    });
    return make("fieldset", { className: "row plain" }, make("legend", { textContent: "Mark the terms that matter" }),
      ...choices);
  }

  // The run up to the time, as one that can be looked into.
  function replayed(state, surface, rule) {
    const run = Engine.begin(rule, state.start, State.hyperOf(state, surface, rule));
    const noise = { sigma: Runs.sigmaOf(state, surface), seed: state.seed, run: 0 };
    for (let t = 1; t <= state.time; t++) Engine.advance(run, surface, noise);
    return run;
  }

  function update(state, surface, change) {
    const rule = state.selected === null ? null : RULES[state.selected];
    if (rule !== shown) {
      shown = rule;
      if (rule) build(rule, change);
      else byId("rule").replaceChildren(make("p", { className: "quiet",
        textContent: "Select a rule in the list to see its formula." }));
    }
    if (!rule) return;
    numbers(state, replayed(state, surface, rule));
    const hyper = State.hyperOf(state, surface, rule), usual = State.hyperOf({ ...state, own: {} }, surface, rule);
    const own = state.own[rule.name] || {};
    for (const [letter, slider] of parts.sliders) slider.update(own[letter] ?? null, usual[letter]);
    say(parts.python, python(state, surface, rule, hyper));
  }

  function numbers(state, run) {
    const seen = [Engine.seen(run, 0), Engine.seen(run, 1)], marks = seen[axis];
    parts.rows.forEach(([, cell, cells], k) => {
      cells.forEach((one, i) => say(one, seen[i] ? Observations.say(seen[i].equations[k]) : "–"));
      for (const term of cell.querySelectorAll("[class^=term-]")) {
        const key = term.getAttribute("class").split(" ")[0];
        term.classList.toggle("matters", Boolean(marks?.matters.has(key)));
      }
    });
    say(parts.caption, marks === null ? "The numbers come with the first step."
      : `Numbers of step ${state.time}. Marked: in each sum the largest term, of branches the one taken, along ` +
        `${"xy"[axis]}.`);
  }

  function python(state, surface, rule, hyper) {
    const given = Object.entries(hyper).filter(([letter, value]) => value !== rule.hyper[letter])
      .map(([letter, value]) => `, ${letter}=${Number(value.toPrecision(6))}`).join("");
    const sigma = Runs.sigmaOf(state, surface), noisy = sigma > 0 ? `.noisy(${sigma}, ${state.seed})` : "";
    const place = `${state.surface === State.OWN ? "my_surface" : `SURFACES["${state.surface}"]`}${noisy}`;
    const start = state.start.map((value) => Number(value.toPrecision(4))).join(", ");
    return `thalweg.minimize("${rule.name}", ${place}, [${start}], steps=${state.steps}${given})`;
  }

  return { update };
})();
