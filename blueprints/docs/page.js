
"use strict";
const all = (selector, below = document) => [...below.querySelectorAll(selector)];
const made = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const tell = (text) => (document.getElementById("page-status").textContent = text);

// Search: the calls that have every word.
const calls = all("article[id]").map((article) => ({
  article,
  text: article.textContent.toLowerCase(),
  entry: document.querySelector(`nav a[href="#${article.id}"]`).parentElement,
}));
const search = document.getElementById("page-search");
search.parentElement.hidden = false;
search.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(/\s+/);
  let found = 0;
  for (const { article, text, entry } of calls) {
    const hidden = !words.every((word) => text.includes(word));
    article.hidden = entry.hidden = hidden;
    found += hidden ? 0 : 1;
  }
  for (const section of new Set(calls.map(({ article }) => article.parentElement))) {
    section.hidden = all("article", section).every((article) => article.hidden);
    document.querySelector(`nav a[href="#${section.id}"]`).parentElement.hidden = section.hidden;
  }
  tell(`${found} of ${calls.length} calls`);
});

// Copy buttons.
async function copy(block) {
  if (navigator.clipboard) return navigator.clipboard.writeText(block.textContent);
  // Plain http on another machine: the page may only copy what is selected.
  getSelection().selectAllChildren(block);
  document.execCommand("copy");
}
for (const block of all("pre")) {
  const button = made("button", { type: "button", className: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    await copy(block);
    button.textContent = "Copied";
    tell("Copied");
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  const box = made("div", { className: "copyable" });
  block.replaceWith(box);
  box.append(block, button);
}

// Try it: there in development alone.
const base = location.pathname.replace(/\/docs\/?$/, "");
const SHOWN_BYTES = 65536;
const LONGEST_MS = 30000;

async function textOf(answer) {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    while (reader && text.length < SHOWN_BYTES) {
      const { done, value } = await reader.read();
      if (done) return text;
      text += value;
    }
    await reader?.cancel();
  } catch (error) {
    if (error.name !== "TimeoutError") throw error;
  }
  return `${text}\n…`;
}

// Of a place (path, query): name and value of each. The names are the service's: as names of fields they would replace
// the form's own properties.
const given = (form, place) => all(`[data-in=${place}]`, form).map(({ dataset, value }) => [dataset.name, value]);

function shownText(text, kind) {
  try {
    return kind?.startsWith("application/json") ? JSON.stringify(JSON.parse(text), null, 2) : text;
  } catch {
    return text; // cut off, or no JSON
  }
}

function requestOf(form) {
  const { method, path, kind } = form.dataset;
  const values = new Map(given(form, "path"));
  const asked = given(form, "query").filter(([, value]) => value);
  const query = asked.length ? `?${new URLSearchParams(asked)}` : "";
  const token = document.getElementById("page-token").value.trim();
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const field = form.querySelector("[data-in=body]");
  const body = field && (field.files ? field.files[0] : field.value);
  if (kind && kind !== "*/*") headers["Content-Type"] = kind;
  return [
    base + path.replace(/\{([^{}]+)\}/g, (_, name) => encodeURIComponent(values.get(name) ?? name)) + query,
    // The session's cookie goes along where no token is given.
    { method, headers, body: body || undefined, credentials: token ? "omit" : "same-origin", cache: "no-store" },
  ];
}

async function attempt(form) {
  const status = form.querySelector("[role=status]");
  const shown = form.querySelector("pre");
  status.textContent = "…";
  try {
    const [url, asked] = requestOf(form);
    const began = performance.now();
    const answer = await fetch(url, { ...asked, redirect: "manual", signal: AbortSignal.timeout(LONGEST_MS) });
    status.textContent = `${answer.status || "a redirect"} ${answer.statusText} after ${Math.round(performance.now() - began)} ms`;
    const text = await textOf(answer);
    const head = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    shown.textContent = `${head}\n\n${shownText(text, answer.headers.get("Content-Type"))}`;
  } catch (error) {
    status.textContent = "no answer";
    shown.textContent = String(error);
  }
  shown.closest("[hidden]")?.removeAttribute("hidden");
}

async function whoAsks(place) {
  const answer = await fetch(`${base}/auth/session`).catch(() => undefined);
  const { user } = answer?.ok ? await answer.json() : {};
  place.textContent = user
    ? `Signed in as ${user.email ?? user.id}: reads go by the session's cookie. Writes by cookie are for pages of the frontend alone: give a token for them.`
    : "Nobody is signed in here: sign in at the frontend and load this page again, or give a token.";
}

const forms = all("form[data-path]");
for (const form of forms) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(form);
  });
}
if (forms.length) void whoAsks(document.getElementById("page-who"));
