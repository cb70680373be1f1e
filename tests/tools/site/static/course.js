// What moves on the site, with the numbers of lessons 4, 5 and 6: tests/site holds them to these.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

function add(parent, tag, attributes = {}, text = "") {
  const drawn = ["svg", "path", "circle", "ellipse", "rect"].includes(tag);
  const node = drawn ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  parent.append(node);
  return node;
}

function digits(x, n) {
  return x.toLocaleString("en-US", { maximumSignificantDigits: n });
}

// Lesson 5: gradient descent on (w0² + 20 w1²) / 2 from (-4, 1.5), 20 steps
const CURVATURE = [1, 20], START = [-4, 1.5], N_MOVES = 20;

function descend(rate) {
  const path = [START];
  for (let n = 0; n < N_MOVES; n++) path.push(path[n].map((w, i) => w - rate * CURVATURE[i] * w));
  return path;
}

function height(w) {
  return (CURVATURE[0] * w[0] ** 2 + CURVATURE[1] * w[1] ** 2) / 2;
}

function valley(box) {
  const label = add(box, "label", { style: "display: block" }, "learning rate: ");
  const shown = add(label, "span");
  const limits = { min: 0.001, max: 0.11, step: 0.0005, value: 0.005 };
  const rate = add(label, "input", { type: "range", ...limits });
  const picture = add(box, "svg", { viewBox: "-5 -2.4 10 4.8", role: "img" });
  for (const level of [0.5, 2, 5, 10, 17, 26, 38, 52]) {
    const [rx, ry] = CURVATURE.map((c) => Math.sqrt((2 * level) / c));
    add(picture, "ellipse", { rx, ry, class: "level" });
  }
  const drawn = [];
  const said = add(box, "p", { role: "status" });
  const why = add(box, "p");

  function update() {
    const path = descend(rate.valueAsNumber);
    const [first, last] = [height(path[0]), height(path[N_MOVES])];
    picture.setAttribute("class", last < first ? "down" : "up");
    drawn.splice(0).forEach((node) => node.remove());
    const line = path.map((w) => w.join(" ")).join(" L ");
    drawn.push(add(picture, "path", { d: `M ${line}`, class: "walk" }));
    for (const [cx, cy] of path) drawn.push(add(picture, "circle", { cx, cy, r: 0.09 }));
    const size = { x: START[0] - 0.13, y: START[1] - 0.13, width: 0.26, height: 0.26 };
    drawn.push(add(picture, "rect", { ...size, fill: "currentColor" }));
    const [a, b] = CURVATURE.map((c) => (1 - rate.valueAsNumber * c).toFixed(3));
    const losses = `loss ${first.toFixed(1)} to ${digits(last, 3)}`;
    shown.textContent = rate.value;
    said.textContent = `rate ${rate.value}: ${losses} in ${N_MOVES} steps`;
    why.textContent =
      `Each step multiplies the position along the valley by ${a}, and across it by ${b}.`;
    const words = `A valley, steep across and flat along, and the walker's path: ${losses}.`;
    picture.setAttribute("aria-label", words);
  }
  rate.addEventListener("input", update);
  update();
}

// Lesson 6: LoRA's weights are r (in + out) for each matrix; 4 bytes each in fp32, 2 in bf16
function calculator(box) {
  const { ranks, models } = JSON.parse(box.dataset.models);
  const choose = (name, options, value) => {
    const select = add(add(box, "label", {}, name), "select");
    for (const option of options) add(select, "option", {}, option);
    select.value = value;
    select.addEventListener("change", update);
    return select;
  };
  const model = choose("model", Object.keys(models), Object.keys(models)[0]);
  const rank = choose("rank r", ranks, 32);
  const names = add(box, "div", { role: "group", "aria-label": "target modules" });
  const said = add(box, "p", { role: "status" });
  const table = add(box, "table");
  const ticks = {}; // kept when the model changes
  const number = (x) => x.toLocaleString("en-US");
  const megabytes = (x) =>
    (x / 1e6).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

  function update() {
    const { n_base, chosen, modules } = models[model.value];
    const all = [...new Set(modules.map((module) => module[0]))];
    names.replaceChildren();
    for (const name of all) {
      ticks[name] ??= chosen.includes(name);
      const label = add(names, "label");
      const tick = add(label, "input", { type: "checkbox", name });
      label.append(name);
      tick.checked = ticks[name];
      tick.addEventListener("change", () => {
        ticks[name] = tick.checked;
        count();
      });
    }
    count();

    function count() {
      let total = 0;
      table.replaceChildren();
      const head = add(add(table, "thead"), "tr");
      const titles = ["matrix", "in → out", "how many", `weights at r = ${rank.value}`];
      for (const title of titles) add(head, "th", { scope: "col" }, title);
      const body = add(table, "tbody");
      for (const [name, n_in, n_out, n] of modules.filter((module) => ticks[module[0]])) {
        const weights = n * rank.value * (n_in + n_out);
        total += weights;
        const line = add(body, "tr");
        const cells = [name, `${number(n_in)} → ${number(n_out)}`, n, number(weights)];
        for (const cell of cells) add(line, "td", {}, cell);
      }
      table.hidden = total === 0;
      const bytes = `${megabytes(4 * total)} MB in fp32, ${megabytes(2 * total)} MB in bf16`;
      const share = `${((100 * total) / n_base).toFixed(2)} % of the base's ${number(n_base)}`;
      said.textContent = total
        ? `${number(total)} weights: ${bytes}; ${share}`
        : "✗ no target module chosen: tick at least one";
    }
  }
  update();
}

