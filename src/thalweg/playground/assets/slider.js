"use strict";

// A slider with a field beside it for an exact number: linear, or logarithmic, where each place is as far by factor.
const Slider = (() => {
  const { make, say } = Dom;
  const PLACES = 400;
  let count = 0;

  // Where on the way from its lower to its upper end a number lies, and back, by kind: "log0" has 0 at its lower end,
  // "fraction" is logarithmic in the distance from 1.
  const gap = (number) => Math.log(1 - number);
  const KINDS = {
    linear: [(share, low, high) => low + share * (high - low), (value, low, high) => (value - low) / (high - low)],
    log: [(share, low, high) => low * (high / low) ** share, (value, low, high) =>
      Math.log(Math.max(value, low) / low) / Math.log(high / low)],
    log0: [(share, low, high) => (share === 0 ? 0 : low * (high / low) ** share),
      (value, low, high) => (value < low ? 0 : Math.log(value / low) / Math.log(high / low))],
    fraction: [(share, low, high) => 1 - Math.exp(gap(low) + share * (gap(high) - gap(low))),
      (value, low, high) => (gap(value) - gap(low)) / (gap(high) - gap(low))],
  };
  KINDS.whole = KINDS.linear;
  const valueAt = ([kind, low, high], share) => KINDS[kind][0](share, low, high);
  const shareOf = ([kind, low, high], value) => KINDS[kind][1](value, low, high);
  // The numbers that may be typed.
  const endsOf = ([kind, low, high]) => [kind === "log0" ? 0 : low, high];
  // Few figures, but those of the distance from 1 where that is what counts.
  function neat(value, kind) {
    if (kind === "fraction" && value > 0.5) return Number((1 - Number((1 - value).toPrecision(2))).toPrecision(8));
    return Number(value.toPrecision(value !== 0 && Math.abs(value) < 1 ? 2 : 3));
  }

  // `range` is kind, low, high; `set` receives a number in it, or null where `own` is the sentence for "as each rule
  // has it".
  function build({ label, range, set, own = null, reset = null }) {
    const whole = range[0] === "whole", ends = endsOf(range), id = `slider-${(count += 1)}`;
    const input = make("input", { type: "range", id, min: 0, max: PLACES, step: 1, "aria-describedby": `${id}-note` });
    const field = make("input", { type: "text", inputMode: "decimal", className: "code number", maxLength: 24,
      "aria-label": `${label}, as a number` });
    const back = make("button", { type: "button", className: "reset", textContent: "↺", title: reset || own || "Back",
      "aria-label": `${label}: ${reset || own || "back to the usual"}` });
    const note = make("small", { className: "quiet", id: `${id}-note` });
    const fault = make("p", { className: "error", role: "alert" });
    const given = (value) => (whole ? Math.round(value) : neat(value, range[0]));
    input.addEventListener("input", () => { say(fault, ""); set(given(valueAt(range, input.value / PLACES))); });
    field.addEventListener("change", () => {
      const text = field.value.trim().replace(",", ".").replace("−", "-");
      if (text === "" && own) return set(null);
      const value = Address.finite(text, ends);
      const fits = value !== null && (!whole || Number.isInteger(value));
      say(fault, fits ? ""
        : `Give a ${whole ? "whole " : ""}number from ${ends[0]} to ${ends[1]}.`);
      return fits ? set(value) : undefined;
    });
    back.addEventListener("click", () => { say(fault, ""); set(null); });
    const row = make("div", { className: "slider" }, make("div", {}, make("label", { for: id, textContent: label }),
      note), back, field, input, fault);

    function update(value, usual, text = "") {
      const shown = value ?? usual;
      if (document.activeElement !== input) input.value = Math.round(PLACES * State.clamp(shareOf(range,
        shown ?? range[1]), [0, 1]));
      input.setAttribute("aria-valuetext", value === null && own ? own : String(value ?? usual));
      if (document.activeElement !== field) field.value = value === null && own ? "" : String(shown);
      field.placeholder = own ? "own" : "";
      back.hidden = value === null || value === usual;
      say(note, text);
    }

    return { row, update };
  }

  return { build, endsOf };
})();
