// The tuner's report. data: see tune_page.h. One result is shown at a time.
document.querySelectorAll("[data-text]").forEach((place) => { place.textContent = say(place.dataset.text); });
let current = 0;
const result = () => data.results[current];
const baseName = (path) => path.split("/").pop();
const engineText = (of) => `${of.fingerprint.engine.name} ${of.fingerprint.engine.version}`;
const dateText = (of) => of.created.replace("T", " ").replace("Z", " UTC");
const withUnit = (value, unit) => `${digits(value)} ${unit}`;
const show = (id, wanted) => { element(id).style.display = wanted ? "" : "none"; };

function fillMachines() {
  show("machines-part", data.results.length > 1);
  const columns = [
    {title: say("page.machine"), text: true, className: "wide", value: (of) => of.words.machine},
    {title: say("page.model"), text: true, value: (of) => baseName(of.fingerprint.model.path)},
    {title: say("page.engine"), text: true, value: engineText},
    {title: say("page.recommended"), text: true, className: "wide", value: (of) =>
      of.is_superseded ? say("page.superseded") : of.verdict.kind === "keep_default" ? say("page.keep") : describe(of, of.verdict.changes, of.verdict.callers)},
    {title: say("page.col.change", {what: say(`summary.short.${data.results[0].objective}`)}), value: (of) => gainOf(of) ?? 0, show: (of, cell) => { cell.textContent = gainOf(of) === undefined ? "" : signed(gainOf(of)); }},
    {title: say("how.when"), text: true, value: dateText},
  ];
  fillTable(element("machines"), columns, data.results, 0, {ascending: true, styleRow: (line, of) => {
    line.className = of === result() ? "chosen" : of.is_superseded ? "faded" : "";
    line.onclick = () => {
      current = data.results.indexOf(of);
      fill();
    };
  }});
}
function gainOf(of) {
  const estimate = of.verdict.ratios[of.objective];
  return estimate && estimate.method ? change(estimate.ratio) : undefined;
}

function addFigure(title, from, to, unit, estimate) {
  const tile = make("div", undefined, "tile"), value = make("b"), isSame = result().verdict.candidate === 0 || from === to;
  if (!isSame) value.append(make("i", `${digits(from)} \u2192 `));
  value.append(withUnit(to, unit));
  tile.append(value, make("span", title));
  if (estimate && estimate.method && !isSame) {
    const better = estimate.high < 1, worse = estimate.low > 1;
    tile.append(make("small", `${signed(change(estimate.ratio))} % (${signed(change(estimate.low))} \u2026 ${signed(change(estimate.high))})`, better ? "good" : worse ? "bad" : ""));
  }
  element("tiles").append(tile);
}
function fillTiles() {
  const of = result(), chosen = of.verdict.candidate;
  const after = of.figures[chosen] || of.figures[0];
  const before = of.figures[0] || after;
  element("tiles").replaceChildren();
  if (!after) return;
  const estimate = (name) => of.verdict.ratios[name] || (of.candidates[chosen] || {ratios: {}}).ratios[name];
  addFigure(say("objective.latency"), before.latency_ms, after.latency_ms, "ms", estimate("latency"));
  addFigure(say(of.objective === "p99" ? "objective.p99" : "objective.p95"), before[of.objective === "p99" ? "p99_ms" : "p95_ms"], after[of.objective === "p99" ? "p99_ms" : "p95_ms"], "ms", estimate(of.objective === "p99" ? "p99" : "p95"));
  if (of.objective === "throughput" || of.load.callers > 1) addFigure(say("objective.throughput"), 1000 / before.period_ms, 1000 / after.period_ms, say("page.unit.rate").trim());
  addFigure(say("objective.peak"), inMib(before.peak_bytes), inMib(after.peak_bytes), "MiB", estimate("peak"));
  addFigure(say("objective.memory"), inMib(before.held_bytes), inMib(after.held_bytes), "MiB", estimate("memory"));
  addFigure(say("objective.cpu"), before.cpu_ms, after.cpu_ms, "ms", estimate("cpu"));
  addTile(element("tiles"), before.threads === after.threads ? `${after.threads}` : `${before.threads} \u2192 ${after.threads}`, say("page.tile.threads"));
}

