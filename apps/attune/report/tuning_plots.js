// The plots of the tuner's report, each a function from a result to a chart. Texts come from say().
const say = (key, values = {}) => data.texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const signed = (x, places = 1) => (x >= 0 ? "+" : "\u2212") + Math.abs(x).toFixed(places);
const change = (ratio) => 100 * (ratio - 1);
const inMib = (bytes) => bytes / 1048576;
const isNarrow = () => innerWidth < 640;
const faded = (colour, alpha) => colour + Math.round(alpha * 255).toString(16).padStart(2, "0");
const valueText = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

// "intra_op_num_threads=2, callers=4"; the default for nothing.
function describe(result, changes, callers) {
  const parts = Object.entries(changes).map(([name, value]) => `${name}=${valueText(value)}`);
  if (callers !== undefined && callers !== result.load.callers) parts.push(say("callers", {n: callers}));
  return parts.join(", ") || say("default");
}
const nameOf = (result, index) => describe(result, result.candidates[index].changes, result.candidates[index].callers);
// A label beside an axis: in two or more lines where one is too long.
function labelLines(text) {
  const most = isNarrow() ? 22 : 54;
  const pieces = text.replaceAll("session.", "").split(/(?<=, )|(?<= \u00d7 )/);
  const lines = [];
  for (const piece of pieces.flatMap((part) => (part.length > most ? part.split(/(?<==)/) : [part]))) {
    if (lines.length && (lines[lines.length - 1] + piece).length <= most) lines[lines.length - 1] += piece;
    else lines.push(piece);
  }
  return lines.map((line) => (line.length > most + 6 ? line.slice(0, most + 3) + "\u2026" : line));
}

// The next number of the form 1, 2, 2.5 or 5 times a power of ten: a good end for an axis.
function roundUp(x) {
  const power = 10 ** Math.floor(Math.log10(x));
  return [1, 2, 2.5, 5, 10].map((k) => k * power).find((k) => k >= x * 0.999);
}

// What Chart.js has no type for, drawn by a plugin of one chart. intervals: [{low, high, at, place, colour}] along the x axis, or along the y axis
// with `upright`, and an arrow where `beyond` (or `at`) is past the axis; lines: [{x, text}], texts in two rows where one would
// be too full; bands: [{low, middle, high, colour}] along the y axis; notes: a text for each row at the right edge.
const marks = (options) => ({
  id: "marks",
  beforeDatasetsDraw(chart) {
    const draw = chart.ctx, area = chart.chartArea;
    draw.save();
    draw.font = "11px " + Chart.defaults.font.family;
    const ends = [-Infinity, -Infinity];
    for (const band of options.bands || []) {
      const [low, middle, high] = [band.low, band.middle, band.high].map((y) => chart.scales.y.getPixelForValue(y));
      draw.fillStyle = faded(band.colour, 0.13);
      draw.fillRect(area.left, high, area.right - area.left, low - high);
      draw.fillStyle = faded(band.colour, 0.7);
      draw.fillRect(area.left, middle - 0.5, area.right - area.left, 1);
    }
    for (const line of options.lines || []) {
      const x = chart.scales.x.getPixelForValue(line.x);
      if (x < area.left - 1 || x > area.right + 1) continue;
      draw.strokeStyle = line.colour || style("--faint");
      draw.lineWidth = 1;
      draw.setLineDash(line.dash || []);
      draw.beginPath();
      draw.moveTo(x, area.top);
      draw.lineTo(x, area.bottom);
      draw.stroke();
      const width = line.text ? draw.measureText(line.text).width : 0;
      const at = Math.min(x + 4, area.right - width);
      const row = ends.findIndex((end) => at >= end + 6);
      if (!line.text || row < 0) continue;
      draw.fillStyle = style("--faint");
      draw.fillText(line.text, at, area.top + 10 + 13 * row);
      ends[row] = at + width;
    }
    draw.restore();
  },
  afterDatasetsDraw(chart) {
    const draw = chart.ctx, area = chart.chartArea;
    draw.save();
    draw.font = "11px " + Chart.defaults.font.family;
    for (const interval of options.intervals || []) {
      draw.save();
      draw.beginPath();
      draw.rect(area.left, area.top, area.right - area.left, area.bottom - area.top);
      draw.clip();
      const [along, across] = options.upright ? [chart.scales.y, chart.scales.x] : [chart.scales.x, chart.scales.y];
      const [a, b] = [along.getPixelForValue(interval.low), along.getPixelForValue(interval.high)];
      const place = across.getPixelForValue(interval.place), cap = interval.cap ?? 4;
      draw.strokeStyle = interval.colour;
      draw.lineWidth = interval.width || 1.5;
      draw.beginPath();
      const line = (u1, v1, u2, v2) => {
        if (options.upright) { draw.moveTo(v1, u1); draw.lineTo(v2, u2); } else { draw.moveTo(u1, v1); draw.lineTo(u2, v2); }
      };
      line(a, place, b, place);
      for (const end of cap ? [a, b] : []) line(end, place - cap, end, place + cap);
      draw.stroke();
      if (interval.at !== undefined) {
        const at = along.getPixelForValue(interval.at);
        draw.fillStyle = interval.colour;
        draw.beginPath();
        if (options.upright) draw.arc(place, at, 4, 0, 7); else draw.arc(at, place, 4, 0, 7);
        draw.fill();
      }
      draw.restore();
      // An arrow where the value lies beyond the edge.
      const value = interval.at ?? interval.beyond;
      if (value === undefined || options.upright) continue;
      const beyond = value > along.max ? 1 : value < along.min ? -1 : 0;
      if (!beyond) continue;
      const edge = beyond > 0 ? area.right - 2 : area.left + 2;
      draw.fillStyle = interval.colour;
      draw.beginPath();
      draw.moveTo(edge, place);
      draw.lineTo(edge - 8 * beyond, place - 5);
      draw.lineTo(edge - 8 * beyond, place + 5);
      draw.fill();
    }
    draw.textBaseline = "middle";
    (options.notes || []).forEach((note, row) => {
      draw.fillStyle = note.colour || style("--ink");
      draw.fillText(note.text, area.right + 8, chart.scales.y.getPixelForValue(row));
    });
    draw.restore();
  },
});
const chartOf = (id, {marked = {}, ...config}) => new Chart(element(id), {...config, plugins: [marks(marked)]});

