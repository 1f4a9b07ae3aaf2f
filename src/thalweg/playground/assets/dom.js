"use strict";

// Elements by their ids, and new ones with properties and children. Text is always text, never markup.
const Dom = (() => {
  const byId = (id) => document.getElementById(id);

  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(properties)) {
      if (key.startsWith("aria-") || key === "for" || key === "role" || key === "list") element.setAttribute(key,
        value);
      else if (key === "data") Object.assign(element.dataset, value);
      else element[key] = value;
    }
    element.append(...children);
    return element;
  }

  // Sets a text only where it changes, so that screen readers and layouts are left in peace.
  function say(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function options(select, entries) {
    select.replaceChildren(...entries.map(([value, label]) => make("option", { value, textContent: label })));
  }

  // A rule's line as the map draws it, for legends.
  function swatch(run) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    for (const [key, value] of [["width", 34], ["height", 12], ["aria-hidden", "true"]]) svg.setAttribute(key, value);
    for (const [key, value] of [["x1", 1], ["x2", 33], ["y1", 6], ["y2", 6], ["stroke-width", 3],
      ["stroke", Theme.of(run.rule)],
      ["stroke-dasharray", run.dash.map((part) => part * 0.9).join(" ")]]) line.setAttribute(key, value);
    svg.append(line);
    return svg;
  }

  return { byId, make, say, options, swatch };
})();
