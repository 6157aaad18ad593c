// The start, what the visitor's clicks do, and `window.Poort`.

import { install } from "./auto.js";
import { asked, byId, choosable, config, load, wish } from "./config.js";
import { begin, choose, inherit, refresh, wake } from "./record.js";
import { hasConsent, mayLoad, mustShow, saysYes, saysYesTo, state } from "./state.js";
import { close, dialog, keep, open, origin, panel } from "./surface.js";
import { applyTags } from "./tags.js";
import { tell } from "./update.js";

const everything = (value) => wish(() => value, () => value);
const all = (value, source, refusal) => choose(everything(value), source, refusal);

// Leaving the settings decides nothing: who has not chosen yet is back at the question (B10).
const leave = () => {
  if (dialog.className !== "panel") return;
  if (!mustShow()) return close();
  open("banner", "banner");
  dialog?.querySelector("[data-poort=preferences]")?.focus();
};

const settings = () => open("panel", "settings");
const undone = () => (origin === "settings" && choosable().some(saysYes) ? "withdraw" : undefined);

const answer = (value) => choose((dialog.className === "anew" ? panel.answer : everything)(value), origin);

const clicks = {
  "accept-all": () => answer(true),
  "necessary-only": () => answer(false),
  withdraw: () => all(false, origin, "withdraw"),
  save: () => choose(panel.shown(dialog), origin, undone()),
  preferences: () => open("panel", origin),
  close: leave,
};

const onClick = (event) => {
  const { target } = event;
  if (dialog?.contains(target)) clicks[target.closest("[data-poort]").dataset.poort]?.();
  else if (target.closest?.("[data-poort=reopen],[href='#poort']")) {
    event.preventDefault(); // a site's own button or link will do as well as ours
    settings();
  }
};

const accept = (category) => byId(asked(), category) && choose(wish(
  (id) => id === category || saysYesTo(id),
  (tracker) => tracker.category === category || saysYes(tracker)), "api");

const actions = {
  show: () => config.ask && open("banner", mustShow() ? "banner" : "settings"),
  hide: close,
  showPreferences: settings,
  acceptAll: () => all(true, "api"),
  necessaryOnly: () => all(false, "api"),
  rejectAll: () => all(false, "api"),
  acceptCategory: accept,
  withdraw: () => all(false, "api", "withdraw"),
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
  document.addEventListener("keydown", ({ key, target }) => key === "Escape" && dialog?.contains(target) && leave());
  addEventListener("storage", () => refresh());
  for (const name of ["visibilitychange", "pageshow", "online"]) addEventListener(name, () => document.hidden || wake());
  setInterval(wake, 6e5); // F2: a consent ends on a page that stays open too
};

const start = () => {
  listen();
  begin();
  tell("ready");
};

// Twice in a page is once; an element of that name is not us. Without a config nothing is asked and nothing is let through.
if (typeof window.Poort?.mayLoad !== "function") {
  install();
  const ready = load().then(inherit).then(start);
  const Poort = {
    getConsent: state, hasConsent, mayLoad,
    onReady: (fn) => ready.then(() => fn(state())),
    onChange: (fn) => addEventListener("poort:change", (event) => fn(event.detail)),
  };
  Object.keys(actions).map((name) => (Poort[name] = (given) => ready.then(() => actions[name](given))));
  window.Poort = Poort;
}
