// Shows what the server of this page tells, and tells it what is typed and pressed. What comes from
// elsewhere is only ever set as text, never as HTML.

const byId = (id) => document.getElementById(id);

/** An element with this class and content. */
function element(name, className, ...content) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const timeOf = (seconds) => clock.format(new Date(seconds * 1000));

// The conversation

const SAID = { waiting: "will say", speaking: "says", paused: "pauses", spoken: "said", stopped: "was stopped" };
const entries = new Map();

function showEntry(entry) {
  const list = byId("entries");
  const before = entries.get(entry.key);
  const shown = entry.who === "you" ? heard(entry) : reply(entry);
  shown.dataset.key = entry.key;
  if (before) before.replaceWith(shown);
  else list.append(shown);
  entries.set(entry.key, shown);
  byId("nothing").hidden = true;
  while (list.children.length > 100) {
    entries.delete(list.firstElementChild.dataset.key);
    list.firstElementChild.remove();
  }
  announce(entry);
}

function heard({ at, text, growing }) {
  const who = element("p", "who", `You · ${growing ? "…" : timeOf(at)}`);
  return element("li", growing ? "entry heard growing" : "entry heard", who, element("p", "words", text));
}

function reply({ at, said, unsaid, growing, error }) {
  const words = element("p", "words");
  for (const { text, state } of said) {
    const sentence = element("span", "", text);
    sentence.dataset.state = state;
    sentence.title = `TARS ${SAID[state]} this`;
    words.append(sentence, " ");
  }
  if (unsaid) words.append(element("span", "unsaid", unsaid));
  if (error) words.append(element("span", "error", error));
  const state = said.findLast((sentence) => sentence.state !== "waiting")?.state;
  const doing = growing ? "thinks" : state ? SAID[state] : "will say";
  const who = element("p", "who", `TARS ${error ? "failed" : doing} · ${timeOf(at)}`);
  return element("li", growing ? "entry reply growing" : "entry reply", who, words);
}

/** Reads out what is complete, once, and nothing of what there was before. */
const announced = new Map();
function announce(entry) {
  const complete = entry.who === "you"
    ? (entry.growing ? [] : [`You: ${entry.text}`])
    : entry.said.filter(({ state }) => state !== "waiting").map(({ text }) => `TARS: ${text}`);
  const news = complete.slice(announced.get(entry.key) ?? 0);
  announced.set(entry.key, complete.length);
  if (news.length > 0 && !catchingUp) byId("announcer").textContent = news.join(" ");
}

// The services

const STATES = {
  unknown: ["–", "never seen"],
  alive: ["✓", "alive"],
  ready: ["✓", "ready"],
  failing: ["!", "failing"],
  down: ["✕", "down"],
  silent: ["✕", "silent"],
};
const tiles = new Map();
/** How many seconds there are between heartbeats. */
let heartbeat = 5;
/** Since when services are watched, where nothing of them was seen yet. */
let watchedSince = Infinity;
/** By how much the clock of the server is ahead of the one here, in seconds. */
let ahead = 0;
const serverNow = () => Date.now() / 1000 + ahead;

function showService(service) {
  let tile = tiles.get(service.name);
  if (!tile) {
    const shown = element("li", "tile");
    shown.dataset.service = service.name;
    const part = (name) => shown.appendChild(element("span", name));
    tile = { shown, name: part("name"), age: part("age"), state: part("state"), detail: part("detail") };
    tile.name.textContent = service.name;
    byId("services").append(shown);
    tiles.set(service.name, tile);
  } else if (service.seen && service.seen !== tile.service.seen) {
    tile.shown.classList.remove("beat");
    requestAnimationFrame(() => tile.shown.classList.add("beat"));
  }
  tile.service = service;
  showAge(tile);
}

function showAge({ service, shown, age, state, detail }) {
  const since = (time) => Math.max(0, serverNow() - time);
  const shouldLive = ["ready", "alive", "failing"].includes(service.state);
  const overdue = since(service.seen ?? watchedSince) > 3 * heartbeat;
  const now = shouldLive && overdue ? "silent" : service.state;
  const [sign, word] = STATES[now];
  const set = (part, text) => { if (part.textContent !== text) part.textContent = text; };
  shown.dataset.state = now;
  set(state, `${sign} ${word}`);
  set(detail, now === "silent" ? "no heartbeat" : service.detail ?? "");
  set(age, service.seen === null ? "" : ago(since(service.seen)));
  age.title = "since the last sign of life";
}

