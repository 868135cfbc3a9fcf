// What pages share: colours, numbers, sortable tables. Texts come from models: only textContent takes them.
const palette = ["#4c78d0", "#e8853d", "#3fa796", "#c65b7c", "#8a6fd1", "#b59a2d", "#5aa1d8", "#7f9a48", "#d1605e",
                 "#8c7b6b", "#4fb3bf", "#a86bb5"];
const colours = new Map();
function colourOf(name) {
  if (!colours.has(name)) colours.set(name, palette[colours.size % palette.length]);
  return colours.get(name);
}
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const element = (id) => document.getElementById(id);
function make(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}
const digits = (x) => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x >= 1 ? x.toFixed(2) : x.toFixed(3));
const mib = (bytes) => (bytes / 1048576 >= 100 ? (bytes / 1048576).toFixed(0) : (bytes / 1048576).toFixed(2)) + " MiB";

function addTile(parent, value, label) {
  const tile = make("div", undefined, "tile");
  tile.append(make("b", value), make("span", label));
  parent.append(tile);
}

// columns: {title, text: true for words, value(row), show(row, cell)}; a click on a title sorts. `styleRow(line, row)`
// sees each line that is made.
function fillTable(table, columns, rows, sorted, {ascending = false, styleRow = () => {}} = {}) {
  let order = sorted, descending = !ascending;
  const head = make("tr"), body = make("tbody");
  function draw() {
    const key = columns[order].value;
    const ordered = [...rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      return (x < y ? -1 : x > y ? 1 : 0) * (descending ? -1 : 1);
    });
    body.replaceChildren(...ordered.map((row) => {
      const line = make("tr");
      for (const column of columns) {
        const cell = make("td", undefined, (column.text ? "text " : "") + (column.className || ""));
        if (column.show) column.show(row, cell); else cell.textContent = column.value(row);
        line.append(cell);
      }
      styleRow(line, row);
      return line;
    }));
  }
  columns.forEach((column, index) => {
    const title = make("th", column.title, column.text ? "text" : "");
    title.onclick = () => {
      descending = order === index ? !descending : !column.text;
      order = index;
      draw();
    };
    head.append(title);
  });
  const header = make("thead");
  header.append(head);
  table.replaceChildren(header, body);
  draw();
}

function showShare(cell, share) {
  if (!(share > 0)) return;
  cell.append((100 * share).toFixed(1));
  const meter = make("span", undefined, "meter"), bar = make("i");
  bar.style.width = Math.min(100, 100 * share) + "%";
  meter.append(bar);
  cell.append(meter);
}

function styleCharts() {
  Chart.defaults.color = style("--faint");
  Chart.defaults.borderColor = style("--line");
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
}
// Draws now and whenever the reader's system turns dark or light; returns the function that draws again.
function drawThemed(draw) {
  let charts = [];
  const redraw = () => {
    charts.forEach((chart) => chart.destroy());
    styleCharts();
    charts = draw() || [];
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  redraw();
  return redraw;
}
function showTip(event, lines) {
  const tip = element("tip");
  tip.replaceChildren(make("b", lines[0]), ...lines.slice(1).map((line) => make("div", line)));
  tip.style.display = "block";
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 12)) + "px";
  tip.style.top = Math.max(4, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 12)) + "px";
}
const hideTip = () => { element("tip").style.display = "none"; };
