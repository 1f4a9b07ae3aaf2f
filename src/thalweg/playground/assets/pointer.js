"use strict";

// Moving the start on the map, and the time on the curves: by mouse, pen, finger or arrow keys.
const Pointer = (() => {
  const NEAR = 40; // pixels around the start in which a finger takes hold of it; elsewhere it scrolls, or taps
  const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

  const placeOf = (canvas, event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  function onMap(canvas, change) {
    let held = false, tapped = false;
    const near = (at) => Measures.distance(at, Plot.toPixel(change.surface().window, ...change.state().start)) < NEAR;
    const move = (event) => change.start(Plot.toPlane(change.surface().window, ...placeOf(canvas, event)));
    canvas.addEventListener("touchstart", (event) => {
      if (event.touches.length === 1 && near(placeOf(canvas, event.touches[0]))) event.preventDefault();
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !event.isPrimary) return;
      canvas.focus({ preventScroll: true });
      held = event.pointerType !== "touch" || near(placeOf(canvas, event));
      tapped = !held;
      if (!held) return;
      canvas.setPointerCapture(event.pointerId);
      canvas.classList.add("held");
      move(event);
    });
    canvas.addEventListener("pointermove", (event) => { if (held && event.isPrimary) move(event); });
    canvas.addEventListener("pointerup", (event) => { if (tapped && event.isPrimary) move(event); release(); });
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("keydown", (event) => nudge(event, change));

    function release() {
      if (held) change.settled();
      held = tapped = false;
      canvas.classList.remove("held");
    }
  }

  function nudge(event, change) {
    const way = KEYS[event.key];
    if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const { window } = change.surface(), by = event.shiftKey ? 0.002 : 0.02;
    change.start(change.state().start.map((value, axis) => {
      const [low, high] = window[axis];
      return State.clamp(value + way[axis] * by * (high - low), [low, high]);
    }));
  }

  function onCurves(canvas, change) {
    let held = false;
    const move = (event) => change.time(Curves.stepAt(placeOf(canvas, event)[0], change.state().steps));
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !event.isPrimary) return;
      held = true;
      canvas.setPointerCapture(event.pointerId);
      Playback.pause(change);
      move(event);
    });
    canvas.addEventListener("pointermove", (event) => { if (held && event.isPrimary) move(event); });
    for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => { held = false; });
  }

  return { onMap, onCurves };
})();
