// The page of `attune profile`. data: see profile_page.h.
const machine = data.machine;
const nodes = data.nodes.map((node, index) => {
  const ms = node.calls ? node.total_ms / node.calls : 0;
  return {...node, index, ms, gflops: ms ? node.flops / ms / 1e6 : 0, gbs: ms ? node.bytes / ms / 1e6 : 0};
});
const runMs = data.runs.map((run) => run.us / 1000);
const meanMs = runMs.reduce((a, b) => a + b, 0) / runMs.length;
const medianMs = [...runMs].sort((a, b) => a - b)[Math.floor(runMs.length / 2)];
const flops = nodes.reduce((sum, node) => sum + node.flops, 0);

// The operators that take the most time come first, so that they have the clearest colours.
const operators = new Map();
for (const node of nodes) {
  const total = operators.get(node.op) || {op: node.op, ms: 0, count: 0};
  total.ms += node.total_ms / data.runs.length;
  total.count += 1;
  operators.set(node.op, total);
}
const byTime = [...operators.values()].sort((a, b) => b.ms - a.ms);
byTime.forEach((operator) => colourOf(operator.op));

element("title").textContent = data.model.split("/").pop();
element("title").title = data.model;
element("sub").textContent = data.description;
const tiles = element("tiles");
addTile(tiles, digits(medianMs) + " ms", `median of ${data.runs.length} runs`);
addTile(tiles, `${machine.threads}`, "threads a run");
if (flops > 0) {
  const gflops = flops / medianMs / 1e6;
  addTile(tiles, digits(gflops) + " GFLOP/s", `${(100 * gflops / machine.gflops).toFixed(0)} % of ${digits(machine.gflops)} measured`);
}
addTile(tiles, digits(machine.gbs) + " GB/s", "of memory bandwidth, measured");
if (data.region_bytes > 0) addTile(tiles, mib(data.region_bytes), "memory of intermediate tensors");