function ago(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

setInterval(() => tiles.forEach(showAge), 1000);

// Movement and memory

function showMovement({ frame, state, status }) {
  const rows = [];
  if (status) rows.push(["Body", [status.event, status.command, status.detail]]);
  if (state) rows.push(["Command", [state.event, state.detail]]);
  if (frame) rows.push(["Frame", [`${frame.seq + 1} of ${frame.total}`, `in ${frame.duration_ms} ms`]]);
  if (rows.length === 0) rows.push(["", ["Nothing has moved yet."]]);
  byId("movement").replaceChildren(...rows.flatMap(([name, parts]) => {
    const text = parts.filter(Boolean).map((part) => part.replaceAll("_", " ")).join(" · ");
    return [element("dt", "", name), element("dd", "", text)];
  }));
  byId("channels").replaceChildren(...Object.entries(frame?.channels ?? {}).map(([channel, pulse]) => {
    const meter = element("meter", "");
    Object.assign(meter, { min: 500, max: 2500, value: pulse });
    meter.setAttribute("aria-label", `servo ${channel}`);
    return element("li", "", element("b", "", `#${channel}`), meter, element("output", "", `${pulse}`));
  }));
}

function showMemory(memory) {
  const found = memory?.found ?? [];
  const count = found.length === 0 ? "nothing" : found.length === 1 ? "one thing" : `${found.length} things`;
  byId("query-shown").textContent = memory ? `“${memory.query}”: ${count}` : "Nothing has been looked for yet.";
  byId("memories").replaceChildren(...found.map(({ text, score, timestamp }) => {
    const notes = [timestamp, score === null ? null : `score ${score.toFixed(2)}`].filter(Boolean);
    return element("li", "", text, element("small", "", notes.join(" · ")));
  }));
}

// From the server

let catchingUp = false;
let broker = true;

const show = {
  snapshot(snapshot) {
    catchingUp = true;
    heartbeat = snapshot.heartbeat;
    watchedSince = snapshot.since;
    entries.clear();
    announced.clear();
    byId("entries").replaceChildren();
    byId("nothing").hidden = snapshot.entries.length > 0;
    snapshot.entries.forEach(showEntry);
    snapshot.services.forEach(showService);
    showMovement(snapshot.movement);
    showMemory(snapshot.memory);
    show.broker(snapshot.broker);
    catchingUp = false;
  },
  entry: showEntry,
  service: showService,
  movement: showMovement,
  memory: showMemory,
  broker(connected) {
    broker = connected;
    showLink(connected ? "live" : "brokerless");
  },
};

const LINK = {
  connecting: "connecting …",
  live: "live",
  gone: "no connection to this page’s server: what you see is old. Trying again …",
  brokerless: "tars-web has lost its broker: what you see is old",
};

function showLink(state) {
  const link = byId("link");
  if (link.dataset.state === state) return;
  link.dataset.state = state;
  link.textContent = LINK[state];
}

let source;
let lastHeard;

function listen() {
  source?.close();
  lastHeard = Date.now();
  source = new EventSource("/events");
  source.onmessage = ({ data }) => {
    lastHeard = Date.now();
    const { now, ...news } = JSON.parse(data);
    if (now !== undefined) ahead = now - Date.now() / 1000;
    for (const [kind, value] of Object.entries(news)) show[kind](value);
  };
  source.onopen = () => showLink(broker ? "live" : "brokerless");
  source.onerror = () => showLink("gone");
}

// The browser tries again by itself, but not after a refusal, and it does not notice a connection that
// has died without a word. The server says something every few seconds.
setInterval(() => {
  const refused = source.readyState === EventSource.CLOSED;
  if (!refused && Date.now() - lastHeard < 15_000) return;
  showLink("gone");
  listen();
}, 2000);

listen();

// To the server

/** Asks the server, and throws what it says went wrong. */
async function ask(path, body) {
  const options = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, { ...options, signal: AbortSignal.timeout(10_000) });
  } catch {
    throw new Error("the server of this page does not answer");
  }
  if (!answer.ok) throw new Error(await answer.text());
}

let hiding;
function tell(text, good = false) {
  const alert = byId("alert");
  alert.textContent = text;
  alert.className = good ? "good" : "";
  alert.hidden = false;
  clearTimeout(hiding);
  // What went wrong stays until something else happens.
  if (good) hiding = setTimeout(() => { alert.hidden = true; }, 5000);
}

byId("say").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = byId("text");
  const text = input.value;
  input.value = "";
  input.focus();
  try {
    await ask("/say", { text });
    byId("alert").hidden = true;
  } catch (error) {
    if (input.value === "") input.value = text;
    tell(`Not sent: ${error.message}`);
  }
});

byId("recall").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await ask(`/memory?q=${encodeURIComponent(byId("query").value)}`);
    byId("alert").hidden = true;
  } catch (error) {
    tell(`Memory was not asked: ${error.message}`);
  }
});

async function stop() {
  try {
    await ask("/stop", { reason: "the page’s emergency stop" });
    tell(`Emergency stop sent at ${timeOf(serverNow())}.`, true);
  } catch (error) {
    tell(`EMERGENCY STOP NOT CONFIRMED: ${error.message}. Stop the robot by hand.`);
  }
}

byId("stop").addEventListener("click", stop);

// At once, wherever the focus is: a stop too many does no harm, a late one may.
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.repeat || event.isComposing) return;
  event.preventDefault();
  stop();
});