const shortName = (result) => say(`summary.short.${result.objective}`);
const timeObjective = (result) => (["memory", "peak"].includes(result.objective) ? "latency" : result.objective);

// Makes a chart with a row for each name as high as it needs.
function fitRows(id, rows) {
  const lines = Math.max(...rows.map((row) => labelLines(row.name).length));
  element(id).parentElement.style.height = 70 + rows.length * (14 * lines + 12) + "px";
}

// Rows of a ratio with its interval: {name, ratio, low, high, strong}.
function drawRatios(id, rows, result) {
  fitRows(id, rows);
  // What is far beyond the others becomes an arrow at the edge: it would press them together.
  const changes = rows.flatMap((row) => [change(row.low), change(row.high)]);
  const reach = Math.max(4, ...rows.map((row) => Math.abs(change(row.ratio))).filter((x) => x < 60)) * 1.25;
  const low = -Math.min(100, roundUp(Math.min(reach, Math.max(4, -Math.min(...changes, 0)))));
  const high = roundUp(Math.min(reach, Math.max(4, Math.max(...changes, 0))));
  const colourOfRow = (row) => {
    if (!row.strong) return style("--faint");
    return style(row.ratio < 1 ? "--good" : "--bad");
  };
  return chartOf(id, {
    type: "bar",
    marked: {
      lines: [{x: 0}],
      intervals: rows.map((row, place) => ({low: change(row.ratio), high: change(row.ratio), at: change(row.ratio), place, cap: 0, colour: colourOfRow(row)})),
      notes: rows.map((row) => ({text: signed(change(row.ratio)) + " %", colour: row.strong ? style("--ink") : style("--faint")})),
    },
    data: {
      labels: rows.map((row) => labelLines(row.name)),
      datasets: [{data: rows.map((row) => [change(row.low), change(row.high)]), barThickness: 12, borderRadius: 6,
                  backgroundColor: rows.map((row) => faded(colourOfRow(row), 0.28))}],
    },
    options: {
      indexAxis: "y", layout: {padding: {right: 64}},
      scales: {
        x: {min: low, max: high, title: {display: true, text: `\u2190 ${say("page.better")}    ${shortName(result)} %    ${say("page.worse")} \u2192`},
            ticks: {callback: (value) => (value === 0 ? "0" : signed(value, Math.abs(high - low) < 8 ? 1 : 0)), maxRotation: 0}},
        y: {grid: {display: false}, ticks: {color: style("--ink"), autoSkip: false, font: {size: isNarrow() ? 11 : 12}}},
      },
      plugins: {
        legend: {display: false},
        tooltip: {callbacks: {title: (items) => rows[items[0].dataIndex].name,
                              label: (item) => rowText(rows[item.dataIndex])}},
      },
    },
  });
}
const rowText = (row) => `${signed(change(row.ratio))} % (${signed(change(row.low))} \u2026 ${signed(change(row.high))})`;

