"use strict";

// The page's one state, and what follows when it changes: runs computed once, pictures painted once, per frame.
const Playground = (() => {
  const { byId, make, say, options } = Dom;
  let state, surface, runs = [], words = [], notice = null;
  let stale = true, awaited = false, count = 0, told = false, wordsAt = 0, settle = 0;

  const change = {
    state: () => state,
    surface: () => surface,
    set: (key, value) => {
      if (key === "steps") return change.steps(value ?? surface.steps);
      const usual = State.initial()[key];
      return patch({ [key]: value ?? usual }, key !== "speed" && key !== "shown" && key !== "scale");
    },
    steps: (steps) => patch({ steps, time: state.time === state.steps ? steps : Math.min(state.time, steps) }, true),
    start: (start) => patch({ start }, true),
    time: (time) => patch({ time: State.clamp(time, [0, state.steps]) }, false),
    select: (selected) => patch({ selected: selected === state.selected ? null : selected }, false),
    rules: (rules) => patch({ rules, selected: rules.includes(state.selected) ? state.selected : rules[0] ?? null },
      true),
    toggle: (name, on) => change.rules(Object.keys(RULES).filter((rule) =>
      (rule === name ? on : state.rules.includes(rule)))),
    hyper: (name, letter, value) => patch({ own: withHyper(name, letter, value) }, true),
    onto: (name) => {
      if (name === State.OWN) return change.own(state.text, Own2D.make(state.text, state.window).surface);
      surface = SURFACES[name];
      OwnField.forget();
      return patch(State.onSurface(state, surface), true);
    },
    own: (text, made) => {
      const stays = state.surface === State.OWN && State.inside(state.start, made.window);
      surface = made;
      const fresh = State.onSurface(state, made), kept = stays
        ? { start: state.start, steps: state.steps, time: state.time, own: state.own } : {};
      return patch({ ...fresh, text, window: made.window, ...kept }, true);
    },
    settled: () => later(),
    repaint: () => patch({}, false),
    theme: () => { Theme.toggle(); patch({}, false); },
    help: () => {
      const keys = byId("keys");
      keys.hidden = !keys.hidden;
      byId("help").setAttribute("aria-expanded", String(!keys.hidden));
    },
  };

  function withHyper(name, letter, value) {
    const { [letter]: _, ...rest } = State.ownOf(state, RULES[name]);
    const hyper = value === null ? rest : { ...rest, [letter]: value };
    const { [name]: __, ...others } = state.own;
    return Object.keys(hyper).length ? { ...others, [name]: hyper } : others;
  }

  function patch(changes, recompute) {
    state = { ...state, ...changes };
    stale ||= recompute;
    told = false;
    request();
    later();
  }

  // The runs of the state. A tab that is not shown has no frames, but is asked for words and a snapshot all the same.
  function compute() {
    if (stale) runs = Runs.all(state, surface);
    stale = false;
  }

  function request() {
    if (awaited) return;
    awaited = true;
    requestAnimationFrame(frame);
  }

  // While many runs move, their curves follow in every second frame and their numbers in every fourth.
  function frame(now) {
    awaited = false;
    Playback.tick(now, change);
    const moved = stale, busy = runs.length >= Plot.MANY;
    compute();
    const replay = state.selected === null ? null : Runs.replayed(state, surface, RULES[state.selected]);
    Plot.paint(state, surface, runs, replay);
    const hurried = busy && moved;
    count += 1;
    if (!hurried || count % 2 === 0) curves();
    if (!hurried || count % 4 === 1) numbers(replay);
    if (hurried) request(); // for what this frame left out
    if (!told && now - wordsAt > (busy ? 500 : 150)) tell(now);
    if (Playback.playing()) request();
  }

  function curves() {
    const scale = Curves.paint(state, surface, runs, Plot.field());
    byId("curves").setAttribute("aria-label", Curves.title(state, scale));
  }

  function numbers(replay) {
    Legend.update(state, runs, change);
    RulePanel.update(state, surface, replay, change);
    Playback.update(state);
    controls();
  }

  function controls() {
    Settings.update(state, surface);
    Chooser.update(state);
    OwnField.update(state);
    for (const [id, value] of [["surface", state.surface], ["shown", state.shown],
      ["scale", state.scale]]) byId(id).value = value;
    byId("theme").setAttribute("aria-pressed", String(Theme.dark()));
    const key = `${state.surface} ${state.text}`;
    if (byId("equation").dataset.key === key) return;
    byId("equation").dataset.key = key;
    byId("own").hidden = state.surface !== State.OWN;
    if (state.surface === State.OWN) byId("equation").replaceChildren(Markup.formula(surface.formula));
    else byId("equation").innerHTML = surface.formula;
    say(byId("teaches"), surface.teaches);
    starts();
  }

  function starts() {
    byId("starts").replaceChildren(...surface.starts.map((start, k) => {
      const button = make("button", { type: "button", textContent: `Start ${k + 1}`,
        title: `Start at (${start.map(Numbers.said).join(", ")})` });
      button.addEventListener("click", () => change.start([...start]));
      return button;
    }));
  }

  // What one sees, in words: a few times a second, for reading it again and again would help nobody.
  function tell(now) {
    compute();
    wordsAt = now;
    told = true;
    words = Words.said(state, surface, runs);
    const list = byId("words");
    while (list.children.length > words.length) list.lastChild.remove();
    words.forEach(({ rule, text }, k) => {
      const item = list.children[k] || list.appendChild(make("li"));
      item.style.borderLeftColor = rule ? Theme.of(RULES[rule]) : "";
      say(item, text);
    });
  }

  // What may wait until the hand rests: the address, the last words, and the summary that is read aloud.
  function later() {
    clearTimeout(settle);
    settle = setTimeout(() => {
      if (Playback.playing()) return later();
      tell(performance.now());
      const address = `#${Address.write(state)}`;
      byId("link").value = location.href.split("#")[0] + address;
      if (address !== location.hash) history.replaceState(null, "", address);
      return say(byId("summary"), summary());
    }, 400);
  }

  function summary() {
    const [x, y] = state.start.map(Numbers.said);
    const known = RULES[state.selected]?.label;
    return `Start at x ${x}, y ${y}. Step ${state.time} of ${state.steps}. ` +
      `${known ? `${known} is selected. ` : ""}${words.map((one) => one.text).join(" ")}`;
  }

  function warn(sentence) {
    notice = sentence;
    byId("notice").hidden = sentence === null;
    say(byId("notice").firstElementChild, sentence ?? "");
  }

  function load() {
    const [read, refused] = Address.read(location.hash);
    state = read;
    surface = state.surface === State.OWN ? Own2D.make(state.text, state.window).surface : SURFACES[state.surface];
    OwnField.forget();
    warn(refused);
    stale = true;
    patch({}, true);
  }

  async function copy() {
    const link = byId("link"), said = byId("copied");
    link.value = `${location.href.split("#")[0]}#${Address.write(state)}`;
    try {
      await navigator.clipboard.writeText(link.value);
      say(said, "The address is copied.");
    } catch {
      link.focus();
      link.select();
      say(said, "The browser does not allow copying from here. The address is selected: copy it with the keyboard.");
    }
    say(byId("copy"), said.textContent.startsWith("The address") ? "Copied" : "Copy below");
    setTimeout(() => say(byId("copy"), "Copy link"), 2500);
  }

  function begin() {
    for (const rule of Object.values(RULES)) rule.label = Labels.of(rule.name);
    options(byId("surface"), [...Object.keys(SURFACES).map((name) => [name, Labels.of(name)]),
      [State.OWN, "Your own function"]]);
    options(byId("shown"), Object.entries(State.SHOWN));
    options(byId("scale"), Object.entries(State.SCALES));
    byId("surface").addEventListener("change", (event) => {
      change.onto(event.target.value);
      byId("own").hidden = event.target.value !== State.OWN;
      if (event.target.value === State.OWN) byId("text").focus();
    });
    byId("write").addEventListener("click", () => {
      change.onto(State.OWN);
      byId("own").hidden = false;
      byId("text").focus();
    });
    for (const id of ["shown", "scale"]) byId(id).addEventListener("change", (event) =>
      change.set(id, event.target.value));
    byId("theme").addEventListener("click", change.theme);
    byId("help").addEventListener("click", change.help);
    byId("copy").addEventListener("click", copy);
    byId("link").addEventListener("focus", (event) => event.target.select());
    byId("notice").lastElementChild.addEventListener("click", () => warn(null));
    for (const part of [Settings, Chooser, OwnField, Playback, Keyboard]) part.build(change);
    for (const [part, id] of [[Plot, "map"], [Curves, "curves"]]) part.setup(byId(id));
    RulePanel.setup();
    Pointer.onMap(byId("map"), change);
    Pointer.onCurves(byId("curves"), change);
    Theme.follow(() => patch({}, false));
    load();
    addEventListener("hashchange", load);
    addEventListener("resize", () => patch({}, false));
    new ResizeObserver(() => patch({}, false)).observe(byId("frame"));
  }

  // What the page holds now, as plain data, for those who test it or use it from outside.
  function snapshot() {
    if (!told) tell(performance.now());
    return {
      state: structuredClone(state), words: words.map((one) => one.text), notice, playing: Playback.playing(),
      runs: runs.map((run) => ({ name: run.name, hyper: { ...run.hyper }, points: [...run.points],
        values: [...run.values], status: Runs.status(run, state.time) })),
    };
  }

  begin();
  return { snapshot };
})();

window.playground = Playground;
