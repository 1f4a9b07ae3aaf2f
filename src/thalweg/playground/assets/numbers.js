"use strict";

// Numbers as they are shown: `said` in sentences, with two or three figures; `written` on axes and in lists, with four.
const Numbers = (() => {
  const raised = (power) => [...power].map((sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)] ?? "").join("");

  // With a power of ten, on one line.
  function scientific(number) {
    const [figures, power] = number.toExponential(1).replace(".0e", "e").replace("-", "−").split("e");
    const ten = `10${raised(power.replace("−", "-"))}`;
    return figures === "1" ? ten : `${figures}\u00a0·\u00a0${ten}`;
  }

  const special = (number) => (number === 0 ? "0" : Number.isNaN(number) ? "no number" : number > 0 ? "∞" : "−∞");
  const isPlain = (size) => size < 1e5 && size >= 1e-3;

  function shown(number, figures) {
    if (number === 0 || !Number.isFinite(number)) return special(number);
    if (!isPlain(Math.abs(number))) return scientific(number);
    return String(Number(number.toPrecision(figures))).replace("-", "−");
  }

  const said = (number) => shown(number, Math.abs(number) < 10 ? 2 : 3);
  const written = (number) => shown(number, 4);

  return { said, written };
})();