function rowsAlone(result) {
  const rows = [];
  result.candidates.forEach((candidate, index) => {
    const alone = candidate.pairs.some((pair) => pair.phase === "levels") || Object.keys(candidate.changes).length === 1;
    const estimate = candidate.ratios[result.objective];
    if (index === 0 || !alone || !estimate || !estimate.method) return;
    rows.push({name: nameOf(result, index), ...estimate, strong: estimate.low > 1 || estimate.high < 1});
  });
  return rows.sort((a, b) => a.ratio - b.ratio);
}
function rowsOfDesign(result) {
  return result.design.effects.filter((effect) => effect.ratio.method).map((effect) => ({
    name: effect.terms.map((term) => (Object.keys(term.settings).length ? describe(result, term.settings) : term.option)).join(" \u00d7 "),
    ...effect.ratio, strong: effect.is_active})).sort((a, b) => a.ratio - b.ratio);
}

// `which` is "held_bytes", by which the front is made, or "peak_bytes".
function drawPareto(result, which) {
  const time = timeObjective(result), chosen = result.verdict.candidate;
  const points = [];
  result.candidates.forEach((candidate, index) => {
    const estimate = candidate.ratios[time] || (index === 0 ? {ratio: 1, low: 1, high: 1} : null);
    if (!estimate || !result.figures[index]) return;
    points.push({x: change(index === 0 ? 1 : estimate.ratio), y: inMib(result.figures[index][which]), low: change(estimate.low), high: change(estimate.high), index});
  });
  // What is far slower would press all others against the edge: it is drawn there, and its tooltip tells the truth.
  const most = Math.max(25, ...result.pareto.map((point) => change(point.ratio) * 1.5));
  const shown = points.map((point) => ({...point, real: point.x, x: Math.min(point.x, most)}));
  const of = (wanted) => shown.filter((point) => wanted(point.index));
  const onFront = new Set(result.pareto.map((point) => point.candidate));
  const front = of((index) => onFront.has(index)).sort((a, b) => a.x - b.x);
  const isSpecial = (index) => index === 0 || index === chosen;
  const text = (point) => [nameOf(result, point.index), `${signed(point.real)} % (${signed(point.low)} \u2026 ${signed(point.high)}), ${digits(point.y)} MiB`];
  const dot = (name, list, colour, radius, more = {}) => ({label: name, data: list, backgroundColor: colour, borderColor: colour, pointRadius: radius, pointHoverRadius: radius + 2, ...more});
  const datasets = [
    dot(nameOf(result, chosen), chosen === 0 ? [] : of((index) => index === chosen), style("--accent"), 8, {pointStyle: "rectRot"}),
    dot(say("default"), of((index) => index === 0), style("--ink"), 7, {pointStyle: "triangle"}),
    dot(say("page.pareto.front"), front, style("--good"), 4, {showLine: which === "held_bytes", borderWidth: 1.5, borderDash: [5, 4]}),
    dot(say("page.pareto.others"), of((index) => !onFront.has(index) && !isSpecial(index)), faded(style("--faint"), 0.8), 4),
  ].filter((set) => set.data.length);
  return chartOf("pareto", {
    type: "scatter",
    marked: {
      lines: [{x: 0, dash: [2, 3]}],
      intervals: of((index) => onFront.has(index) || isSpecial(index)).filter((point) => point.high > point.low).map((point) => ({
        low: point.low, high: point.high, place: point.y, cap: 3, colour: faded(style(point.index === 0 ? "--ink" : point.index === chosen ? "--accent" : "--good"), 0.55)})),
    },
    data: {datasets},
    options: {
      scales: {
        x: {max: most * 1.05, title: {display: true, text: say("page.pareto.x", {what: say(`summary.short.${time}`)})}, ticks: {callback: (value) => signed(value, 0), maxRotation: 0}},
        y: {beginAtZero: true, title: {display: true, text: "MiB"}},
      },
      plugins: {
        legend: {position: "bottom", labels: {usePointStyle: true, boxHeight: 6, generateLabels: (chart) =>
          Chart.defaults.plugins.legend.labels.generateLabels(chart).map((item) => ({...item, text: item.text.length > 60 ? item.text.slice(0, 58) + "\u2026" : item.text}))}},
        tooltip: {callbacks: {label: (item) => text(item.raw)}, filter: (item, index) => index < 6},
      },
    },
  });
}