// Lesson 4: what Pocket Llama believes of a text's price. nats: −10,000 ln p of 0, 1, … 999 dollars
function atTemperature(nats, temperature) {
  const least = Math.min(...nats);
  const raised = nats.map((n) => Math.exp((least - n) / 10000 / temperature));
  const total = raised.reduce((a, b) => a + b);
  return raised.map((p) => p / total);
}

function firstAbove(belief, share) {
  let total = 0;
  return belief.findIndex((p) => (total += p) >= share);
}

function read(belief) {
  const mean = belief.reduce((sum, p, price) => sum + p * price, 0);
  return { mostLikely: belief.indexOf(Math.max(...belief)), median: firstAbove(belief, 0.5), mean };
}

function beliefs(box) {
  const texts = JSON.parse(box.dataset.beliefs);
  const chosen = ["first", "second"].map((which, n) => {
    const select = add(add(box, "label", {}, `${which} text`), "select");
    for (const { name } of texts) add(select, "option", {}, name);
    select.selectedIndex = n;
    select.addEventListener("change", update);
    return { which, select, shown: add(box, "p", { class: which }) };
  });
  const label = add(box, "label", { style: "display: block" }, "temperature: ");
  const number = add(label, "span");
  const limits = { min: 0.1, max: 3, step: 0.1, value: 1 };
  const temperature = add(label, "input", { type: "range", ...limits });
  temperature.addEventListener("input", update);
  const highest = add(box, "p", { class: "unit" });
  const picture = add(box, "svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none" });
  picture.setAttribute("role", "img");
  const axis = add(box, "div", { class: "axis", "aria-hidden": "true" });
  add(box, "p", { class: "unit" }, "price (dollars); the upright lines are the medians");
  const said = add(box, "p", { role: "status" });

  function update() {
    number.textContent = temperature.valueAsNumber.toFixed(1);
    const found = chosen.map(({ select }) => {
      const { nats } = texts[select.selectedIndex];
      return atTemperature(nats, temperature.valueAsNumber);
    });
    const words = chosen.map(({ select }) => texts[select.selectedIndex].text.split(" "));
    chosen.forEach(({ shown }, n) => {
      shown.replaceChildren();
      for (const word of words[n]) {
        add(shown, words[1 - n].includes(word) ? "span" : "b", {}, word);
        shown.append(" ");
      }
    });
    draw(found);
    const prices = found.map(read);
    const each = prices.map(({ mostLikely, median, mean }, n) => {
      const name = ["First", "Second"][n];
      return `${name}: most likely $${mostLikely}, median $${median}, mean $${mean.toFixed(0)}.`;
    });
    const moved = prices[1].median - prices[0].median;
    const sign = moved < 0 ? "−" : "+";
    said.textContent = `${each.join(" ")} The median moves by ${sign}$${Math.abs(moved)}.`;
    picture.setAttribute("aria-label", `Two beliefs over prices. ${said.textContent}`);
  }

  function draw(found) {
    const low = Math.min(...found.map((belief) => firstAbove(belief, 0.01)));
    const high = Math.max(...found.map((belief) => firstAbove(belief, 0.99)));
    const room = Math.max(10, (high - low) / 6);
    const [from, to] = [Math.max(0, low - room), Math.min(999, high + room)];
    const top = Math.max(...found.flat());
    const x = (price) => (100 * (price - from)) / (to - from);
    picture.replaceChildren();
    found.forEach((belief, n) => {
      const { which } = chosen[n];
      const line = belief.map((p, price) => `${x(price)} ${100 - (95 * p) / top}`).join(" L ");
      add(picture, "path", { d: `M ${line}`, class: which });
      const median = x(firstAbove(belief, 0.5));
      add(picture, "path", { d: `M ${median} 100 V 0`, class: `${which} median` });
    });
    highest.textContent = `probability; the highest peak is ${digits(100 * top, 2)} %`;
    axis.replaceChildren();
    const step = [10, 20, 50, 100, 200].find((size) => (to - from) / size <= 6);
    for (let price = Math.ceil(from / step) * step; price <= to; price += step)
      add(axis, "span", { style: `left: ${x(price)}%` }, price);
  }
  update();
}

const MOVING = { valley, calculator, beliefs };
for (const box of document.querySelectorAll("[data-course]")) MOVING[box.dataset.course](box);
