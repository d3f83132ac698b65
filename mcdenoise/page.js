"use strict";
const at = id => document.getElementById(id);
const content = JSON.parse(at("content").textContent);
const view = at("view"), pen = view.getContext("2d");

// ---- pixels: float16 as it comes, looked up in tables of its 65536 values ----

const VALUE = Float32Array.from({ length: 65536 }, (_, bits) => {
  const sign = bits & 0x8000 ? -1 : 1, power = bits >> 10 & 31, rest = bits & 1023;
  if (power === 31) return rest ? NaN : sign * Infinity;
  return sign * (power ? (1024 + rest) * 2 ** (power - 25) : rest * 2 ** -24);
});
const LEAST = 1e-5, EPSILON = 0.01; // of the error map and of relMSE
// Of matplotlib's magma.
const COLORS = [[0, 0, 4], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]];

/** What the screen shows of each float16, as mcdenoise.metrics.tone_map has it. */
function toneTable(stops) {
  const shown = value => 255 * (1 - 1 / (1 + Math.max(value * 2 ** stops, 0))) ** (1 / 2.2);
  return Uint8ClampedArray.from(VALUE, shown);
}

/** 256 colors from black to yellow. */
const GRADIENT = Array.from({ length: 256 }, (_, i) => {
  const place = i / 255 * (COLORS.length - 1), low = Math.min(Math.floor(place), COLORS.length - 2);
  return COLORS[low].map((value, c) => value + (place - low) * (COLORS[low + 1][c] - value));
});

/** The color of an error: black up to LEAST, yellow from 1 on. */
function errorColor(error) {
  const share = 1 - Math.log(Math.min(Math.max(error, LEAST), 1)) / Math.log(LEAST);
  return GRADIENT[Math.round(255 * share)] ?? GRADIENT[255]; // no number is as wrong as can be
}

/** A canvas of the frame's size; `fill(bytes, i)` sets what is shown of pixel i. */
function painted([width, height], fill) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    fill(image.data, i);
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function exposed(halves, size, table) {
  return painted(size, (bytes, i) => {
    bytes[4 * i] = table[halves[3 * i]];
    bytes[4 * i + 1] = table[halves[3 * i + 1]];
    bytes[4 * i + 2] = table[halves[3 * i + 2]];
  });
}

function mapped(size, error) {
  return painted(size, (bytes, i) => bytes.set(errorColor(error(i)), 4 * i));
}

/** (f - r)² / (r² + 0.01) of each pixel, mean of the channels. */
function relativeError(halves, reference, scale) {
  return i => {
    let sum = 0;
    for (let c = 3 * i; c < 3 * i + 3; c++) {
      const r = VALUE[reference[c]] / scale;
      sum += (VALUE[halves[c]] / scale - r) ** 2 / (r ** 2 + EPSILON);
    }
    return sum / 3;
  };
}

// ---- what is compared ----

let shown = null;            // as mcdenoise.page.described says it
let loaded = new Map();      // URL -> Promise of its float16
let developed = {};          // left, right -> canvas
let developments = 0;        // begun so far; only the last one counts
let place = { zoom: 1, x: 0, y: 0, fits: true }; // screen pixels per pixel; the pixel in the middle

function pixels(url) {
  if (!loaded.has(url)) {
    loaded.set(url, fetch(url).then(async answer => {
      if (!answer.ok) throw new Error("the pictures are gone; take the frame again");
      return new Uint16Array(await answer.arrayBuffer());
    }));
  }
  return loaded.get(url);
}

const named = name => shown.pictures.find(picture => picture.name === name);

/** The maps that there are for one of the two pictures, by what they are called in `Show`. */
function maps() {
  const chosen = [named(at("left").value), named(at("right").value)];
  const compared = named(shown.reference) && chosen.some(picture => picture.name !== shown.reference);
  return [...(compared ? ["error"] : []), ...(chosen.some(picture => picture.expected) ? ["expected error"] : [])];
}

