// Brings the page in line with the state: what may no longer be there goes, what may be there comes, and pages are told.

import { call, config, language, pageGroup } from "./config.js";
import { hasSaid, mayLoad, mustShow, state } from "./state.js";
import { close, dialog, dock, open, origin } from "./surface.js";
import { applyTags } from "./tags.js";
import { clean } from "./teardown.js";

let allowed;   // the ids of the trackers that could load till now; undefined before the first time
let known;     // the state that pages were told last, as text
let announced; // the decision that the data layer was told last
let counted;
let dismissed; // the page hid the banner

// An error in a page's listener is the page's own: the browser reports it and goes on.
export const tell = (name, detail = state()) => window.dispatchEvent(new CustomEvent("poort:" + name, { detail }));

const flags = (answers) => Object.fromEntries(Object.entries(answers).map(([id, { allow }]) => [id, allow]));

const announce = ({ record, action, version, categories, trackers }) => {
  if (!record || record === announced) return false;
  announced = record;
  if (config.signals.data_layer) {
    (window.dataLayer ||= []).push({ event: "poort_consent", action, version, categories, trackers: flags(trackers) });
  }
  return action === "withdraw";
};

const tearDown = () => {
  const before = allowed;
  allowed = config.trackers.map(({ id }) => id).filter(mayLoad);
  const lost = before?.some((id) => !allowed.includes(id));
  // On a new page too: what still ran when the choice was made may have written once more.
  if (before ? lost : hasSaid()) clean();
  return lost;
};

const update = () => {
  const lost = tearDown();
  applyTags();
  const now = state();
  const before = known;
  known = JSON.stringify({ ...now, decided_at: 0, expires_at: 0 });
  const withdrawn = announce(now) || lost;
  if (!before || before === known) return;
  tell("change", now);
  if (withdrawn) tell("withdrawn", now);
};

const count = () => {
  if (counted) return;
  counted = true;
  tell("shown");
  const body = { type: "shown", version: config.version, language: language(), page_group: pageGroup() };
  call("events", { method: "POST", body: JSON.stringify(body), keepalive: true }).catch(() => {});
};

// A page in the background shows nothing yet.
export const ask = () => {
  open("banner", "banner");
  if (document.visibilityState === "visible") count();
  else document.addEventListener("visibilitychange", count, { once: true });
};

// Asks what has to be asked, unless the page hid that; stops asking when another tab was answered.
export const settle = (hidden) => {
  dismissed ||= hidden;
  update();
  if (!mustShow() || dismissed) origin === "banner" && close();
  else if (!dialog) ask();
  dock();
};
