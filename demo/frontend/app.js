// The page: what is shown when, and what its buttons do.

import { createClient } from "./client/index.js";
import { byId, element, guarded, notice, onSubmit } from "./dom.js";

const { gateway } = window.CONFIG;
const STATUSES = ["scheduled", "in_progress", "completed", "cancelled"];
const LINES_SHOWN = 60;
const KEYCLOAKS_OWN_ROLES = /^(default-roles-.*|offline_access|uma_authorization)$/;
const FAILED_SIGN_INS = {
  access_denied: "You cancelled the sign-in.",
  expired: "That sign-in took too long. Please try again.",
  unavailable: "Sign-in is not available right now. Please try again in a moment.",
};
const client = createClient({ baseUrl: gateway, onCall: showCall });
let shown; // the id of the user whose board is shown
let stopEvents = () => undefined;
let stopPlaying = () => undefined;

async function start() {
  const failed = client.takeAuthError();
  await client.session().catch((error) => {
    showWhether();
    throw error;
  });
  if (failed && !shown) notice(FAILED_SIGN_INS[failed] ?? "That sign-in did not work. Please try again.", true);
}

/** The welcome for nobody, the board for who is signed in: also when that changes in another tab. */
function showWhether() {
  const user = client.current?.authenticated ? client.current.user : undefined;
  byId("welcome").hidden = Boolean(user);
  byId("signed-in").hidden = byId("who").hidden = byId("sign-out").hidden = !user;
  byId("who").textContent = user ? user.firstName || user.email || "Signed in" : "";
  if (user?.id === shown) return;
  const ended = shown !== undefined && !user;
  shown = user?.id;
  stopEvents();
  closePlayer();
  byId("events").replaceChildren();
  if (user) guarded(fill);
  else if (ended) {
    notice("Your session has ended. Please sign in again.", true);
    byId("sign-in").focus();
  }
}

/** Each part for itself: a service that is down takes no other from the page. */
async function fill() {
  const loaded = await Promise.allSettled([showProfile(), showInterviews(), showMedia()]);
  if (!shown) return;
  followEvents();
  const reason = loaded.find((part) => part.status === "rejected")?.reason;
  if (reason) throw reason;
}

// Profile

async function showProfile(profile) {
  const known = client.current?.user ?? {};
  const its = profile ?? (await client.get("/users/me"));
  const form = byId("profile");
  for (const name of ["firstName", "lastName", "headline"]) form.elements[name].value = its[name] || known[name] || "";
  const roles = (its.roles ?? []).filter((role) => !KEYCLOAKS_OWN_ROLES.test(role));
  byId("roles").textContent = [its.email, ...roles].filter(Boolean).join(" · ");
}

async function saveProfile(fields) {
  await showProfile(await client.put("/users/me", { json: Object.fromEntries(fields) }));
  notice("Profile saved.");
}

// Interviews

async function showInterviews() {
  const { items, total } = await client.get("/interviews", { query: { limit: 50 } });
  byId("interview-count").textContent = total || "";
  byId("interviews").replaceChildren(...items.map(interviewRow), ...(items.length ? [] : [empty("No interviews yet.")]));
}

function interviewRow({ id, title, status, createdAt }) {
  const one = { path: { id } };
  const choose = element("select", { ariaLabel: `Status of ${title}` });
  for (const value of STATUSES) choose.append(element("option", { value }, value.replace("_", " ")));
  choose.value = status;
  choose.onchange = () =>
    guarded(async () => {
      await client.patch("/interviews/{id}", { ...one, json: { status: choose.value } });
      notice(`${title} is ${choose.value.replace("_", " ")}.`);
    }, [choose]);
  const remove = async () => {
    await client.delete("/interviews/{id}", one);
    await showInterviews();
    byId("interviews-title").focus();
    notice(`${title} is deleted.`);
  };
  return row(title, new Date(createdAt).toLocaleString(), choose, action("Delete", remove, title));
}

async function addInterview(fields, form) {
  const { title } = await client.post("/interviews", { json: { title: fields.get("title") } });
  form.reset();
  await showInterviews();
  notice(`${title} is added.`);
}

// Recordings

async function showMedia() {
  const { items } = await client.get("/media/mine");
  byId("media").replaceChildren(...items.map(mediaRow), ...(items.length ? [] : [empty("Nothing uploaded yet.")]));
}

