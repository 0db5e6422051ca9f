// Sends the edit form without leaving the page, so that an error page cannot discard what was
// typed.

import { sayRefused, send, settle } from "./drafts.js";

let sending = false;

async function submit(event) {
  const form = event.target;
  if (!form.matches("form[data-edit]")) return;
  event.preventDefault();
  if (sending) return;
  sending = true;
  settle(form);
  event.submitter?.setAttribute("aria-busy", "true");
  try {
    const response = await send(form, event.submitter);
    if (response) await show(form, response);
  } finally {
    sending = false;
    event.submitter?.removeAttribute("aria-busy");
  }
}

async function show(form, response) {
  if (response.headers.get("Content-Type")?.startsWith("application/json")) {
    return location.assign((await response.json()).href);
  }
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.querySelector("form[data-edit]");
  if (!fresh) return sayRefused(form, page, response.status);
  if (form.dataset.typed) fresh.dataset.typed = "true";
  form.replaceWith(fresh);
  fresh.querySelector("[role=alert], h2")?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("submit", submit);