function drawThreads(result) {
  const points = [...result.threads].sort((a, b) => a.threads - b.threads);
  const base = (point) => (point.ratio.method && result.objective === "latency" ? point.latency_ms / point.ratio.ratio : 0);
  const line = (name, key, colour, more) => ({label: name, data: points.map((point) => point[key]), borderColor: colour, backgroundColor: colour, pointRadius: 4, borderWidth: 2, tension: 0.15, ...more});
  return chartOf("threads", {
    type: "line",
    marked: {
      upright: true,
      intervals: points.map((point, place) => ({point, place})).filter(({point}) => base(point) > 0).map(({point, place}) => ({
        low: base(point) * point.ratio.low, high: base(point) * point.ratio.high, place, colour: style("--accent")})),
    },
    data: {labels: points.map((point) => point.threads), datasets: [
      line(say("page.latency"), "latency_ms", style("--accent")),
      line(say("page.cpu"), "cpu_ms", palette[1], {borderDash: [5, 4]}),
    ]},
    options: {
      interaction: {mode: "index", intersect: false},
      scales: {x: {title: {display: true, text: say("page.threads.x")}, offset: true}, y: {beginAtZero: true}},
      plugins: {
        legend: {position: "bottom", labels: {usePointStyle: true, pointStyle: "line"}},
        tooltip: {callbacks: {label: (item) => `${item.dataset.label}: ${digits(item.raw)}`,
                              afterBody: (items) => { const ratio = points[items[0].dataIndex].ratio; return ratio.method ? `${shortName(result)}: ${rowText(ratio)}` : ""; }}},
      },
    },
  });
}

function eventText(name) {
  const run = name.match(/^run (\d+)$/);
  if (run) return isNarrow() ? run[1] : say("page.event.run", {n: run[1]});
  return data.texts[`page.event.${name}`] || name;
}
function drawMemory(result) {
  const place = element("memory"), most = Math.max(...result.memory.flatMap((line) => line.samples.map((sample) => inMib(sample.bytes))));
  const longest = Math.max(...result.memory.flatMap((line) => line.samples.map((sample) => sample.at_ms)));
  place.replaceChildren();
  return result.memory.map((line, index) => {
    const colour = palette[index % palette.length], card = make("div", undefined, "memory");
    const chart = make("div", undefined, "chart"), canvas = make("canvas");
    canvas.id = `memory-${index}`;
    chart.append(canvas);
    const title = make("h3", describe(result, Object.keys(line.contrast).length ? line.contrast : line.settings));
    const closing = line.events.find((event) => event.name === "close");
    const before = line.samples.filter((sample) => !closing || sample.at_ms <= closing.at_ms);
    const held = before.length ? before[before.length - 1].bytes : 0;
    card.append(title, make("p", say("page.memory.figures", {peak: mib(Math.max(...line.samples.map((s) => s.bytes))), held: mib(held)}), "hint"), chart);
    place.append(card);
    return chartOf(canvas.id, {
      type: "line",
      marked: {lines: line.events.map((event) => ({x: event.at_ms / 1000, text: eventText(event.name), dash: [3, 3]}))},
      data: {datasets: [{data: line.samples.map((sample) => ({x: sample.at_ms / 1000, y: inMib(sample.bytes)})), fill: true, pointRadius: 0, pointHitRadius: 8, borderWidth: 1.5, borderColor: colour, backgroundColor: faded(colour, 0.2)}]},
      options: {
        parsing: false, interaction: {mode: "nearest", axis: "x", intersect: false},
        scales: {x: {type: "linear", min: 0, max: longest / 1000, title: {display: true, text: say("page.memory.seconds")}, ticks: {maxRotation: 0}}, y: {min: 0, max: roundUp(most * 1.1)}},
        plugins: {legend: {display: false}, tooltip: {callbacks: {title: () => "", label: (item) => `${digits(item.raw.y)} MiB, ${digits(item.raw.x)} s`}}},
      },
    });
  });
}

