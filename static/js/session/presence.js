// Who else has the session open: exchanged every few seconds, shown as avatars in the bar.

import { request } from "../core/requests.js";

const box = document.getElementById("presence");
const token = () => document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
let doing = "";

function body(values) {
  const form = new FormData();
  for (const [name, value] of Object.entries({ csrfmiddlewaretoken: token(), ...values })) {
    form.set(name, value);
  }
  return form;
}

async function say() {
  if (document.hidden) return;
  try {
    const response = await request(box.dataset.href, { method: "POST", body: body({ doing }) });
    if (response.ok) draw((await response.json()).people);
  } catch {
    box.replaceChildren();
  }
}

function draw(people) {
  const words = people.map((one) => one.words).join("\n");
  if (box.dataset.words === words) return;
  box.dataset.words = words;
  box.replaceChildren(
    ...people.map((one) => {
      const avatar = document.createElement("li");
      avatar.className = one.acting ? "avatar acting" : "avatar";
      avatar.title = one.words;
      avatar.append(
        Object.assign(document.createElement("span"), {
          textContent: one.initials,
          ariaHidden: "true",
        }),
      );
      avatar.append(
        Object.assign(document.createElement("span"), {
          className: "visually-hidden",
          textContent: one.words,
        }),
      );
      return avatar;
    }),
  );
}

// The open dialog, by the noun in its form's URL.
function watchDialog() {
  const dialog = document.getElementById("dialog");
  new MutationObserver(() => {
    const action = dialog.open ? (dialog.querySelector("form")?.getAttribute("action") ?? "") : "";
    const now = action.split("/").at(-2) ?? "";
    if (now === doing) return;
    doing = now;
    say();
  }).observe(dialog, { attributes: true, childList: true });
}

export function start() {
  watchDialog();
  say();
  setInterval(say, Number(box.dataset.every) * 1000);
  document.addEventListener("visibilitychange", say);
  addEventListener("pagehide", () => navigator.sendBeacon(box.dataset.href, body({ gone: "1" })));
}