function fill(select, names, usual) {
  const before = select.value;
  select.replaceChildren(...names.map(name => new Option(name)));
  select.value = names.includes(before) ? before : usual;
}

async function present(described) {
  shown = described;
  loaded = new Map();
  developed = {};
  const names = shown.pictures.map(picture => picture.name);
  fill(at("left"), names, shown.shown[0]);
  fill(at("right"), names, shown.shown[1]);
  document.title = `${shown.title}: mcdenoise`;
  at("title").textContent = shown.title;
  at("remark").textContent = shown.remark;
  at("download").hidden = !shown.download;
  if (shown.download) [at("download").href, at("download").download] = shown.download;
  fillTable();
  view.style.aspectRatio = shown.size.join("/");
  at("compare").hidden = false;
  place.fits = true;
  await develop();
}

function fillTable() {
  const line = (words, first) => {
    const row = document.createElement("tr");
    row.append(...words.map((word, i) => {
      const cell = document.createElement((first || !i) && word ? "th" : "td");
      if (cell.tagName === "TH") cell.scope = first ? "col" : "row";
      cell.textContent = word;
      return cell;
    }));
    return row;
  };
  const head = document.createElement("thead"), body = document.createElement("tbody");
  head.append(...shown.table.slice(0, 1).map(words => line(words, true)));
  body.append(...shown.table.slice(1).map(words => line(words, false)));
  at("scores").replaceChildren(head, body);
}

/** Make both canvases anew: after another choice or exposure. The view is busy until they are drawn. */
async function develop() {
  view.ariaBusy = "true";
  fill(at("show"), ["picture", ...maps()], "picture");
  at("show").disabled = at("show").options.length === 1;
  const table = toneTable(Number(at("exposure").value)), kind = at("show").value;
  const made = {}, mine = ++developments;
  for (const side of ["left", "right"]) made[side] = await canvasOf(named(at(side).value), kind, table);
  if (mine !== developments) return;
  developed = made;
  at("legend").hidden = kind === "picture";
  for (const side of ["left", "right"]) at(`on-${side}`).textContent = caption(side, kind);
  draw();
  view.ariaBusy = "false";
}

async function canvasOf(picture, kind, table) {
  const { size, scale } = shown;
  const halves = await pixels(picture.pixels);
  if (kind === "expected error" && picture.expected) {
    const errors = await pixels(picture.expected);
    return mapped(size, i => VALUE[errors[i]]);
  }
  if (kind === "error" && picture.name !== shown.reference) {
    return mapped(size, relativeError(halves, await pixels(named(shown.reference).pixels), scale));
  }
  return exposed(halves, size, table);
}

function caption(side, kind) {
  const picture = named(at(side).value);
  const isMap = kind === "expected error" ? picture.expected : kind === "error" && picture.name !== shown.reference;
  return isMap ? `${picture.name}: ${kind}` : picture.name;
}

// ---- drawing ----

function draw() {
  const ratio = devicePixelRatio || 1;
  view.width = Math.max(Math.round(view.clientWidth * ratio), 1);
  view.height = Math.max(Math.round(view.clientHeight * ratio), 1);
  if (!developed.left) return;
  const [width, height] = shown.size;
  if (place.fits) {
    place = { zoom: Math.min(view.width / width, view.height / height), x: width / 2, y: height / 2, fits: true };
  }
  place.x = Math.min(Math.max(place.x, 0), width);
  place.y = Math.min(Math.max(place.y, 0), height);
  const bar = view.width * at("split").value / 100;
  pen.imageSmoothingEnabled = place.zoom < 1;
  pen.imageSmoothingQuality = "high";
  drawSide(developed.left, 0, bar);
  drawSide(developed.right, bar, view.width);
  pen.fillStyle = "#fff";
  pen.fillRect(bar - ratio, 0, 2 * ratio, view.height);
  tell();
}