// The timeline: a row for each thread, one run at a time.
const select = element("run");
const medianRun = runMs.indexOf(medianMs);
data.runs.forEach((run, index) => {
  if (!run.events.length) return;
  const option = make("option", `${index + 1}: ${digits(run.us / 1000)} ms${index === medianRun ? " (median)" : ""}`);
  option.value = index;
  option.selected = index === medianRun;
  select.append(option);
});
const canvas = element("timeline"), rowHeight = 46, axisHeight = 24, labelWidth = 92;
let view = [0, 1], dragged = null;
const currentRun = () => data.runs[Number(select.value)];
function drawTimeline() {
  const run = currentRun();
  if (!run) return;
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = data.threads.length * rowHeight + axisHeight;
  canvas.style.height = height + "px";
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const draw = canvas.getContext("2d");
  draw.scale(ratio, ratio);
  draw.font = "12px " + getComputedStyle(document.body).fontFamily;
  draw.textBaseline = "middle";
  const scale = (width - labelWidth) / (view[1] - view[0]);
  const at = (us) => labelWidth + (us - view[0]) * scale;
  draw.save();
  draw.beginPath();
  draw.rect(labelWidth, 0, width - labelWidth, height);
  draw.clip();
  // About one line for each 110 pixels, at 1, 2 or 5 times a power of ten.
  const rough = 110 / scale, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough);
  for (let us = Math.ceil(view[0] / step) * step; us <= view[1]; us += step) {
    draw.fillStyle = style("--line");
    draw.fillRect(at(us), 0, 1, height - axisHeight);
    draw.fillStyle = style("--faint");
    draw.fillText(us >= 1000 || step >= 1000 ? `${+(us / 1000).toFixed(3)} ms` : `${+us.toFixed(3)} \u00b5s`, at(us) + 4, height - axisHeight / 2);
  }
  for (const [thread, node, start, length, helps] of run.events) {
    const x = at(start), w = Math.max(length * scale, 0.6);
    if (x + w < labelWidth || x > width) continue;
    const y = thread * rowHeight + 6, h = rowHeight - 12;
    draw.globalAlpha = helps ? 0.6 : 1;
    draw.fillStyle = colourOf(nodes[node].op);
    draw.fillRect(x, y, Math.max(w - (w > 3 ? 1 : 0), 0.6), h);
    if (w > 46) {
      draw.save();
      draw.beginPath();
      draw.rect(x, y, w - 4, h);
      draw.clip();
      draw.globalAlpha = 1;
      draw.fillStyle = "#ffffff";
      draw.fillText(nodes[node].op, Math.max(x, labelWidth) + 6, y + h / 2);
      draw.restore();
    }
  }
  draw.globalAlpha = 1;
  draw.restore();
  data.threads.forEach((thread, index) => {
    draw.fillStyle = style("--ink");
    draw.fillText(index === 0 ? "caller" : "worker", 0, index * rowHeight + rowHeight / 2 - 8);
    draw.fillStyle = style("--faint");
    draw.fillText(`${thread}`, 0, index * rowHeight + rowHeight / 2 + 8);
    draw.fillStyle = style("--line");
    draw.fillRect(0, (index + 1) * rowHeight - 0.5, width, 1);
  });
}
function showAll() {
  view = [0, Math.max(currentRun() ? currentRun().us : 1, 1)];
  drawTimeline();
}
function eventAt(mouse) {
  const box = canvas.getBoundingClientRect(), run = currentRun();
  const us = view[0] + (mouse.clientX - box.left - labelWidth) / (box.width - labelWidth) * (view[1] - view[0]);
  const thread = Math.floor((mouse.clientY - box.top) / rowHeight);
  const slack = (view[1] - view[0]) / (box.width - labelWidth);
  return run.events.find((e) => e[0] === thread && us >= e[2] - slack && us <= e[2] + Math.max(e[3], slack));
}
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = canvas.getBoundingClientRect();
  const share = Math.max(0, (event.clientX - box.left - labelWidth) / (box.width - labelWidth));
  const middle = view[0] + share * (view[1] - view[0]);
  const factor = event.deltaY > 0 ? 1.25 : 0.8;
  const length = Math.min(Math.max((view[1] - view[0]) * factor, 2), currentRun().us);
  const start = Math.max(0, Math.min(middle - share * length, currentRun().us - length));
  view = [start, start + length];
  drawTimeline();
}, {passive: false});
canvas.addEventListener("pointerdown", (event) => {
  dragged = {x: event.clientX, view: [...view]};
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointerup", () => { dragged = null; });
canvas.addEventListener("pointermove", (event) => {
  if (dragged) {
    const length = dragged.view[1] - dragged.view[0];
    const moved = (dragged.x - event.clientX) / (canvas.clientWidth - labelWidth) * length;
    const start = Math.max(0, Math.min(dragged.view[0] + moved, currentRun().us - length));
    view = [start, start + length];
    drawTimeline();
    return;
  }
  const found = eventAt(event);
  if (!found) return hideTip();
  const node = nodes[found[1]];
  showTip(event, [node.name, `${node.op}${found[4] ? ", helping" : ""}: ${found[3]} \u00b5s`, `in ${node.inputs}`, `out ${node.output}`,
                  node.gflops > 0 ? `${digits(node.gflops)} GFLOP/s on average` : ""].filter((line) => line));
});
canvas.addEventListener("pointerleave", hideTip);
canvas.addEventListener("dblclick", showAll);
select.addEventListener("change", showAll);
addEventListener("resize", drawTimeline);

drawThemed(() => {
  showAll();
  const charts = [];
  const shown = byTime.slice(0, 12);
  charts.push(new Chart(element("operators"), {
    type: "bar",
    data: {labels: shown.map((o) => o.op), datasets: [{data: shown.map((o) => o.ms), backgroundColor: shown.map((o) => colourOf(o.op)), borderRadius: 4}]},
    options: {indexAxis: "y", plugins: {legend: {display: false}, tooltip: {callbacks: {
      label: (item) => `${digits(item.raw)} ms, ${(100 * item.raw / meanMs).toFixed(1)} % of a run, ${shown[item.dataIndex].count} nodes`}}}},
  }));
  // Memory by when nodes begin in the median run.
  const run = data.runs[medianRun], points = [];
  for (const [, node, start, , helps] of [...run.events].sort((a, b) => a[2] - b[2])) {
    if (!helps && nodes[node].live_bytes > 0) points.push({x: start / 1000, y: nodes[node].live_bytes / 1048576, node});
  }
  charts.push(new Chart(element("memory"), {
    type: "line",
    data: {datasets: [{data: points, stepped: true, fill: true, pointRadius: 0, pointHitRadius: 8, borderWidth: 1.5, borderColor: style("--accent"), backgroundColor: style("--accent") + "33"}]},
    options: {parsing: false, interaction: {mode: "nearest", axis: "x", intersect: false}, scales: {
      x: {type: "linear", min: 0, max: run.us / 1000, title: {display: true, text: "ms"}}, y: {beginAtZero: true}},
      plugins: {legend: {display: false}, tooltip: {callbacks: {
        title: (items) => nodes[items[0].raw.node].name, label: (item) => `${digits(item.raw.y)} MiB at ${digits(item.raw.x)} ms`}}}},
  }));
  charts.push(new Chart(element("runs"), {
    type: "bar",
    data: {labels: runMs.map((_, index) => index + 1), datasets: [{data: runMs, backgroundColor: style("--accent"), borderRadius: 3, maxBarThickness: 26}]},
    options: {plugins: {legend: {display: false}, tooltip: {callbacks: {label: (item) => `${digits(item.raw)} ms`}}}, scales: {y: {beginAtZero: true}}},
  }));
  return charts;
});

const columns = [
  {title: "Node", text: true, className: "name", value: (n) => n.name, show: (n, cell) => {
    const swatch = make("span", undefined, "swatch");
    swatch.style.background = colourOf(n.op);
    cell.append(swatch, n.name);
    cell.title = n.name;
  }},
  {title: "Operator", text: true, value: (n) => n.op},
  {title: "Inputs", text: true, className: "name", value: (n) => n.inputs, show: (n, cell) => { cell.textContent = cell.title = n.inputs; }},
  {title: "Output", text: true, value: (n) => n.output},
  {title: "ms", value: (n) => n.ms, show: (n, cell) => { cell.textContent = n.ms.toFixed(3); }},
  {title: "% of run", value: (n) => n.total_ms, show: (n, cell) => showShare(cell, n.total_ms / (meanMs * data.runs.length))},
  {title: "GFLOP/s", value: (n) => n.gflops, show: (n, cell) => { cell.textContent = n.gflops > 0 ? digits(n.gflops) : ""; }},
  {title: "% of peak", value: (n) => n.gflops, show: (n, cell) => showShare(cell, n.gflops / machine.gflops)},
  {title: "GB/s", value: (n) => n.gbs, show: (n, cell) => { cell.textContent = n.gbs > 0 ? digits(n.gbs) : ""; }},
  {title: "% of memory", value: (n) => n.gbs, show: (n, cell) => showShare(cell, n.gbs / machine.gbs)},
];
function fillNodes() {
  const wanted = element("search").value.toLowerCase();
  const rows = nodes.filter((n) => n.calls > 0 && `${n.name} ${n.op} ${n.inputs} ${n.output}`.toLowerCase().includes(wanted));
  fillTable(element("nodes"), columns, rows, 4);
}
element("search").addEventListener("input", fillNodes);
fillNodes();
element("legend").textContent =
  `Peak: ${digits(machine.gflops)} GFLOP/s of multiply-adds (${machine.target}), bandwidth: ${digits(machine.gbs)} GB/s read from memory, both measured on ${machine.threads} threads ` +
  "of this machine right after the runs. A node counts the bytes of its inputs, weights and outputs once; from a cache it can move more than memory gives.";
