// The page: what is shown when, and what its buttons do.

import { call, demoToken, onCall, read, SessionOver } from "./calls.js";
import { byId, element, guarded, notice, onFailure, onSubmit } from "./dom.js";
import * as session from "./session.js";

const { gateway } = window.CONFIG;
const STATUSES = ["scheduled", "in_progress", "completed", "cancelled"];
const CALLS_SHOWN = 60;
const KEYCLOAKS_OWN_ROLES = /^(default-roles-.*|offline_access|uma_authorization)$/;
let signedIn = {};

async function start() {
  const failed = session.signInError();
  const { user, missing } = await session.current().catch((error) => {
    showWhether({});
    throw error;
  });
  showWhether({ user, missing });
  if (failed && !user) notice(failed, true);
  if (!user) return;
  // Each part for itself: a service that is down takes no other from the page.
  const loaded = await Promise.allSettled([showProfile(), showInterviews(), showMedia()]);
  const reason = loaded.find((part) => part.status === "rejected")?.reason;
  if (reason?.status === 401 && demoToken.get()) {
    demoToken.drop();
    await start();
    notice("That token is no longer good.", true);
  } else if (reason) throw reason;
}

/** The welcome for nobody, the board for `user`; `missing` is a gateway without sign-in. */
function showWhether({ user, missing }) {
  signedIn = user ?? {};
  byId("welcome").hidden = Boolean(user);
  byId("sign-in").hidden = Boolean(missing);
  byId("demo-token").hidden = !missing;
  byId("board").hidden = byId("who").hidden = byId("sign-out").hidden = !user;
  byId("who").textContent = user ? signedIn.firstName || signedIn.email || "Signed in" : "";
  if (!user) byId("player").replaceChildren();
}

// Profile

async function showProfile(profile) {
  const shown = profile ?? (await read("/users/me"));
  const form = byId("profile");
  for (const name of ["firstName", "lastName", "headline"]) form.elements[name].value = shown[name] || signedIn[name] || "";
  const roles = (shown.roles ?? []).filter((role) => !KEYCLOAKS_OWN_ROLES.test(role));
  byId("roles").textContent = [shown.email, ...roles].filter(Boolean).join(" · ");
}

async function saveProfile(fields) {
  const answer = await call("PUT", "/users/me", { json: Object.fromEntries(fields) });
  await showProfile(await answer.json());
  notice("Profile saved.");
}

// Interviews

async function showInterviews() {
  const { items, total } = await read("/interviews?limit=50");
  byId("interview-count").textContent = total || "";
  byId("interviews").replaceChildren(...items.map(interviewRow), ...(items.length ? [] : [empty("No interviews yet.")]));
}

function interviewRow({ id, title, status, createdAt }) {
  const path = `/interviews/${id}`;
  const choose = element("select", { ariaLabel: `Status of ${title}` });
  for (const value of STATUSES) choose.append(element("option", { value }, value.replace("_", " ")));
  choose.value = status;
  choose.onchange = () => guarded(() => call("PATCH", path, { json: { status: choose.value } }), [choose]);
  const remove = async () => {
    await call("DELETE", path);
    await showInterviews();
  };
  return row(title, new Date(createdAt).toLocaleString(), choose, action("Delete", remove, title));
}

async function addInterview(fields, form) {
  await call("POST", "/interviews", { json: { title: fields.get("title") } });
  form.reset();
  await showInterviews();
}

// Recordings

async function showMedia() {
  const { items } = await read("/media/mine");
  byId("media").replaceChildren(...items.map(mediaRow), ...(items.length ? [] : [empty("Nothing uploaded yet.")]));
}

function mediaRow({ name, size, type }) {
  const path = `/media/${encodeURIComponent(name)}`;
  const playable = /^(video|audio|image)\//.test(type);
  const remove = async () => {
    await call("DELETE", path);
    byId("player").hidden = true;
    await showMedia();
  };
  return row(
    name,
    `${bytes(size)} · ${type}`,
    ...(playable ? [action(type.startsWith("image/") ? "Show" : "Play", () => play(path, type), name)] : []),
    action("Download", () => download(path, name), name),
    action("Delete", remove, name),
  );
}

async function upload(fields, form) {
  const file = fields.get("file");
  const name = file.name.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "") || "recording";
  notice(`Uploading ${file.name} …`);
  await call("PUT", `/media/${name.slice(-128)}`, { body: file, type: file.type || "application/octet-stream" });
  form.reset();
  notice(`${file.name} is uploaded.`);
  await showMedia();
}

/** With cookies the browser streams ranges by itself; a demo token cannot travel that way, so the whole is fetched. */
async function play(path, type) {
  const source = demoToken.get() ? await fetched(path) : (await call("HEAD", path)) && gateway + path;
  const kind = type.split("/")[0];
  const player = element(kind === "image" ? "img" : kind, { src: source, controls: true, autoplay: true, alt: "" });
  byId("player").replaceChildren(player);
  byId("player").hidden = false;
}

async function download(path, name) {
  const href = await fetched(path);
  element("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

const fetched = async (path) => URL.createObjectURL(await (await call("GET", path)).blob());

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

function showCall({ method, path, status, ms }) {
  const good = status >= 200 && status < 400;
  const line = element(
    "li",
    {},
    element("span", { className: "method" }, method),
    element("span", { className: "path" }, path),
    element("span", { className: good ? "status" : "status bad" }, status || "no answer"),
    element("span", { className: "ms" }, `${ms} ms`),
  );
  byId("no-calls").hidden = true;
  byId("calls").prepend(line);
  while (byId("calls").children.length > CALLS_SHOWN) byId("calls").lastElementChild.remove();
}

byId("gateway").textContent = new URL(gateway).host;
onCall(showCall);
byId("sign-in").onclick = (event) => guarded(session.signIn, [event.currentTarget]);
byId("sign-out").onclick = (event) => guarded(session.signOut, [event.currentTarget]);
session.onSignedOut(() => {
  showWhether({});
  notice("You have signed out.");
});
onFailure((error) => error instanceof SessionOver && showWhether({}));
onSubmit("profile", saveProfile);
onSubmit("new-interview", addInterview);
onSubmit("upload", upload);
onSubmit("demo-token", async (fields) => {
  if (fields.has("paste")) session.useToken(fields.get("token"));
  else await session.fetchToken(fields.get("username"), fields.get("password"));
  await start();
});
guarded(start);