function fillSnippets() {
  const tabs = element("tabs"), notes = element("code-notes");
  const choose = (index) => {
    const snippet = result().snippets[index];
    [...tabs.children].forEach((tab, k) => tab.setAttribute("aria-selected", String(k === index)));
    element("code").textContent = snippet.code;
    notes.replaceChildren(...snippet.notes.map((note) => make("p", note)));
  };
  tabs.replaceChildren(...result().snippets.map((snippet, index) => {
    const tab = make("button", snippet.title);
    tab.setAttribute("role", "tab");
    tab.onclick = () => choose(index);
    return tab;
  }));
  choose(0);
}
element("copy").onclick = () => {
  const done = () => {
    element("copy").textContent = say("page.copied");
    setTimeout(() => { element("copy").textContent = say("page.copy"); }, 1500);
  };
  const select = () => {  // a page from a file may not use the clipboard's interface
    getSelection().selectAllChildren(element("code"));
    if (document.execCommand("copy")) done();
  };
  if (navigator.clipboard) navigator.clipboard.writeText(element("code").textContent).then(done, select); else select();
};

function fillCandidates() {
  const of = result();
  const rows = of.candidates.map((candidate, index) => ({...candidate, index, figures: of.figures[index], estimate: candidate.ratios[of.objective],
    name: index === 0 ? say("summary.again") : nameOf(of, index)}));
  const number = (title, value) => ({title: say(title), value: (row) => (row.figures ? value(row.figures) : -Infinity), show: (row, cell) => { cell.textContent = row.figures ? digits(value(row.figures)) : ""; }});
  const columns = [
    {title: say("page.col.setting"), text: true, className: "wide", value: (row) => row.name, show: (row, cell) => {
      cell.textContent = row.name;
      if (row.index === of.verdict.candidate && row.index !== 0) cell.style.fontWeight = "650";
    }},
    {title: say("page.col.outcome"), text: true, value: (row) => say(`outcome.${row.outcome}`), show: (row, cell) => { cell.textContent = say(`outcome.${row.outcome}`); cell.title = row.reason; }},
    {title: say("page.col.change", {what: shortName(of)}), value: (row) => (row.estimate ? row.estimate.ratio : Infinity), show: (row, cell) => {
      if (!row.estimate || !row.estimate.method) return;
      cell.textContent = signed(change(row.estimate.ratio));
      cell.className = row.estimate.high < 1 ? "good" : row.estimate.low > 1 ? "bad" : "";
    }},
    {title: say("page.col.interval"), value: (row) => (row.estimate ? row.estimate.high : Infinity), show: (row, cell) => {
      if (row.estimate && row.estimate.method) cell.textContent = `${signed(change(row.estimate.low))} \u2026 ${signed(change(row.estimate.high))}`;
    }},
    number("page.col.latency", (f) => f.latency_ms), number("page.col.p95", (f) => f.p95_ms), number("page.col.p99", (f) => f.p99_ms),
    number("page.col.rate", (f) => (f.period_ms > 0 ? 1000 / f.period_ms : 0)), number("page.col.cpu", (f) => f.cpu_ms),
    number("page.col.held", (f) => inMib(f.held_bytes)), number("page.col.peak", (f) => inMib(f.peak_bytes)),
    {title: say("page.col.threads"), value: (row) => (row.figures ? row.figures.threads : 0), show: (row, cell) => { cell.textContent = row.figures ? row.figures.threads : ""; }},
    number("page.col.load", (f) => f.load_ms),
    {title: say("page.col.pairs"), value: (row) => row.pairs.length},
  ];
  fillTable(element("candidates"), columns, rows, 2, {ascending: true});
}

