// The one place on the page that is ours: the dialog, the button that opens it again, the spoken status. And the focus.

import { firstLayer } from "./banner.js";
import { config, gpc, text, words } from "./config.js";
import { button, h, important } from "./dom.js";
import { extra } from "./extra.js";
import { decision } from "./state.js";

export let dialog;
export let origin; // "banner" or "settings": which of the two the visitor came by

export let panel;  // the settings, once they came

let root, reopen, status, opener, fade;
let turn = 0;  // counts what the dialog was asked to do: settings that come late do not open over what came after
let rules = POORT_CSS;
const sheet = new CSSStyleSheet();

// A page that exchanges its body takes us along.
export const keep = () => {
  if (root && !root.isConnected) document.body?.prepend(root);
};

export const mount = () => {
  if (!root) {
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    status = h("i", { role: "status" });
    reopen = button("reopen", text("reopen"));
    root = h("div", { id: "poort", dir: text("direction") || "ltr" }, status);
    style();
  }
  root.lang = config.language; // which is another one when the page's can not be had
  keep();
  return root;
};

// D1: on every page where there is something to choose.
export const dock = () => {
  if (dialog || !config.ask) return;
  mount();
  if (!reopen.isConnected) root.append(reopen); // to move it would take its focus away
};

// !important behind every declaration: a site's own style sheets do not break what a visitor has to read.
const style = (more = "") => sheet.replaceSync(important(rules + (config.css || "") + more));

// N3: the page can scroll clear of the dialog. More height only where there is height to scroll, or the page would jump.
const makeRoom = (more) => {
  const page = document.documentElement;
  const box = dialog?.getBoundingClientRect();
  const room = box && `padding-${config.top ? `top:${box.bottom}` : `bottom:${innerHeight - box.top}`}px`;
  style(room && `html{scroll-${room};${more || page.scrollHeight > page.clientHeight ? room : ""}}`);
};
const watch = new ResizeObserver(() => makeRoom());

document.addEventListener("focusin", ({ target, relatedTarget }) => {
  if (!dialog) return;
  if (dialog.contains(target)) {
    if (!dialog.contains(relatedTarget)) opener = relatedTarget;
  } else if (target.getBoundingClientRect().bottom > dialog.getBoundingClientRect().top) {
    makeRoom(true);
    target.scrollIntoView({ block: "nearest" });
  }
});

const show = (name, from) => {
  mount();
  const fresh = h("div", {
    id: "poort-banner", class: name, role: "dialog", "data-poort": "banner", "aria-labelledby": "poort-title", "aria-describedby": "poort-text",
  }, name === "banner" ? firstLayer() : panel[name]());
  dialog?.remove();
  dialog = fresh;
  origin = from;
  root.prepend(dialog);
  watch.observe(dialog);
  if (name === "panel") dialog.querySelector("h2").focus();
  reopen.remove();
};

export const fetchPanel = async () => {
  const [{ settings }] = await Promise.all([extra(), words()]);
  if (!panel) rules += settings.css;
  panel = settings;
  makeRoom();
};

// Without the settings the first layer still refuses, and so withdraws, everything (D2).
export const open = async (name, from) => {
  const mine = ++turn;
  // F3: who answered an older version is asked for what changed alone, in words that come with the settings, if they come.
  const anew = name === from && decision().v < config.version;
  try {
    if (anew || name === "panel") await fetchPanel();
    else if ((config.native || gpc()) && !config.digest) await words();
    if (anew && text("anew")) name = "anew";
  } catch {
    await words();
    name = config.ask && "banner";
  }
  if (mine !== turn) return;
  if (name) show(name, from);
  if ((name !== "panel" || !config.digest) && from === "settings") say("unloaded");
  return name;
};

// Focus goes back to where it was, or to what opens the dialog again.
export const close = () => {
  turn++;
  if (!dialog) return;
  const focused = dialog.matches(":focus-within");
  dialog.remove();
  dialog = undefined;
  makeRoom();
  dock();
  if (focused) (opener?.isConnected ? opener : reopen).focus({ preventScroll: true });
};

// What went wrong stays to be read; what went well leaves.
export const say = (key) => {
  mount();
  clearTimeout(fade);
  status.textContent = text(key);
  if (key === "saved") fade = setTimeout(() => (status.textContent = ""), 6e3);
};
