// Brings the page in line with the state: what may no longer be there goes, what may be there comes, and pages are told.

import { release } from "./auto.js";
import { config, post, seen, table } from "./config.js";
import { use } from "./extra.js";
import { signal } from "./signals.js";
import { decision, mayLoad, mustShow, state } from "./state.js";
import { close, dialog, dock, open, origin } from "./surface.js";
import { applyTags, once } from "./tags.js";
import { clean } from "./teardown.js";

let flags;     // {hotjar: true}: what may load, as pages were told last; undefined before the first time
let essence;   // what makes a state another one: a decision, or what it allows; not the reason of a refusal
let announced; // the decision that pages were told last
let counted;

// An error in a page's listener is the page's own: the browser reports it and goes on.
export const tell = (name) => dispatchEvent(new CustomEvent("poort:" + name, { detail: state() }));

// One for each decision, and one on each page with a decision. True for a withdrawal.
const announce = ({ record, action, version, categories }) => {
  if (!record || record === announced) return;
  announced = record;
  if (!Array.isArray(window.dataLayer)) window.dataLayer = [];
  window.dataLayer.push({ event: "poort_consent", action, version, categories, trackers: flags });
  return action === "withdraw";
};

const update = () => {
  const [oldFlags, oldEssence] = [flags, essence];
  const now = state();
  flags = table(config.trackers, (one) => mayLoad(one.id));
  essence = JSON.stringify([now.record, now.categories, flags]);
  const taken = config.trackers.filter(({ id }) => oldFlags?.[id] && !flags[id]);
  const lost = taken.length;
  const told = essence !== oldEssence && signal({ trackers: flags, categories: now.categories, decided: !!now.record });
  // On a new page too: what still ran when the choice was made may have written once more.
  if (oldFlags ? lost : decision()) clean();
  if (oldEssence !== essence && /^[nw]/.test(now.action)) once.clear();
  release();
  applyTags();
  if (lost) use("undo", taken, told).catch(() => {});
  const withdrawn = announce(now) || lost;
  if (!oldFlags || oldEssence === essence) return;
  tell("change");
  if (withdrawn) tell("withdrawn");
};

export const count = (event) => post("events", seen(event)).catch(() => {});

// Once a page, and a page in the background shows nothing yet. `again`: in this visit another page has shown it already.
const shown = () => {
  if (counted || document.hidden) return;
  counted = true;
  tell("shown");
  count({ type: "shown", again: document.referrer.startsWith(location.origin + "/") });
};

// Asks what has to be asked, once, or again when it went wrong; stops asking when another tab was answered.
export const settle = (again) => {
  update();
  if (!mustShow()) origin === "banner" && close();
  else if (again || (!counted && dialog?.className !== "panel")) {
    open("banner", "banner").then((name) => name && shown());
  }
  dock();
};
