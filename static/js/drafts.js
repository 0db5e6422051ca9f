// What is typed into a form stays: in the page whatever becomes of network, log-in and server, and for its author on the
// server, which fills the form again. A form names itself by `data-draft`.

import { toast } from "./core/toast.js";

const WAIT = 800;
const AGAIN = 5000;
const HEADERS = { "X-Requested-With": "fetch" };
const timers = new Map();

const cookie = () => document.cookie.match(/(?:^|; )(?:__\w+-)?csrftoken=([^;]+)/)?.[1];
const loggedOut = (response) => response.redirected && new URL(response.url).pathname.startsWith("/login");

// Logging in again changes the token; the cookie has the newest.
export function bodyOf(form, submitter) {
  const body = new FormData(form, submitter);
  if (cookie()) body.set("csrfmiddlewaretoken", cookie());
  return body;
}

export function say(form, text, error = false) {
  const place = form.querySelector("[data-draft-said]");
  if (!place) return toast(text, { error });
  place.textContent = text;
  place.classList.toggle("error", error);
}

// Sends the form. Null where there was no usable answer: then the form says so, and everything typed is still in it.
export async function send(form, submitter) {
  let response;
  try {
    response = await fetch(form.action, { method: "POST", headers: HEADERS, body: bodyOf(form, submitter) });
  } catch {
    say(form, gettext("No answer came; what you wrote is still here. Send it again: it will not be done twice."), true);
    return null;
  }
  if (!loggedOut(response)) return response;
  sayLoggedOut(form);
  return null;
}

function sayLoggedOut(form) {
  say(form, gettext("You are logged out; nothing was sent, and what you wrote is still here. Log in in another tab, then send it again."), true);
}

export function typing() {
  return [...document.querySelectorAll("form[data-draft]")].find((form) => form.dataset.typed);
}

// True where leaving the page would lose something.
export function keepsThePage() {
  const form = typing();
  if (form) sayLoggedOut(form);
  return Boolean(form);
}

async function keep(form) {
  if (!form.isConnected || form.getAttribute("aria-busy")) return;
  const body = bodyOf(form);
  body.set("draft", form.dataset.draft);
  try {
    const response = await fetch("/drafts/", { method: "POST", headers: HEADERS, body });
    if (loggedOut(response)) return sayLoggedOut(form);
    if (response.ok) return say(form, gettext("Your draft is saved."));
  } catch {
    // said below
  }
  say(form, gettext("Your draft could not be saved; it is in this page only."), true);
  later(form, AGAIN);
}

function later(form, wait) {
  clearTimeout(timers.get(form.dataset.draft));
  timers.set(form.dataset.draft, setTimeout(() => keep(form), wait));
}

// Before the form is sent and after it was: a draft that is on its way must not come after the answer.
export function settle(form) {
  clearTimeout(timers.get(form.dataset.draft));
}

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-draft]");
  if (!form) return;
  form.dataset.typed = "true";
  later(form, WAIT);
});
