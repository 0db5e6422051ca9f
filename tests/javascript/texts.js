// The functions for texts that Django's catalogue gives every page, in the language that a test asks for.

import { readFileSync } from "node:fs";
import { runInThisContext } from "node:vm";

export function speak(language) {
  const folder = process.env.CATALOGUES;
  runInThisContext(readFileSync(`${folder}/${language}.js`, "utf8"));
}
