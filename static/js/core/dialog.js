// Shows the order pages as dialogs. Without JavaScript they are plain pages.

import { tick } from "./clock.js";
import { isJson, sayRefused, submitOnce } from "../drafts.js";
import { follow } from "./job.js";
import { request, sayUnreachable } from "./requests.js";
import { toast } from "./toast.js";

const dialog = document.getElementById("dialog");
const HEADERS = { "X-Requested-With": "fetch" };
let afterwards = () => {};

// `done(answer)` is called with the server's response: {message, ids}.
export async function ask(address, options, done) {
  afterwards = done;
  try {
    const response = await request(address, { headers: HEADERS, ...options });
    await show(response);
  } catch (error) {
    sayUnreachable(error, gettext("The server cannot be reached. Nothing was done."));
  }
}

async function show(response) {
  if (isJson(response)) {
    return finish(await response.json());
  }
  const text = await response.text();
  const page = new DOMParser().parseFromString(text, "text/html");
  const job = page.querySelector("[data-job]");
  const form = job ?? page.querySelector("[data-order-form]");
  if (!form) return refused(page, response.status);
  dialog.replaceChildren(form);
  dialog.classList.toggle("wide", form.classList.contains("wide"));
  tick(dialog);
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("[data-cancel]").focus();
  if (job) follow(form, () => afterwards({ job: form.dataset.href }));
}

// A response without a form must not replace the form, which holds what was typed.
function refused(page, status) {
  const form = dialog.open && dialog.querySelector("form[data-order-form]");
  if (form) return sayRefused(form, page, status);
  toast(page.querySelector("h1")?.textContent ?? gettext("That did not work."), { error: true });
}

function finish(answer) {
  dialog.close();
  toast(answer.message, { error: answer.failed > 0 });
  afterwards(answer);
}

export function start() {
  dialog.addEventListener("submit", (event) => {
    if (event.target.matches("[data-order-form]")) submitOnce(event, show);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
    const cancel = event.target.closest("[data-cancel]");
    if (!cancel) return;
    event.preventDefault();
    dialog.close();
  });
}
