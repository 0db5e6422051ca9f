// Pages without live content: menus and theme only.

import * as shell from "./shell.js";

shell.start();
