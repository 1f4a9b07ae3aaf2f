// Browsers start no worker from a folder. There a hidden frame does the search's work, so that it needs no server.
"use strict";

class FrameWorker extends EventTarget {
  #frame = document.createElement("iframe");
  #waiting = [];

  constructor(url) {
    super();
    this.#frame.hidden = true;
    this.#frame.title = "search";
    document.body.append(this.#frame);
    const inside = this.#frame.contentWindow;
    inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
    const script = inside.document.createElement("script");
    script.src = url;
    script.addEventListener("load", () => this.#begin());
    inside.document.body.append(script);
  }

  postMessage(data) {
    if (this.#waiting) this.#waiting.push(data);
    else this.#hand(data);
  }

  #begin() {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting.forEach((data) => this.#hand(data));
  }

  #hand(data) {
    const inside = this.#frame.contentWindow;
    inside.dispatchEvent(new inside.MessageEvent("message", { data }));
  }

  terminate() {
    this.#frame.remove();
  }
}

if (location.protocol === "file:") window.Worker = FrameWorker;