function drawDistribution(result) {
  const rows = [];
  result.figures.forEach((figures, index) => {
    if (figures && figures.quantiles.length === 21) rows.push({index, q: figures.quantiles, name: index === 0 ? say("default") : nameOf(result, index)});
  });
  const first = (row) => (row.index === result.verdict.candidate ? 0 : row.index === 0 ? 1 : 2);
  rows.sort((a, b) => first(a) - first(b) || a.q[10] - b.q[10]);
  rows.splice(16);
  fitRows("distribution", rows);
  const colour = (row) => style(row.index === result.verdict.candidate ? "--accent" : row.index === 0 ? "--ink" : "--faint");
  const bars = (from, to, thickness, alpha) => ({data: rows.map((row) => [row.q[from], row.q[to]]), barThickness: thickness, borderRadius: 3, grouped: false, backgroundColor: rows.map((row) => faded(colour(row), alpha))});
  const most = Math.max(...rows.slice(0, 8).map((row) => row.q[19])) * 1.1;
  const isMarked = (row) => row.index === 0 || row.index === result.verdict.candidate;
  return chartOf("distribution", {
    type: "bar",
    marked: {
      intervals: rows.map((row, place) => ({low: row.q[10], high: row.q[10], beyond: row.q[1], place, cap: 9, colour: style(isMarked(row) ? "--ink" : "--faint"), width: 2})),
      notes: rows.map((row) => ({text: digits(row.q[10]) + " ms"})),
    },
    data: {labels: rows.map((row) => labelLines(row.name)), datasets: [bars(5, 15, 14, 0.55), bars(1, 19, 8, 0.25)]},
    options: {
      indexAxis: "y", layout: {padding: {right: 64}},
      scales: {x: {min: Math.floor(Math.min(...rows.map((row) => row.q[1])) * 0.95), max: most, title: {display: true, text: "ms"}, ticks: {maxRotation: 0}},
               y: {grid: {display: false}, ticks: {color: style("--ink"), autoSkip: false, font: {size: isNarrow() ? 11 : 12}}}},
      plugins: {
        legend: {display: false},
        tooltip: {filter: (item) => item.datasetIndex === 0, callbacks: {title: (items) => rows[items[0].dataIndex].name, label: (item) => {
          const q = rows[item.dataIndex].q;
          return [["0", 0], ["5", 1], ["25", 5], ["50", 10], ["75", 15], ["95", 19], ["100", 20]].map(([share, at]) => `${share} %: ${digits(q[at])} ms`);
        }}},
      },
    },
  });
}

function drawConfirmation(result) {
  const tests = result.confirmations.filter((test) => test.pairs.length);
  const longest = Math.max(...tests.map((test) => test.pairs.length));
  const values = (test) => test.pairs.map((pair) => change(pair.ratios[result.objective] ?? 1));
  const colour = (index) => [style("--accent"), palette[1], palette[2]][index % 3];
  return chartOf("confirm", {
    type: "line",
    marked: {
      bands: tests.map((test, index) => ({ratio: test.ratios[result.objective], index})).filter(({ratio}) => ratio && ratio.method).map(({ratio, index}) => ({
        low: change(ratio.low), middle: change(ratio.ratio), high: change(ratio.high), colour: colour(index)})),
    },
    data: {labels: Array.from({length: longest}, (_, index) => index + 1), datasets: tests.map((test, index) => ({
      label: say(test.is_passed ? "page.confirm.passed" : "page.confirm.failed", {settings: nameOf(result, test.candidate)}),
      data: values(test), showLine: false, pointRadius: 5, pointStyle: ["circle", "rectRot", "triangle"][index % 3], borderColor: colour(index), backgroundColor: colour(index)}))},
    options: {
      scales: {x: {offset: true, title: {display: true, text: say("page.confirm.x")}},
               y: {grace: "15%", suggestedMax: 1, title: {display: true, text: say("page.confirm.y", {what: shortName(result)})}, ticks: {callback: (value) => signed(value)},
                   grid: {color: (context) => (context.tick.value === 0 ? style("--faint") : style("--line"))}}},
      plugins: {
        legend: {position: "bottom", labels: {usePointStyle: true, boxHeight: 6}},
        tooltip: {callbacks: {label: (item) => `${signed(item.raw)} %`}},
      },
    },
  });
}
