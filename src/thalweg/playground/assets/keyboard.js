"use strict";

// Keys for the whole page, wherever the reader is but in a field, where keys do what they always do.
const Keyboard = (() => {
  const FIELDS = "input, select, textarea, summary";

  // In the list of rules the arrow keys go from row to row.
  function alongRows(event, by) {
    const rows = [...Dom.byId("legend").querySelectorAll("button.pick")], place = rows.indexOf(event.target);
    if (place < 0) return false;
    rows[(place + by + rows.length) % rows.length].focus();
    return true;
  }

  const KEYS = {
    " ": (change) => Playback.toggle(change),
    ArrowLeft: (change) => Playback.step(change, -1),
    ArrowRight: (change) => Playback.step(change, 1),
    r: (change) => { Playback.pause(change); change.time(0); },
    e: (change) => { Playback.pause(change); change.time(change.state().steps); },
    "+": (change) => Playback.speed(change, 1),
    "=": (change) => Playback.speed(change, 1),
    "-": (change) => Playback.speed(change, -1),
    m: () => Dom.byId("map").focus(),
    d: (change) => change.theme(),
    "?": (change) => change.help(),
  };

  function build(change) {
    document.addEventListener("keydown", (event) => {
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const way = { ArrowUp: -1, ArrowDown: 1 }[key];
      if (way && alongRows(event, way)) event.preventDefault();
      const pressed = event.key === " " && event.target.closest("button, a");
      if (event.ctrlKey || event.metaKey || event.altKey || pressed || event.target.closest(FIELDS) ||
        !Object.hasOwn(KEYS, key)) return;
      event.preventDefault();
      KEYS[key](change);
    });
  }

  return { build };
})();
