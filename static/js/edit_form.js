// Sends the edit form without leaving the page, so that an error page cannot discard what was typed.

import { isJson, sayRefused, submitOnce } from "./drafts.js";

async function show(response, form) {
  if (isJson(response)) {
    return location.assign((await response.json()).href);
  }
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.querySelector("form[data-edit]");
  if (!fresh) return sayRefused(form, page, response.status);
  if (form.dataset.typed) fresh.dataset.typed = "true";
  form.replaceWith(fresh);
  fresh.querySelector("[role=alert], h2")?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("submit", (event) => {
  if (event.target.matches("form[data-edit]")) submitOnce(event, show);
});
