// The bars of a drift, readable by pointing: uPlot draws over the same box, from the same numbers.
"use strict";

(() => {
  const figure = document.querySelector(".plot[data-days]");
  if (!figure || !window.uPlot) return;
  const days = figure.dataset.days.split(" ").map((day) => day.split(":"));
  const data = [days.map(([day]) => Date.parse(day) / 1000), days.map(([, count]) => Number(count))];
  const drawing = figure.querySelector("svg");
  const box = document.createElement("div");
  box.className = "drawn";
  box.setAttribute("aria-hidden", "true");
  const show_today = (plot) => plot.setLegend({ idx: days.length - 1 });
  let plot;

  const draw = () => {
    const style = getComputedStyle(figure);
    const color = (name) => style.getPropertyValue(name).trim();
    const font = "12px " + style.fontFamily;
    const axis = { stroke: color("--quiet"), font, grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
    plot?.destroy();
    plot = new uPlot({
      width: figure.clientWidth,
      height: 172,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      legend: { live: true },
      // Until somebody points elsewhere: today.
      hooks: { ready: [show_today], setCursor: [(plot) => plot.cursor.idx ?? show_today(plot)] },
      scales: { y: { range: (_, low, high) => [0, Math.max(1, high)] }, x: { range: (_, low, high) => [low - 43200, high + 43200] } },
      axes: [
        { ...axis, grid: { show: false }, size: 28, values: (_, splits) => splits.map((at) => new Date(at * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" })) , space: 80 },
        { ...axis, size: 46, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 100000, 1000000] },
      ],
      series: [
        { label: "Day", value: (_, at) => (at == null ? "" : new Date(at * 1000).toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" })) },
        { label: "Reports", fill: color("--plot"), stroke: color("--plot"), width: 0, paths: uPlot.paths.bars({ size: [0.8, 40] }), points: { show: false }, value: (_, count) => count ?? "" },
      ],
    }, data, box);
  };

  drawing.replaceWith(box);
  figure.classList.add("by-script");
  draw();
  new ResizeObserver(() => { if (plot.width !== figure.clientWidth) plot.setSize({ width: figure.clientWidth, height: 172 }); }).observe(figure);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
