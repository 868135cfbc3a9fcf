// The page of `attune inspect --memory`. data: see memory_page.h.
const nodes = data.nodes, blocks = data.blocks;
const nameOf = (index) => nodes[index].name || `#${index}`;
const titleOf = (block) => block.name || `scratch memory of ${nameOf(block.first)}`;

element("title").textContent = data.model.split("/").pop();
element("title").title = data.model;
element("sub").textContent = data.description;
const tiles = element("tiles");
const surplus = data.lower_bound_bytes > 0 ? 100 * (data.region_bytes / data.lower_bound_bytes - 1) : 0;
addTile(tiles, mib(data.region_bytes), "the region: memory of intermediate tensors");
addTile(tiles, mib(data.lower_bound_bytes), surplus < 0.05 ? "alive at once: no layout needs less" : `alive at once: ${surplus.toFixed(1)} % less`);
addTile(tiles, mib(data.output_bytes), "outputs");
addTile(tiles, mib(data.packed_weight_bytes), "packed weights");
const pieces = nodes.filter((node) => node.batch_piece > 0).length;
if (pieces > 0) addTile(tiles, `${pieces} of ${nodes.length}`, "nodes go through the batch in pieces");

// A rectangle for each block: from the start of its first node to the end of its last one.
const canvas = element("map"), height = 440, axisWidth = 64;
const frame = () => ({x: (canvas.clientWidth - axisWidth) / Math.max(nodes.length, 1), y: (height - 8) / Math.max(data.region_bytes, 1)});
function boxOf(block) {
  const scale = frame();
  return [axisWidth + block.first * scale.x, height - (block.offset + block.bytes) * scale.y, (block.last - block.first + 1) * scale.x,
          block.bytes * scale.y];
}
function drawMap() {
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth;
  canvas.style.height = height + "px";
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const draw = canvas.getContext("2d");
  draw.scale(ratio, ratio);
  draw.font = "12px " + getComputedStyle(document.body).fontFamily;
  draw.textBaseline = "middle";
  for (let part = 0; part <= 4; ++part) {
    const y = height - data.region_bytes * part / 4 * frame().y;
    draw.fillStyle = style("--line");
    draw.fillRect(axisWidth, Math.min(y, height - 1), width - axisWidth, 1);
    draw.fillStyle = style("--faint");
    draw.fillText(mib(data.region_bytes * part / 4), 0, Math.min(Math.max(y, 8), height - 8));
  }
  for (const block of blocks) {
    const [x, y, w, h] = boxOf(block);
    draw.globalAlpha = block.name ? 1 : 0.55;
    draw.fillStyle = colourOf(nodes[block.first].op);
    draw.fillRect(x, y, Math.max(w - (w > 3 ? 1 : 0), 0.6), Math.max(h - (h > 3 ? 1 : 0), 0.6));
    draw.globalAlpha = 1;
    if (w < 60 || h < 15) continue;
    draw.save();
    draw.beginPath();
    draw.rect(x, y, w - 4, h);
    draw.clip();
    draw.fillStyle = "#ffffff";
    draw.fillText(titleOf(block), x + 6, y + h / 2);
    draw.restore();
  }
}
canvas.addEventListener("pointermove", (event) => {
  const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  const found = blocks.find((block) => {
    const [left, top, w, h] = boxOf(block);
    return x >= left && x < left + w && y >= top && y < top + h;
  });
  if (!found) return hideTip();
  showTip(event, [titleOf(found), `${mib(found.bytes)} at ${mib(found.offset)}`,
                  `from ${nodes[found.first].op} ${nameOf(found.first)}`, `to ${nodes[found.last].op} ${nameOf(found.last)}`]);
});
canvas.addEventListener("pointerleave", hideTip);
addEventListener("resize", drawMap);

fillTable(element("blocks"), [
  {title: "Tensor", text: true, className: "name", value: titleOf},
  {title: "MiB", value: (block) => block.bytes, show: (block, cell) => { cell.textContent = digits(block.bytes / 1048576); }},
  {title: "Address", value: (block) => block.offset, show: (block, cell) => { cell.textContent = mib(block.offset); }},
  {title: "From", text: true, className: "name", value: (block) => block.first, show: (block, cell) => { cell.textContent = nameOf(block.first); }},
  {title: "To", text: true, className: "name", value: (block) => block.last, show: (block, cell) => { cell.textContent = nameOf(block.last); }},
  {title: "Made by", text: true, value: (block) => nodes[block.first].op},
], blocks, 1);

drawThemed(() => {
  drawMap();
  return [new Chart(element("alive"), {
    type: "line",
    data: {
      labels: nodes.map((node, index) => index),
      datasets: [{data: nodes.map((node) => node.live_bytes / 1048576), stepped: "middle", pointRadius: 0, borderWidth: 1.5,
                  borderColor: style("--accent"), backgroundColor: style("--accent") + "33", fill: true}],
    },
    options: {
      interaction: {mode: "index", intersect: false},
      plugins: {legend: {display: false}, tooltip: {callbacks: {title: (items) => `${nodes[items[0].dataIndex].op} ${nameOf(items[0].dataIndex)}`}}},
      scales: {y: {beginAtZero: true}, x: {title: {display: true, text: "node"}}},
    },
  })];
});
