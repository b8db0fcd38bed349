// The labelling page. The server has the truth; an answer counts as given when the server says it is on disk.
const address = new URL(location.href);
const token = address.searchParams.get("token") ?? "";
const annotator = address.searchParams.get("annotator") ?? "";
const $ = (id) => document.getElementById(id);
const LETTERS = "qwertyuiopasdfghjklxcvbnm";  // z zooms
const AHEAD = 3;

let state = { items: [], classes: [] };
let at = -1;               // place of the item that is shown
let shownAt = 0;           // when its image was there
let ready = false;         // whether its image is there: nobody labels what he has not seen
let saving = false;
let choosing = false;      // whether a reason for a skip is asked
let finished = false;
const history = [];        // keys of the items answered in this window, for undo
const times = [];          // when answers were given, for the pace
const images = new Map();  // preloaded

const query = () => new URLSearchParams(annotator ? { token, annotator } : { token });
const imageOf = (item) => `image/${item.key}?${new URLSearchParams({ token })}`;
const done = (item) => item.mine !== null || (state.mode === "label" && state.overlap === 1 && item.state !== "open");
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function call(path, message) {
  const options = { headers: { "x-autoal-token": token }, cache: "no-store" };
  if (message !== undefined) {
    options.method = "POST";
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(message);
  }
  const response = await fetch(`${path}?${query()}`, options);
  let body = {};
  try { body = await response.json(); } catch { body = { error: `status ${response.status}` }; }
  return { status: response.status, body };
}

function notice(text, mild = false) {
  $("notice").hidden = !text;
  $("notice").textContent = text;
  $("notice").classList.toggle("mild", mild);
}

// --- state ------------------------------------------------------------------------------------------------

async function load() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      const { status, body } = await call("api/query");
      if (status === 200) { notice(""); take(body); return true; }
      notice(body.error);
      if (status === 403) return false;
    } catch { notice("no connection to the server; trying again (nothing is lost)"); }
    await pause(wait);
  }
}

function take(fresh) {
  const key = state.items[at]?.key;
  const before = state;
  state = fresh;
  if (String(before.classes) !== String(state.classes)) drawClasses();
  at = state.items.findIndex((item) => item.key === key);
  draw();
}

function nextOpen(from) {
  for (let i = 1; i <= state.items.length; i++) {
    const place = (from + i + state.items.length) % state.items.length;
    if (!done(state.items[place])) return place;
  }
  return -1;
}

async function advance() {
  let place = nextOpen(at);
  const tried = new Set();
  while (place >= 0 && !tried.has(place)) {
    tried.add(place);
    const item = state.items[place];
    let taken = null;
    try { taken = (await call("api/lease", { key: item.key })).body.taken_by; } catch { /* shown all the same */ }
    if (!taken) return show(place);
    let next = place;
    do { next = (next + 1) % state.items.length; } while (next !== place && done(state.items[next]));
    place = next;
  }
  if (place >= 0) { notice("others are working on what is left; you will get it if they leave it", true); }
  return finish();
}

// --- drawing ----------------------------------------------------------------------------------------------

function drawClasses() {
  $("classes").replaceChildren(...state.classes.map((name, i) => {
    const button = document.createElement("button");
    const key = i < 9 ? String(i + 1) : LETTERS[i - 9];
    if (key) {
      const label = document.createElement("kbd");
      label.textContent = key;
      button.append(label);
      button.dataset.key = key;
    }
    button.append(name);
    button.type = "button";
    button.dataset.label = name;
    button.addEventListener("click", () => answer({ action: "label", label: name }));
    return button;
  }));
  $("filter").hidden = state.classes.length <= 12;
}

