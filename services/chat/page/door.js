// Signing in and signing up, and what is kept of it in the browser.

import { $, sentence } from "./dom.js";
import { initTheme } from "./theme.js";
import { signIn, signUp } from "./client.js";

const KEY = "portico_chat_session";
const form = $("sign");
let signingUp = false;

/** {token, username} of who is signed in here, or null. */
export function session() {
  try {
    return JSON.parse(localStorage.getItem(KEY));
  } catch {
    return null;
  }
}

export const forgetSession = () => localStorage.removeItem(KEY);

/** entered(session) is called when somebody has signed in. */
export function initDoor(entered) {
  initTheme();
  $("switch").addEventListener("click", () => turn(!signingUp));
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    const { username, password, name, invite } = form.elements;
    tell("");
    $("sign-button").disabled = true;
    try {
      const answer = signingUp
        ? await signUp("", username.value, password.value, { name: name.value.trim() || undefined, device: device(), invite: invite.value.trim() || undefined })
        : await signIn("", username.value, password.value, device());
      const now = { token: answer.token, username: answer.user.username };
      localStorage.setItem(KEY, JSON.stringify(now));
      form.reset();
      turn(false);
      entered(now);
    } catch (err) {
      if (signingUp && err.status === 403 && /invite/.test(err.message)) $("invite").hidden = false;
      tell(sentence(err.message));
    } finally {
      $("sign-button").disabled = false;
    }
  });
}

export function showDoor(message = "") {
  $("app").hidden = true;
  $("door").hidden = false;
  tell(message);
  form.elements.username.focus();
}

function tell(message) {
  $("sign-error").textContent = message;
}

function turn(up) {
  signingUp = up;
  $("name").hidden = !up;
  $("invite").hidden = true;
  $("sign-button").textContent = up ? "Create the account" : "Sign in";
  $("sign-title").textContent = up ? "Create an account" : "Chat";
  $("switch").textContent = up ? "I have an account: sign in" : "New here? Create an account";
  form.elements.password.autocomplete = up ? "new-password" : "current-password";
  tell("");
  form.elements.username.focus();
}

function device() {
  const ua = navigator.userAgent;
  const browser = /Firefox|Edg|Chrome|Safari/.exec(ua)?.[0] ?? "Browser";
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(ua)?.[0] ?? "";
  return (browser === "Edg" ? "Edge" : browser) + (system && " on " + system);
}
