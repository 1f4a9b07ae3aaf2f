"use strict";

// The field for one's own function: parsed while one types; what is wrong is said below, with a mark at its column, and
// the last good function stays drawn.
const OwnField = (() => {
  const { byId, say } = Dom;
  const ENDS = ["x-low", "x-high", "y-low", "y-high"];

  function build(change) {
    const text = byId("text");
    text.addEventListener("input", () => tried(change));
    for (const id of ENDS) byId(id).addEventListener("change", () => tried(change));
    byId("own-form").addEventListener("submit", (event) => { event.preventDefault(); tried(change); });
    text.addEventListener("scroll", () => { byId("caret").scrollLeft = text.scrollLeft; });
  }

  function tried(change) {
    const text = byId("text").value;
    const ends = ENDS.map((id) => Address.finite(byId(id).value.trim().replace(",", ".").replace("−", "-")) ?? NaN);
    const fault = Own2D.windowFault(ends);
    say(byId("window-error"), fault || "");
    if (fault) return;
    const made = Own2D.make(text, [ends.slice(0, 2), ends.slice(2)]);
    complain(made);
    if (made.surface) change.own(text, made.surface);
  }

  function complain({ message, position }) {
    const text = byId("text"), caret = byId("caret"), marked = message !== undefined && Number.isInteger(position);
    say(byId("text-error"), message || "");
    text.setAttribute("aria-invalid", String(message !== undefined));
    caret.hidden = !marked;
    caret.textContent = marked ? `${" ".repeat(position)}^` : "";
    caret.scrollLeft = text.scrollLeft;
  }

  // What the field shows follows the state, but never under the typing hand.
  function update(state) {
    const active = document.activeElement?.id;
    if (active === "text" || ENDS.includes(active) || byId("text-error").textContent ||
      byId("window-error").textContent) return;
    byId("text").value = state.text;
    state.window.flat().forEach((end, k) => { byId(ENDS[k]).value = String(end); });
  }

  return { build, update, forget: () => { complain({}); say(byId("window-error"), ""); } };
})();