function draw() {
  const item = state.items[at];
  const given = state.items.filter(done).length;
  $("title").textContent = state.query ? `${state.mode === "label" ? "query" : state.mode} ${state.query}` : "AutoAL";
  $("who").textContent = state.annotator ?? "";
  $("count").textContent = `${given} of ${state.items.length}` + (state.skipped ? `, ${state.skipped} skipped` : "");
  $("bar").setAttribute("aria-valuemax", state.items.length);
  $("bar").setAttribute("aria-valuenow", given);
  $("fill").style.width = `${state.items.length ? 100 * given / state.items.length : 0}%`;
  $("pace").textContent = pace(state.items.length - given);
  document.title = `${given}/${state.items.length} AutoAL`;
  const mine = item?.mine;
  $("name").textContent = item?.id ?? "";
  const votes = Array.isArray(item?.others) && item.others.length ? `others: ${item.others.join(", ")}  ` : "";
  $("given").textContent = votes + (!mine ? "" : mine.action === "label" ? `✓ ${mine.label}`
    : `skipped${mine.reason ? `: ${mine.reason.replaceAll("_", " ")}` : ""}`);
  for (const button of $("classes").children) {
    const chosen = mine?.action === "label" && mine.label === button.dataset.label;
    button.classList.toggle("chosen", chosen);
    button.setAttribute("aria-pressed", chosen);
  }
  $("suggestion").hidden = !item?.suggestion;
  if (item?.suggestion) {
    $("suggestion").textContent = `suggestion: ${item.suggestion} (${Math.round(100 * item.prob)}%), Enter accepts`;
  }
  $("advice").hidden = !state.advice;
  $("advice").querySelector("p").textContent = state.advice ?? "";
  $("reasons").hidden = !choosing;
  $("classes").hidden = choosing;
}

function pace(left) {
  const last = times.slice(-20);
  if (last.length < 5) return "";
  const each = (last.at(-1) - last[0]) / (last.length - 1) / 1000;
  return `${Math.round(60 / each)} per minute, ${Math.max(1, Math.round(left * each / 60))} min left`;
}

function preload(place) {
  let i = place;
  for (let n = 0; n < AHEAD && i >= 0; n++) {
    i = nextOpen(i);
    const item = state.items[i];
    if (!item || images.has(item.key)) continue;
    const image = new Image();
    image.src = imageOf(item);
    images.set(item.key, image);
  }
  for (const key of [...images.keys()].slice(0, -20)) images.delete(key);
}

function show(place) {
  const item = state.items[place];
  if (!item) return;
  at = place;
  finished = choosing = ready = false;
  $("done").hidden = true;
  document.querySelector("main").hidden = false;
  $("stage").classList.remove("zoomed");
  const image = $("image");
  const there = () => {
    if (state.items[at]?.key !== item.key || ready) return;
    ready = true;
    shownAt = performance.now();
    image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) <= 160);
    preload(place);
  };
  image.onload = there;
  image.onerror = () => {
    if (state.items[at]?.key === item.key) { ready = true; shownAt = performance.now(); notice(`${item.id} can't be shown; skip it as broken`, true); }
  };
  image.alt = item.id;
  image.src = imageOf(item);
  draw();
}

function finish() {
  finished = true;
  at = -1;
  document.querySelector("main").hidden = true;
  $("done").hidden = false;
  $("look").hidden = state.items.length === 0;
  if (!state.query) { $("done-title").textContent = "Nothing is asked yet"; $("done-text").textContent = ""; }
  else if (state.disputed && state.mode === "label") {
    $("done-title").textContent = "All answered";
    $("done-text").textContent = `Annotators differ on ${state.disputed} images: autoal label RUN --disputed decides.`;
  } else {
    $("done-title").textContent = state.complete ? "All done" : "Nothing left for you";
    $("done-text").textContent = state.complete
      ? `${state.labelled} labelled, ${state.skipped} skipped. Every answer is on disk.\nNow continue the run: python train.py resume=RUN`
        + (state.advice ? `\n\nIs it worth going on? ${state.advice}.` : "")
      : "Others still have images to answer. This page looks again by itself.";
  }
  draw();
}

// --- answering --------------------------------------------------------------------------------------------

async function answer(what) {
  const item = state.items[at];
  if (!item || saving || finished) return;
  if (!ready && what.action !== "retract") return;
  saving = true;
  choosing = false;
  document.body.classList.add("busy");
  const seconds = Math.min((performance.now() - shownAt) / 1000, 86400);
  const message = { ...what, key: item.key, expects: item.stamp, external: `page:${randomKey()}` };
  if (what.action !== "retract") message.seconds = Math.round(1000 * seconds) / 1000;
  // Until the next image is asked for, no key counts: the one on the screen has been answered.
  try {
    const saved = await send(message);
    if (!saved) { await load(); if (at >= 0) draw(); return; }
    const first = item.mine === null;
    if (saved.item) Object.assign(item, saved.item);
    if (what.action === "retract") { draw(); return; }
    history.push(item.key);
    if (first) times.push(performance.now());
    if (saved.n !== state.items.length || what.action === "skip" || nextOpen(at) < 0) await load();
    $("filter").value = "";
    filter();
    await advance();
  } finally {
    saving = false;
    document.body.classList.remove("busy");
  }
}

