// Who is signed in, and how that begins and ends.

import { call, demoToken, read, refresh, Refused } from "./calls.js";

const { issuer, clientId } = window.CONFIG;
const otherTabs = new BroadcastChannel("session");
const ERRORS = {
  access_denied: "You cancelled the sign-in.",
  expired: "That sign-in took too long. Please try again.",
  unavailable: "Sign-in is not available right now. Please try again in a moment.",
};

/** `{user}` when signed in, `{}` when not, `{missing: true}` where the gateway has no sign-in. */
export async function current() {
  if (demoToken.get()) return { user: claims(demoToken.get()) };
  try {
    let session = await read("/auth/session");
    if (session.refreshable && (await refresh())) session = await read("/auth/session");
    return session.authenticated ? { user: session.user } : {};
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return { missing: true };
    if (error instanceof Refused && error.status === 401) return {};
    throw error;
  }
}

/** Leaves the page for the provider's. */
export async function signIn() {
  const answer = await call("POST", "/auth/login", { json: { returnTo: "/" } });
  location.assign((await answer.json()).authUrl);
}

/** Ends the session here, in every tab, and, where the gateway says how, at the provider. */
export async function signOut() {
  if (demoToken.get()) {
    demoToken.drop();
    return location.reload();
  }
  const { endSessionUrl } = await (await call("POST", "/auth/logout")).json();
  otherTabs.postMessage("over");
  return endSessionUrl ? location.assign(endSessionUrl) : location.reload();
}

/** Calls `listener()` when another tab has signed out. */
export const onSignedOut = (listener) => otherTabs.addEventListener("message", () => listener());

/** For a gateway without sign-in: a token straight from the demo's provider. */
export async function fetchToken(username, password) {
  const fields = { grant_type: "password", client_id: clientId, username, password, scope: "openid" };
  const url = `${issuer}/protocol/openid-connect/token`;
  const answer = await fetch(url, { method: "POST", body: new URLSearchParams(fields) }).catch(() => null);
  if (!answer) throw new Error("The identity provider cannot be reached.");
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error_description ?? body.error);
  useToken(body.access_token);
}

/** `Error` for what is no token at all; whether it is a good one the gateway will say. */
export function useToken(token) {
  claims(token.trim());
  demoToken.set(token.trim());
}

/** What a failed sign-in left in the address, once, in words. */
export function signInError() {
  const reason = new URLSearchParams(location.search).get("authError");
  if (reason) history.replaceState(null, "", location.pathname);
  return reason && (ERRORS[reason] ?? "That sign-in did not work. Please try again.");
}

/** A token's claims, for show: only the gateway can say whether they are true. */
function claims(token) {
  try {
    const bytes = Uint8Array.from(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")), (c) =>
      c.charCodeAt(0),
    );
    const told = JSON.parse(new TextDecoder().decode(bytes));
    return { email: told.email, firstName: told.given_name, roles: told.realm_access?.roles ?? [] };
  } catch {
    throw new Error("That is not a token.");
  }
}
