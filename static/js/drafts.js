// Stores drafts of forms: in the page, whatever happens to network, log-in and server, and on the
// server, which fills the form again. Such forms have a signed field `draft`.

import { addresses, leadsToLogin, readCookie } from "./core/addresses.js";
import { toast } from "./core/toast.js";

const WAIT = 800;
const AGAIN = 5000;
// ticking rows in the admin is not typing
const IGNORED = ".action-select, #action-toggle, select[name=action]";
const timers = new WeakMap();
const sending = new WeakSet(); // forms

const isDraft = (form) => form?.elements?.draft instanceof HTMLInputElement;
const cookie = () => readCookie(addresses.csrfCookie);
export const isJson = (response) =>
  response.headers.get("Content-Type")?.startsWith("application/json");

// Logging in again changes the CSRF token; the cookie has the newest.
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

// Null without a usable response: the form reports that and keeps what was typed.
async function send(form, submitter, as = "fetch") {
  // form.action may be a field of that name
  const address = form.getAttribute("action") || location.href;
  let response;
  try {
    response = await fetch(address, {
      method: "POST",
      headers: { "X-Requested-With": as },
      body: bodyOf(form, submitter),
    });
  } catch {
    say(
      form,
      gettext(
        "No answer came; what you wrote is still here. Send it again: it will not be done twice.",
      ),
      true,
    );
    return null;
  }
  if (!leadsToLogin(response)) return response;
  sayLoggedOut(form);
  return null;
}

function sayLoggedOut(form) {
  say(
    form,
    gettext(
      "You are logged out; nothing was sent, and what you wrote is still here. Log in in another tab, then send it again.",
    ),
    true,
  );
}

// A response without the form must not replace what was typed.
export function sayRefused(form, page, status) {
  say(
    form,
    `${page.querySelector("h1")?.textContent ?? status}. ${gettext("Nothing was stored; what you wrote is still here.")}`,
    true,
  );
}

export function typing() {
  return [...document.forms].find((form) => isDraft(form) && form.dataset.typed);
}

// Whether leaving the page would lose text.
export function keepsThePage() {
  const form = typing();
  if (form) sayLoggedOut(form);
  return Boolean(form);
}

async function keep(form) {
  if (!form.isConnected || sending.has(form)) return;
  try {
    const response = await fetch(addresses.drafts, {
      method: "POST",
      headers: { "X-Requested-With": "fetch" },
      body: bodyOf(form),
    });
    if (leadsToLogin(response)) return sayLoggedOut(form);
    if (response.status === 409) {
      return say(
        form,
        gettext(
          "Somebody else is logged in now. What you wrote is still here, but it is not sent for another person.",
        ),
        true,
      );
    }
    if (response.ok) return say(form, gettext("Your draft is saved."));
  } catch {
    // reported below
  }
  say(form, gettext("Your draft could not be saved; it is in this page only."), true);
  later(form, AGAIN);
}

function later(form, wait) {
  clearTimeout(timers.get(form));
  timers.set(
    form,
    setTimeout(() => keep(form), wait),
  );
}

// Sends the form without leaving the page, once at a time, and calls `done(response, form)` with a usable response.
export async function submitOnce(event, done, as) {
  const form = event.target;
  event.preventDefault();
  if (sending.has(form)) return;
  sending.add(form);
  clearTimeout(timers.get(form)); // a draft must not arrive after the form
  event.submitter?.setAttribute("aria-busy", "true");
  try {
    const response = await send(form, event.submitter, as);
    if (response) await done(response, form);
  } finally {
    sending.delete(form);
    event.submitter?.removeAttribute("aria-busy");
  }
}

// Dialogs and the edit page handle their responses themselves.
function submit(event) {
  const form = event.target;
  if (!isDraft(form) || form.matches("[data-edit]") || form.closest("dialog")) return;
  submitOnce(event, show, "draft");
}

async function show(response, form) {
  if (isJson(response)) {
    delete form.dataset.typed;
    return location.assign((await response.json()).href);
  }
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = [...page.forms].find(
    (one) => isDraft(one) && one.getAttribute("action") === form.getAttribute("action"),
  );
  if (!fresh) return sayRefused(form, page, response.status);
  if (form.dataset.typed) fresh.dataset.typed = "true";
  form.replaceWith(fresh);
  const message = page.querySelector(".messagelist, .flash-message")?.textContent.trim();
  if (message) say(fresh, message, true);
  fresh.querySelector("[role=alert], .errornote")?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("submit", submit);
document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (!isDraft(form) || event.target.matches(IGNORED)) return;
  form.dataset.typed = "true";
  later(form, WAIT);
});
