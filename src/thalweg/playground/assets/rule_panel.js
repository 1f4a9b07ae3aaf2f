"use strict";

// The selected rule: what it is, its equations with the numbers of the step that is shown, the terms that matter now,
// and its own settings.
const RulePanel = (() => {
  const { byId, make, say } = Dom;
  const KEPT = "This rule steps with one set of weights and keeps another for use: on the map the line is the first, " +
    "the dotted line the second. Heights and curves are those of the first.";
  let shown = null, parts = null, axis = 1;

  function build(rule, change) {
    const rows = rule.formula.map((mathml) => row(mathml, null));
    const before = rule.pointFormula.map((mathml) => row(mathml, "takes its gradient there"));
    const after = rule.evaluationFormula.map((mathml) => row(mathml, "keeps these weights for use"));
    const caption = make("p", { className: "quiet" }), python = make("code", { className: "code python" });
    const sliders = Object.entries(rule.limits).map(([letter, range]) => {
      const slider = Slider.build({ label: letter, range, set: (value) => change.hyper(rule.name, letter, value),
        reset: "as usual" });
      const label = slider.row.querySelector("label");
      if (Object.hasOwn(rule.symbols, letter)) label.append(" ", symbol(rule.symbols[letter]));
      return [letter, slider];
    });
    const lines = [...before, ...rows, ...after].map(([line]) => line);
    byId("rule").replaceChildren(make("p", {}, make("strong", { textContent: rule.label }), " ",
      make("code", { textContent: rule.name })), make("p", {}, ...prose(rule.about)), table(lines), axes(change),
      caption, ...(after.length ? [make("p", { className: "quiet", textContent: KEPT })] : []),
      make("fieldset", {}, make("legend", { textContent: `Settings of ${rule.label}` }),
        ...sliders.map(([, slider]) => slider.row)),
      make("p", { className: "quiet", textContent: "The same in Python:" }), python);
    parts = { rows, caption, python, sliders };
    fold();
  }

  // Text in which names stand between backticks.
  const prose = (text) => text.split("`").map((part, k) => (k % 2 ? make("code", { textContent: part }) : part));

  // An equation too wide for its column takes a line of its own, with its numbers below.
  function fold() {
    const lines = [...byId("rule").querySelectorAll(".equations tbody tr")];
    for (const line of lines) line.classList.remove("wide");
    const wide = lines.map(({ firstChild }) => firstChild.scrollWidth > firstChild.clientWidth);
    lines.forEach((line, k) => line.classList.toggle("wide", wide[k]));
  }

  function table(lines) {
    const heads = ["equation", "along x", "along y"].map((textContent) => make("th",
      { scope: "col", role: "columnheader", textContent }));
    return make("table", { className: "equations", "aria-label": "Equations", role: "table" },
      make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...heads)),
      make("tbody", { role: "rowgroup" }, ...lines));
  }

  function symbol(mathml) {
    const shown = make("span", { className: "symbol" });
    shown.innerHTML = mathml;
    return shown;
  }

  // Equations and symbols were printed with the page; they are the only markup that is ever set. A row has two numbers,
  // or a remark. Roles are said aloud, for with another layout a table is none to some browsers.
  function row(mathml, remark) {
    const cell = make("td", { className: "equation", role: "cell" });
    const cells = [0, 1].map(() => make("td", { className: "value", role: "cell" }));
    const beside = remark === null ? cells
      : [make("td", { colSpan: 2, className: "remark", role: "cell", textContent: remark })];
    cell.innerHTML = mathml;
    return [make("tr", { role: "row" }, cell, ...beside), cell, cells];
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

  // `replay` is the selected rule's run up to the time; null where none is selected.
  function update(state, surface, replay, change) {
    const rule = replay && replay.rule;
    if (rule !== shown) {
      shown = rule;
      if (rule) build(rule, change);
      else byId("rule").replaceChildren(make("p", { className: "quiet",
        textContent: "Select a rule in the list to see its formula." }));
    }
    if (!rule) return;
    numbers(state, replay.run);
    const hyper = State.hyperOf(state, surface, rule), usual = State.hyperOf({ ...state, own: {} }, surface, rule);
    const own = State.ownOf(state, rule);
    for (const [letter, slider] of parts.sliders) {
      slider.update(Object.hasOwn(own, letter) ? own[letter] : null, usual[letter]);
    }
    say(parts.python, python(state, surface, rule, hyper));
  }

  function numbers(state, run) {
    const seen = [Engine.seen(run, 0), Engine.seen(run, 1)], marks = seen[axis];
    parts.rows.forEach(([, cell, cells], k) => {
      cells.forEach((one, i) => say(one, seen[i] ? Numbers.said(seen[i].equations[k]) : "–"));
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

  function setup() {
    new ResizeObserver(fold).observe(byId("rule"));
  }

  return { setup, update };
})();
