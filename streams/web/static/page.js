// The live page: sections come written by the server, over server-sent events; the chart is drawn here.
"use strict";
(() => {
  const body = document.body, $ = (id) => document.getElementById(id);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let mayWrite = body.dataset.mayWrite === "yes";

  // ---------------------------------------------------------------- theme
  const kept = (name, value) => {
    try {
      if (value !== undefined) localStorage.setItem(name, value);
      return localStorage.getItem(name);
    } catch { return null; }
  };
  const theme = kept("theme");
  if (theme) document.documentElement.dataset.theme = theme;
  $("theme").hidden = false;
  $("theme").addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = kept("theme", dark ? "light" : "dark") || (dark ? "light" : "dark");
    plot = null;
    draw();
  });

  // ---------------------------------------------------------------- chart
  let data = JSON.parse($("chart-data").textContent || "null"), plot = null, place = null;
  const percent = (value) => (value === null || value === undefined ? "–" : (100 * value).toFixed(2) + " %");
  function draw() {
    const here = $("plot");
    if (!here || !data || typeof uPlot === "undefined") return;
    if (plot && place === here) { plot.setData(data); return; }
    here.textContent = "";
    const line = style("--line"), note = style("--note"), accent = style("--accent"), band = style("--band");
    const zone = body.dataset.zone, hours = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
    const clock = (at) => (at === null || at === undefined ? "–" : hours.format(new Date(at * 1000)));
    const axis = { stroke: note, grid: { stroke: line, width: 1 }, ticks: { stroke: line } };
    const hidden = { show: true, stroke: "transparent", points: { show: false }, value: (_, one) => percent(one) };
    plot = new uPlot({
      width: Math.max(here.clientWidth, 200), height: 220, cursor: { drag: { x: false, y: false } },
      scales: { y: { range: (_, low, high) => [0, Math.min(Math.max(high || 0, 0.0001) * 1.05, 1)] } },
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), zone),
      axes: [{ ...axis, space: 90, values: (_, all) => all.map((at) => clock(at).slice(0, 5)) }, { ...axis, size: 70, values: (_, all) => all.map(percent) }],
      legend: { live: true },
      series: [
        { value: (_, at) => clock(at) },
        { label: body.dataset.wordObserved, stroke: accent, width: 2, points: { show: false }, value: (_, one) => percent(one) },
        { label: body.dataset.wordExpected, stroke: note, width: 1.5, dash: [5, 4], points: { show: false }, value: (_, one) => percent(one) },
        { ...hidden, label: "2.5 %" },
        { ...hidden, label: "97.5 %" },
      ],
      bands: [{ series: [4, 3], fill: band }],
    }, data, here);
    place = here;
    here.parentElement.classList.add("plotted");
  }
  addEventListener("resize", () => { if (plot && place) plot.setSize({ width: Math.max(place.clientWidth, 200), height: 220 }); });

  // ---------------------------------------------------------------- sections
  function allow() {
    for (const button of document.querySelectorAll("button.act")) button.hidden = !mayWrite;
    $("who").hidden = !mayWrite;
  }
  function show(name, html) {
    const section = $(name);
    if (!section) return;
    const focused = section.contains(document.activeElement) ? document.activeElement.id : "";
    const open = [...section.querySelectorAll("details[open]")].map((one) => one.id);
    const scrolled = [...section.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    section.innerHTML = html;
    for (const id of open) if ($(id)) $(id).open = true;
    section.querySelectorAll(".scroll").forEach((one, at) => { one.scrollLeft = scrolled[at] || 0; });
    if (focused && $(focused)) $(focused).focus();
  }
  function update(told) {
    for (const [name, html] of Object.entries(told.sections)) show(name, html);
    if (told.chart) {
      data = told.chart.columns;
      $("chart-say").textContent = told.chart.say;
      $("chart-figure").hidden = false;
    }
    draw();
    allow();
  }
  const link = $("link");
  const say = (state, word) => { link.className = state; if (link.textContent !== word) link.textContent = word; };
  const live = new EventSource(body.dataset.live);
  live.addEventListener("sections", (event) => { update(JSON.parse(event.data)); say("on", body.dataset.wordLive); });
  live.addEventListener("open", () => say("on", body.dataset.wordLive));
  live.addEventListener("error", () => say("off", body.dataset.wordLost));

  // ---------------------------------------------------------------- acknowledge and mute
  $("who").addEventListener("submit", (event) => event.preventDefault());
  $("by").value = kept("by") || "";
  $("by").addEventListener("change", () => kept("by", $("by").value));
  const post = (path, what) => fetch(path, {
    method: "POST", credentials: "same-origin",
    headers: { "Content-Type": "application/json" }, body: JSON.stringify(what),
  });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button.act");
    if (!button) return;
    const { act, id } = button.dataset, by = $("by").value.trim() || "page";
    button.disabled = true;
    try {
      const answer = act === "ack"
        ? await post(`/api/v1/incidents/${encodeURIComponent(id)}/ack`, { by })
        : await post("/api/v1/silences", { by, minutes: 60, incident_ids: [id] });
      const problem = answer.ok ? null : await answer.json();
      $("said").textContent = answer.ok ? body.dataset.said : body.dataset.refused + (problem.detail || problem.title);
      if (!answer.ok) button.disabled = false;
    } catch (error) {
      $("said").textContent = body.dataset.refused + error.message;
      button.disabled = false;
    }
  });

  // ---------------------------------------------------------------- the token in the address, as the demo prints it
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    history.replaceState(null, "", location.pathname + location.search);
    post("/login", { token }).then((answer) => {
      if (!answer.ok) return;
      mayWrite = true;
      const form = document.querySelector('form[action="/login"]');
      if (form) form.remove();
      allow();
    });
  }
  draw();
  allow();
})();