function mediaRow({ name, size, type }) {
  const path = `/media/${encodeURIComponent(name)}`;
  const playable = /^(video|audio|image)\//.test(type);
  const remove = async () => {
    await client.delete("/media/{name}", { path: { name } });
    closePlayer();
    await showMedia();
    byId("media-title").focus();
    notice(`${name} is deleted.`);
  };
  return row(
    name,
    `${bytes(size)} · ${type}`,
    ...(playable ? [action(type.startsWith("image/") ? "Show" : "Play", () => play(path, type, name), name)] : []),
    action("Download", () => download(path, name), name),
    action("Delete", remove, name),
  );
}

async function upload(fields, form) {
  const file = fields.get("file");
  const name = file.name.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "") || "recording";
  const bar = byId("progress");
  notice(`Uploading ${file.name} …`);
  bar.hidden = false;
  try {
    await client.upload(`/media/${name.slice(-128)}`, file, { onProgress: (at) => (bar.value = at.loaded / at.total) });
  } finally {
    bar.hidden = true;
    bar.value = 0;
  }
  form.reset();
  await showMedia();
  notice(`${file.name} is uploaded.`);
}

/** The browser asks for ranges by itself, with the cookie; the client keeps that fresh. */
function play(path, type, name) {
  closePlayer();
  const kind = type.split("/")[0];
  if (kind === "image") byId("player").append(element("img", { src: client.url(path), alt: name }));
  else {
    const player = element(kind, { controls: true, autoplay: true, ariaLabel: name });
    byId("player").append(player);
    stopPlaying = client.play(player, path);
  }
  byId("player").hidden = false;
}

function closePlayer() {
  stopPlaying();
  stopPlaying = () => undefined;
  byId("player").replaceChildren();
  byId("player").hidden = true;
}

async function download(path, name) {
  const answer = await client.fetch(path);
  if (!answer.ok) throw new Error(`${name} can not be downloaded.`);
  const href = URL.createObjectURL(await answer.blob());
  element("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

// Events

function followEvents() {
  stopEvents();
  const stop = client.events("/interviews/events", showEvent, {
    onOpen: () => (byId("stream").textContent = "connected"),
    onError: (_, again) => (byId("stream").textContent = again ? "connecting again …" : "not connected"),
  });
  stopEvents = () => {
    stop();
    byId("stream").textContent = "not connected";
    stopEvents = () => undefined;
  };
}

function showEvent({ type, data }) {
  const { title } = JSON.parse(data);
  byId("no-events").hidden = true;
  log("events", element("li", {}, element("b", {}, type.replace("interview.", "")), element("span", { className: "path" }, title)));
}

// Pieces

const empty = (text) => element("li", { className: "soft" }, text);

const row = (title, detail, ...actions) =>
  element(
    "li",
    {},
    element("div", { className: "what" }, element("b", {}, title), element("small", {}, detail)),
    element("div", { className: "actions" }, ...actions),
  );

function action(label, run, about) {
  const button = element("button", { type: "button", className: "quiet small", ariaLabel: `${label} ${about}` }, label);
  button.onclick = () => guarded(run, [button]);
  return button;
}

function bytes(size) {
  const step = size < 1024 ? 0 : size < 1024 ** 2 ? 1 : 2;
  return `${(size / 1024 ** step).toFixed(step ? 1 : 0)} ${["B", "KiB", "MiB"][step]}`;
}

function log(id, line) {
  byId(id).prepend(line);
  while (byId(id).children.length > LINES_SHOWN) byId(id).lastElementChild.remove();
}

function showCall({ method, path, status, milliseconds }) {
  const good = status >= 200 && status < 400;
  byId("no-calls").hidden = true;
  log(
    "calls",
    element(
      "li",
      {},
      element("span", { className: "method" }, method),
      element("span", { className: "path" }, path),
      element("span", { className: good ? "status" : "status bad" }, status || "no answer"),
      element("span", { className: "ms" }, `${Math.round(milliseconds)} ms`),
    ),
  );
}

byId("gateway").textContent = new URL(gateway).host;
client.subscribe(showWhether);
byId("sign-in").onclick = (event) => guarded(() => client.signIn("/"), [event.currentTarget]);
byId("sign-out").onclick = (event) => guarded(() => client.signOut(), [event.currentTarget]);
onSubmit("profile", saveProfile);
onSubmit("new-interview", addInterview);
onSubmit("upload", upload);
guarded(start);
