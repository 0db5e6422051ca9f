// Requests of a page for parts of itself. When the log-in has ended, the page opens the log-in.

import { keepsThePage } from "../drafts.js";
import { addresses, leadsToLogin } from "./addresses.js";
import { toast } from "./toast.js";

export class LoggedOut extends Error {}

// As `fetch`; without a log-in it throws LoggedOut instead of returning the log-in page.
export async function request(address, options) {
  const response = await fetch(address, options);
  if (!leadsToLogin(response)) return response;
  openLogIn();
  throw new LoggedOut();
}

// Stays if text would be lost; its form then says that the log-in has ended.
export function openLogIn() {
  if (keepsThePage()) return;
  const back = encodeURIComponent(location.pathname + location.search);
  location.assign(`${addresses.login}?next=${back}`);
}

// For the `catch` of a request.
export function sayUnreachable(error, text = gettext("The server cannot be reached.")) {
  if (!(error instanceof LoggedOut)) toast(text, { error: true });
}
