"use strict";

// Time: playing, and one step at a time. Readers who asked for less motion get two pictures a second.
const Playback = (() => {
  const ICONS = { Play: "M4 2v12l9-6z", Pause: "M3 2h4v12H3zM9 2h4v12H9z" };
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let playing = false, owed = 0, before = 0;

  function build(change) {
    const { byId } = Dom;
    byId("play").addEventListener("click", () => toggle(change));
    byId("back").addEventListener("click", () => step(change, -1));
    byId("forward").addEventListener("click", () => step(change, 1));
    byId("restart").addEventListener("click", () => { owed = 0; change.time(0); });
    byId("slower").addEventListener("click", () => speed(change, -1));
    byId("faster").addEventListener("click", () => speed(change, 1));
    byId("time").addEventListener("input", (event) => { pause(change); change.time(Number(event.target.value)); });
  }

  function toggle(change) {
    playing = !playing;
    owed = 0;
    before = performance.now();
    const { time, steps } = change.state();
    change.time(playing && time >= steps ? 0 : time);
  }

  function pause(change) {
    if (playing) toggle(change);
  }

  function step(change, by) {
    pause(change);
    change.time(change.state().time + by);
  }

  function speed(change, by) {
    const { SPEEDS } = State, place = SPEEDS.indexOf(change.state().speed) + by;
    change.set("speed", SPEEDS[State.clamp(place, [0, SPEEDS.length - 1])]);
  }

  // Called in every frame: moves the time on by what has passed since the last one.
  function tick(now, change) {
    if (!playing) return;
    const { time, steps, speed: perSecond } = change.state();
    owed += Math.min(0.5, Math.max(0, now - before) / 1000) * perSecond;
    before = now;
    if (owed < (still.matches ? Math.max(1, perSecond / 2) : 1)) return;
    const next = Math.min(steps, time + Math.floor(owed));
    owed -= Math.floor(owed);
    if (next >= steps) playing = false;
    change.time(next);
  }

  function update(state) {
    const { byId, say } = Dom, play = byId("play"), slider = byId("time");
    const label = playing ? "Pause" : "Play";
    if (play.getAttribute("aria-label") !== label) {
      play.querySelector("path").setAttribute("d", ICONS[label]);
      say(play.querySelector("span"), label);
      play.setAttribute("aria-label", label);
      play.title = label;
    }
    slider.max = state.steps;
    slider.value = state.time;
    slider.setAttribute("aria-valuetext", `step ${state.time} of ${state.steps}`);
    say(byId("clock"), `${state.time} of ${state.steps}`);
    say(byId("speed"), `${state.speed} / s`);
  }

  return { build, tick, update, toggle, step, speed, pause, playing: () => playing };
})();
