// Pages without live content: menus and theme only.

import "../drafts.js";
import * as shell from "./shell.js";

shell.start();