function fillFacts() {
  const of = result(), print = of.fingerprint;
  const list = (id, entries) => element(id).replaceChildren(...entries.filter(([, text]) => text).flatMap(([term, text]) => [make("dt", term), make("dd", text)]));
  const percent = (share) => (100 * share).toFixed(1) + " %";
  const confidence = Math.round(100 * of.confidence);
  const methods = new Set([...of.candidates, ...of.confirmations].flatMap((facts) => Object.values(facts.ratios).map((ratio) => ratio.method)));
  if (of.design.effects.length) methods.add("regression");
  const failed = of.candidates.map((candidate, index) => ({candidate, index})).filter(({candidate}) => ["failed", "differs"].includes(candidate.outcome));
  list("how", [
    [say("how.objective"), say("how.objective.text", {objective: say(`objective.${of.objective}`), least: digits(100 * of.least_gain)})],
    [say("how.limits"), of.words.limits],
    [say("how.load"), of.words.load.join("; ")],
    [say("how.trial"), say("how.trial.text")],
    [say("how.search"), say("how.search.text", {trials: of.trials, used: of.used_seconds.toFixed(0), budget: of.budget_seconds.toFixed(0)})],
    [say("how.design"), of.design.name && say("how.design.text", {name: of.design.name.split(",")[0], runs: of.design.runs, resolution: of.design.resolution})],
    [say("how.interval"), [...methods].filter((method) => data.texts[`how.method.${method}`]).map((method) => say(`how.method.${method}`, {confidence})).join(" ")],
    [say("how.ties"), say("how.ties.text")],
    [say("how.failed"), failed.map(({candidate, index}) => `${nameOf(of, index)}: ${candidate.reason}`).join("; ")],
    [say("how.model"), say("how.model.text", {path: print.model.path, bytes: mib(print.model.bytes), hash: print.model.xxh3_128})],
    [say("how.engine"), engineText(of)],
    [say("how.machine"), of.words.machine],
    [say("how.when"), dateText(of)],
  ]);
  const itself = of.noise.itself;
  element("noise-text").textContent = of.words.noise.length ? of.words.noise.join(" ") : say("page.noise.ok");
  list("noise", [
    [say("page.noise.itself"), itself.method ? rowText(itself) : ""],
    [say("page.noise.run"), percent(of.noise.run_variation)],
    [say("page.noise.process"), percent(of.noise.process_variation)],
    [say("page.noise.others"), of.noise.other_cpus.toFixed(2)],
    [say("page.noise.stolen"), percent(of.noise.stolen_share)],
    [say("page.noise.throttled"), percent(of.noise.throttled_share)],
    [say("page.noise.least"), percent(of.noise.least_gain)],
  ]);
}

function drawAll() {
  const of = result(), charts = [];
  const add = (part, wanted, draw) => {
    show(part, wanted);
    if (wanted) charts.push(...[draw()].flat());
  };
  const alone = rowsAlone(of), effects = rowsOfDesign(of);
  add("pareto-part", of.candidates.length > 1, () => drawPareto(of, element("pareto-memory").value));
  add("alone-part", alone.length > 0, () => drawRatios("alone", alone, of));
  add("effects-part", effects.length > 0, () => drawRatios("effects", effects, of));
  add("memory-part", of.memory.some((line) => line.samples.length), () => drawMemory(of));
  add("threads-part", of.threads.length > 1, () => drawThreads(of));
  add("confirm-part", of.confirmations.some((test) => test.pairs.length), () => drawConfirmation(of));
  add("distribution-part", of.figures.some((figures) => figures && figures.quantiles.length === 21), () => drawDistribution(of));
  return charts;
}

let redraw = () => {};
function fill() {
  const of = result();
  element("title").textContent = say("title", {model: baseName(of.fingerprint.model.path)});
  element("title").title = of.fingerprint.model.path;
  element("sub").textContent = [engineText(of), of.words.machine, dateText(of)].join(" \u00b7 ");
  element("sentence").textContent = of.words.sentence;
  element("reasons").replaceChildren(...of.words.reasons.map((reason) => make("p", reason)));
  const warning = make("div", undefined, "warning");
  warning.append(...of.words.noise.map((finding) => make("p", finding)));
  element("noise-findings").replaceChildren(...(of.words.noise.length ? [warning] : []));
  fillMachines();
  element("alone-hint").textContent = say("page.alone.hint", {what: say(`objective.${of.objective}`), confidence: Math.round(100 * of.confidence)});
  element("effects-hint").textContent = say("page.effects.hint", {design: of.design.name.split(",")[0]});
  fillTiles();
  fillSnippets();
  fillCandidates();
  fillFacts();
  redraw();
}
for (const which of ["held", "peak"]) {
  const option = make("option", say(`page.pareto.${which}`));
  option.value = `${which}_bytes`;
  element("pareto-memory").append(option);
}
element("pareto-memory").onchange = () => redraw();
fill();
redraw = drawThemed(drawAll);
let wasNarrow = isNarrow();
addEventListener("resize", () => {
  if (wasNarrow !== isNarrow()) redraw();
  wasNarrow = isNarrow();
});
