// Text of agents and people turns the direction of nothing but itself; the server's part is sessions_app/bidi.py.

const STARTS = "\u2066\u2067\u2068";

// Ends of isolation that the text did not begin would end ours.
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

// For labels and sentences, where no element can be.
export const isolated = (text) => `\u2068${closed(text)}\u2069`;

export function isolate(text) {
  return Object.assign(document.createElement("bdi"), { textContent: closed(text) });
}