function drawSide(canvas, from, to) {
  pen.save();
  pen.beginPath();
  pen.rect(from, 0, to - from, view.height);
  pen.clip();
  const [x, y] = [view.width / 2 - place.x * place.zoom, view.height / 2 - place.y * place.zoom];
  pen.drawImage(canvas, x, y, canvas.width * place.zoom, canvas.height * place.zoom);
  pen.restore();
}

/** In words what is seen. */
function tell() {
  const stops = Number(at("exposure").value), percent = `${Math.round(100 * place.zoom)} %`;
  at("stops").textContent = `${stops > 0 ? "+" : ""}${stops} stops`;
  at("exposure").setAttribute("aria-valuetext", at("stops").textContent);
  at("percent").textContent = percent;
  const sides = `${at("on-left").textContent} left of the bar, ${at("on-right").textContent} right of it`;
  view.setAttribute("aria-label", `${shown.title}: ${sides}, ${percent}`);
  at("split").setAttribute("aria-valuetext", `${Math.round(at("split").value)} % ${at("on-left").textContent}`);
}

// ---- moving about ----

/** Zoom by `factor` with the point x, y of the canvas (screen pixels) where it is. */
function zoom(factor, x = view.width / 2, y = view.height / 2) {
  const to = Math.min(Math.max(place.zoom * factor, 1 / 64), 64);
  const keep = 1 / place.zoom - 1 / to;
  const [dx, dy] = [(x - view.width / 2) * keep, (y - view.height / 2) * keep];
  place = { zoom: to, x: place.x + dx, y: place.y + dy, fits: false };
  draw();
}

function pan(dx, dy) {
  place = { ...place, x: place.x - dx / place.zoom, y: place.y - dy / place.zoom, fits: false };
  draw();
}

function fit() { place.fits = true; draw(); }

function nudge(id, by) {
  at(id).valueAsNumber += by;
  at(id).dispatchEvent(new Event("input"));
}

const fingers = new Map();
let dragsBar = false;

function spot(event) {
  const box = view.getBoundingClientRect(), ratio = view.width / view.clientWidth;
  return [(event.clientX - box.left - view.clientLeft) * ratio, (event.clientY - box.top - view.clientTop) * ratio];
}

const nearBar = (x, reach) => Math.abs(x - view.width * at("split").value / 100) < reach * (devicePixelRatio || 1);

/** The middle of all fingers and how far the first two are apart. */
function grip() {
  const [a, b = a] = fingers.values();
  return { x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, apart: Math.hypot(a[0] - b[0], a[1] - b[1]) };
}

view.onpointerdown = event => {
  view.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, spot(event));
  dragsBar = fingers.size === 1 && nearBar(spot(event)[0], event.pointerType === "touch" ? 24 : 10);
};
view.onpointermove = event => {
  if (!fingers.has(event.pointerId)) {
    view.style.cursor = nearBar(spot(event)[0], 10) ? "ew-resize" : "grab";
    return;
  }
  const before = grip();
  fingers.set(event.pointerId, spot(event));
  const after = grip();
  if (dragsBar) {
    at("split").value = 100 * after.x / view.width;
    draw();
    return;
  }
  pan(after.x - before.x, after.y - before.y);
  if (before.apart && after.apart) zoom(after.apart / before.apart, after.x, after.y);
};
view.onpointerup = view.onpointercancel = event => fingers.delete(event.pointerId);
view.addEventListener("wheel", event => {
  event.preventDefault();
  zoom(1.0015 ** -(event.deltaMode ? 33 * event.deltaY : event.deltaY), ...spot(event));
}, { passive: false });

const KEYS = {
  ArrowLeft: () => pan(80, 0), ArrowRight: () => pan(-80, 0), ArrowUp: () => pan(0, 80), ArrowDown: () => pan(0, -80),
  "+": () => zoom(2), "=": () => zoom(2), "-": () => zoom(1 / 2), "0": fit,
  "[": () => nudge("split", -5), "]": () => nudge("split", 5),
  ",": () => nudge("exposure", -0.5), ".": () => nudge("exposure", 0.5),
  e: () => {
    const show = at("show");
    show.selectedIndex = (show.selectedIndex + 1) % show.options.length;
    develop();
  },
};
view.onkeydown = event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const right = at("right").options[event.key - 1];
  const act = right ? () => { at("right").value = right.value; develop(); } : KEYS[event.key];
  if (act) { event.preventDefault(); act(); }
};