// Returns what the server says, or null where somebody else was faster. Never gives up: the key that the message
// carries makes a repetition harmless.
async function send(message) {
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      const { status, body } = await call("api/answer", message);
      if (status === 200) { notice(""); return body; }
      if (status === 409) { notice(body.error, true); return null; }
      if (status === 422 || status === 403) { notice(body.error); return null; }
      notice(`not saved: ${body.error}; trying again`);
    } catch { notice("not saved: no connection to the server; trying again"); }
    await pause(wait);
  }
}

function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

async function undo() {
  const key = history.pop();
  if (!key || saving) return;
  const place = state.items.findIndex((item) => item.key === key);
  if (place < 0) return;
  times.pop();
  show(place);
  await answer({ action: "retract" });
}

function look(step) {
  if (finished) { if (state.items.length) show(step < 0 ? state.items.length - 1 : 0); return; }
  const place = at + step;
  if (place >= 0 && place < state.items.length) show(place);
}

function skip(reason) {
  if (reason === "cancel") { choosing = false; draw(); return; }
  answer({ action: "skip", reason: reason || null });
}

function filter() {
  const text = $("filter").value.trim().toLowerCase();
  for (const button of $("classes").children) {
    button.hidden = text !== "" && !button.dataset.label.toLowerCase().includes(text);
  }
}

// --- keys -------------------------------------------------------------------------------------------------

const REASONS = { u: "unsure", n: "none_of_these", b: "broken", " ": "", Escape: "cancel" };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || $("help").open) return;
  if (event.target === $("filter")) {
    if (event.key === "Escape") { $("filter").value = ""; filter(); $("stage").focus(); }
    if (event.key === "Enter") [...$("classes").children].find((button) => !button.hidden)?.click();
    return;
  }
  const key = event.key;
  let action = null;
  if (choosing) action = key in REASONS ? () => skip(REASONS[key]) : null;
  else if (key === " ") action = () => { if (!finished && ready) { choosing = true; draw(); } };
  else if (key === "Backspace") action = undo;
  else if (key === "ArrowLeft") action = () => look(-1);
  else if (key === "ArrowRight") action = () => look(1);
  else if (key === "z") action = zoom;
  else if (key === "?") action = () => $("help").showModal();
  else if (key === "/" && !$("filter").hidden) action = () => $("filter").focus();
  else if (key === "Enter" && state.items[at]?.suggestion && event.target.tagName !== "BUTTON") {
    action = () => answer({ action: "label", label: state.items[at].suggestion });
  } else {
    const button = [...$("classes").children].find((one) => one.dataset.key === key);
    if (button && !event.repeat) action = () => answer({ action: "label", label: button.dataset.label });
  }
  if (action) { event.preventDefault(); action(); }
});

function zoom() { $("stage").classList.toggle("zoomed"); }

$("skip").addEventListener("click", () => { if (ready && !finished) { choosing = true; draw(); } });
$("undo").addEventListener("click", undo);
$("zoom").addEventListener("click", zoom);
$("previous").addEventListener("click", () => look(-1));
$("next").addEventListener("click", () => look(1));
$("look").addEventListener("click", () => show(0));
$("help-button").addEventListener("click", () => $("help").showModal());
$("filter").addEventListener("input", filter);
for (const button of $("reasons").querySelectorAll("button")) {
  button.addEventListener("click", () => skip(button.dataset.reason));
}
$("stage").addEventListener("pointerdown", () => $("stage").focus());

// What others do meanwhile: looked at when the window is, and now and then.
async function refresh() {
  if (saving || document.hidden) return;
  const was = finished;
  if (await load() && was && nextOpen(-1) >= 0) await advance();
}
document.addEventListener("visibilitychange", refresh);
addEventListener("focus", refresh);
setInterval(refresh, 15000);

if (await load()) await advance();
document.body.dataset.loaded = "true";
