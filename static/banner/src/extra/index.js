// The second script: what it hands over to the first.

import { take, tell } from "./arrival.js";
import { embeds } from "./embeds.js";
import { settings } from "./panel.js";
import { switching } from "./switching.js";
import { undo } from "./undo.js";

POORT_OUT = { settings, embeds, undo, switching, take, tell };
