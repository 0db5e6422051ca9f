// A short message at the bottom of the page, announced politely to screen readers.

import { isolate } from "../bidi.js";

const LASTS = 6000;

export function toast(text, { error = false } = {}) {
  const note = document.createElement("div");
  note.className = error ? "toast error" : "toast";
  note.append(isolate(text));
  const close = document.createElement("button");
  close.type = "button";
  close.className = "link-button";
  close.textContent = gettext("Close");
  close.onclick = () => note.remove();
  note.append(close);
  document.getElementById("toasts").append(note);
  if (!error) setTimeout(() => note.remove(), LASTS);
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyByHand(text); // over plain HTTP the browser offers no clipboard
  }
  toast(gettext("Copied"));
}

function copyByHand(text) {
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}