for (const id of ["left", "right", "show", "exposure"]) at(id).oninput = develop;
at("split").oninput = draw;
at("fit").onclick = fit;
at("one").onclick = () => zoom(1 / place.zoom);
at("larger").onclick = () => zoom(2);
at("smaller").onclick = () => zoom(1 / 2);
new ResizeObserver(draw).observe(view);

// ---- only where `mcdenoise demo` serves the page: files go there, and come back denoised ----

const ROLES = ["frame", "half", "reference"];
let running = null, token = "";

function say(text, error = "") {
  at("status").textContent = text;
  at("error").textContent = error;
  at("progress").hidden = !text;
}

/** What the program says of a file, a line of JSON at a time. */
async function* answers(role, file, signal) {
  const where = role === "frame" ? "/frame" : `/${role}/${token}`;
  const answer = await fetch(`${where}?name=${encodeURIComponent(file.name)}`, { method: "PUT", body: file, signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = "", part; !(part = await reader.read()).done;) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    yield* lines.map(line => JSON.parse(line));
  }
}

async function take(role, file) {
  running?.abort();
  const mine = running = new AbortController();
  try {
    if (file.size > content.demo.most) {
      const size = `${Math.ceil(file.size / 2 ** 20)} MiB, more than this page takes`;
      throw new Error(`${file.name}: has ${size}; use mcdenoise in a terminal`);
    }
    say(`${file.name} ...`);
    for await (const event of answers(role, file, mine.signal)) {
      if (event.error) throw new Error(event.error);
      if (event.token) token = event.token;
      if (event.step) step(event);
      if (event.shown) await arrived(role, event.shown);
    }
    say("");
  } catch (error) {
    if (running !== mine) return; // another file took its place
    if (role !== "frame") at(role).value = "";
    failed(error);
  }
}

function failed(error) {
  say("", error instanceof TypeError ? "mcdenoise demo doesn't answer; start it again" : error.message);
}

/** Take a frame that was dropped, and show its name in the field. */
function choose(file) {
  const list = new DataTransfer();
  list.items.add(file);
  at("frame").files = list.files;
  return take("frame", file);
}

function step({ step, done, of }) {
  const bar = at("progress");
  at("status").textContent = of ? `${step}: ${done} of ${of} tiles` : step;
  if (of) [bar.max, bar.value] = [of, done];
  else bar.removeAttribute("value");
}

async function arrived(role, described) {
  if (role === "frame") at("half").value = at("reference").value = "";
  for (const other of ["half", "reference"]) at(other).disabled = false;
  await present(described);
}

function prepareDemo() {
  at("inputs").hidden = false;
  at("example").hidden = !content.demo.example;
  for (const role of ROLES) {
    at(role).onchange = () => at(role).files[0] && take(role, at(role).files[0]);
    at(role).onclick = () => { at(role).value = ""; }; // so that a file that was rendered anew can be chosen again
  }
  at("example").onclick = () => fetch("/example.exr")
    .then(async answer => choose(new File([await answer.blob()], "example.exr")), failed);
  const overInput = event => event.target.type === "file" && !event.target.disabled;
  document.ondragover = event => {
    at("inputs").classList.add("over");
    if (!overInput(event)) event.preventDefault();
  };
  document.ondragleave = document.ondragend = () => at("inputs").classList.remove("over");
  document.ondrop = event => {
    at("inputs").classList.remove("over");
    if (overInput(event)) return; // the field takes it by itself
    event.preventDefault();
    if (event.dataTransfer.files[0]) choose(event.dataTransfer.files[0]);
  };
}

if (content.demo) prepareDemo(); else present(content);
