// The start, what the visitor's clicks do, and `window.Poort`.

import { asked, config, load, needsConsent } from "./config.js";
import { follow, shown } from "./panel.js";
import { begin, choose, refresh, wake } from "./record.js";
import { hasConsent, mayLoad, mustShow, saysYes, saysYesTo, state } from "./state.js";
import { close, dialog, focusOn, isOpen, keep, open, origin } from "./surface.js";
import { applyTags } from "./tags.js";
import { ask, settle, tell } from "./update.js";

const every = (value) => ({ choices: Object.fromEntries(asked().map(({ id }) => [id, value])) });
const listed = () => config.trackers.filter(needsConsent);

// Leaving the settings decides nothing: who has not chosen yet is back at the question (B10).
const leave = () => {
  if (!isOpen("panel")) return;
  if (!mustShow()) return close();
  ask();
  focusOn("preferences");
};

const clicks = {
  "accept-all": () => choose(every(true), origin),
  "necessary-only": () => choose(every(false), origin),
  withdraw: () => choose(every(false), origin, true),
  save: () => choose(shown(dialog), origin, origin === "settings" && listed().some(({ id }) => saysYes(id))),
  preferences: () => open("panel", origin),
  reopen: () => open("panel", "settings"),
  close: leave,
};

// A site's own button or link opens the settings; all else counts in the dialog alone.
const onClick = (event) => {
  const found = event.target.closest?.("[data-poort],[href='#poort']");
  const hook = found?.dataset.poort || (found && "reopen");
  if (!Object.hasOwn(clicks, hook) || (hook !== "reopen" && !dialog?.contains(found))) return;
  event.preventDefault();
  clicks[hook]();
};

const accept = (category) => {
  const { choices } = every(false);
  for (const id in choices) choices[id] = id === category || saysYesTo(id);
  const differ = listed().filter((one) => one.category !== category && saysYes(one.id) !== choices[one.category]);
  choose({ choices, trackers: Object.fromEntries(differ.map(({ id }) => [id, saysYes(id)])) }, "api");
};

let ready;
const once = (fn) => (ready ? queueMicrotask(() => fn(state())) : window.addEventListener("poort:ready", (event) => fn(event.detail), { once: true }));
const whenReady = (fn) => (...given) => (ready ? fn(...given) : once(() => fn(...given)));

const decideAll = (value, withdrawing) => whenReady(() => choose(every(value), "api", withdrawing));

const Poort = {
  show: whenReady(() => (mustShow() ? ask() : open("banner", "settings"))),
  hide: whenReady(() => (close(), settle(true))),
  showPreferences: whenReady(clicks.reopen),
  acceptAll: decideAll(true),
  necessaryOnly: decideAll(false),
  rejectAll: decideAll(false),
  acceptCategory: whenReady(accept),
  withdraw: decideAll(false, true),
  getConsent: () => (ready ? state() : { site: null, version: null, action: null, categories: {}, trackers: {} }),
  hasConsent: (category) => !!ready && hasConsent(category),
  mayLoad: (tracker) => !!ready && mayLoad(tracker),
  onReady: once,
  onChange: (fn) => window.addEventListener("poort:change", (event) => fn(event.detail)),
};

const listen = () => {
  let planned;
  new MutationObserver(() => {
    planned ||= setTimeout(() => {
      planned = 0;
      keep();
      applyTags();
    });
  }).observe(document, { childList: true, subtree: true });
  document.addEventListener("DOMContentLoaded", applyTags);
  document.addEventListener("click", onClick, true);
  document.addEventListener("change", ({ target }) => dialog?.contains(target) && follow(target));
  document.addEventListener("keydown", (event) => event.key === "Escape" && dialog?.contains(event.target) && leave());
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  for (const name of ["storage", "pageshow"]) window.addEventListener(name, refresh);
  window.addEventListener("online", wake);
};

const start = () => {
  if (!config) return;
  listen();
  begin();
  ready = true;
  tell("ready");
};

// Twice in a page is once.
if (!window.Poort?.mayLoad) {
  window.Poort = Poort;
  if (config) start();
  else load().then(start, () => {}); // without a config nothing is asked and nothing is let through
}
