// What the pages do beyond plain HTML: the log goes on by itself. Everything else works without this.
"use strict";

(() => {
  const list = document.querySelector("[data-live]");
  if (!list || !window.EventSource) return;
  const state = document.querySelector("[data-live-state]");
  const empty = document.querySelector("[data-live-empty]");
  const most = 300;
  let missed = 0;

  const say = (text, live) => {
    state.hidden = false;
    state.classList.toggle("on", live);
    if (state.textContent !== text) state.textContent = text;
  };
  const say_live = () => say(missed ? `live, ${missed} went by too fast` : "live", true);

  const source = new EventSource(list.dataset.live);
  source.onopen = say_live;
  source.onerror = () => {
    // Closed for good: the session is over, or the server does not want it.
    say(source.readyState === EventSource.CLOSED ? "not live: load the page again" : "reconnecting …", false);
  };
  source.addEventListener("row", (event) => {
    const shape = document.createElement("template");
    shape.innerHTML = event.data;
    const row = shape.content.firstElementChild;
    if (!row || document.getElementById(row.id)) return;
    row.classList.add("arrived");
    list.prepend(row);
    if (empty) empty.hidden = true;
    while (list.children.length > most) list.lastElementChild.remove();
  });
  source.addEventListener("skipped", (event) => {
    missed += Number(event.data);
    say_live();
  });
  window.addEventListener("pagehide", () => source.close());
})();

// Times go on while a page is open.
(() => {
  const units = [[86400, "d"], [3600, "h"], [60, "min"]];
  const words = (seconds) => {
    const span = Math.abs(seconds);
    if (span < 10) return "just now";
    const [size, unit] = units.find(([size]) => span >= size) ?? [1, "s"];
    const text = `${Math.floor(span / size)} ${unit}`;
    return seconds < 0 ? `in ${text}` : `${text} ago`;
  };
  const renew = () => {
    for (const time of document.querySelectorAll("time[title][datetime*=T]")) {
      const text = words((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
  };
  setInterval(renew, 10_000);
})();
