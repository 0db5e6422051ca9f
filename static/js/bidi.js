// Isolates the direction of text of agents and people; the server's part is sessions_app/bidi.py.

const STARTS = "\u2066\u2067\u2068";

// Closing characters without an opening one in the text would end our isolation.
export function closed(text) {
  let depth = 0;
  return [...text]
    .filter((character) => {
      if (character === "\u2069") return depth > 0 && depth-- > 0;
      if (STARTS.includes(character)) depth++;
      return true;
    })
    .join("");
}

// For labels and attributes, which cannot contain elements.
export const isolated = (text) => `\u2068${closed(text)}\u2069`;

export function isolate(text) {
  return Object.assign(document.createElement("bdi"), { textContent: closed(text) });
}
