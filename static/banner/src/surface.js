// The one place on the page that is ours: the dialog, the button that opens it again, the spoken status. And the focus.

import { firstLayer } from "./banner.js";
import { config, text } from "./config.js";
import { button, h } from "./dom.js";
import { secondLayer } from "./panel.js";

export let dialog;
export let origin; // "banner" or "settings": which of the two the visitor came by

let root, reopen, status, opener, fade;
const sheet = new CSSStyleSheet();

// A page that exchanges its body takes us along.
export const keep = () => {
  if (root && !root.isConnected) document.body?.prepend(root);
};

const mount = () => {
  if (!root) {
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    status = h("p", { role: "status" });
    reopen = button("reopen", text("reopen"));
    root = h("div", { id: "poort", lang: config.language, dir: text("direction") }, status);
    style();
  }
  keep();
};

// D1: on every page where there is something to choose.
export const dock = () => {
  if (dialog || !config.ask) return;
  mount();
  if (!reopen.isConnected) root.append(reopen); // to move it would take its focus away
};

const style = (more = "") => sheet.replaceSync(POORT_CSS + more);

// N3: the page can scroll clear of the dialog. More height only where there is height to scroll, or the page would jump.
const makeRoom = (more) => {
  const page = document.documentElement;
  const high = dialog && innerHeight - dialog.getBoundingClientRect().top;
  const below = more || page.scrollHeight > page.clientHeight ? `padding-bottom:${high}px!important` : "";
  style(high && `html{scroll-padding-bottom:${high}px!important;${below}}`);
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

export const open = (name, from) => {
  mount();
  const fresh = h("div", {
    id: "poort-banner", class: name, role: "dialog", "data-poort": "banner", "aria-labelledby": "poort-title", "aria-describedby": "poort-text",
  }, name === "panel" ? secondLayer() : firstLayer());
  dialog?.remove();
  dialog = fresh;
  origin = from;
  root.prepend(dialog);
  watch.observe(dialog);
  if (name === "panel") dialog.querySelector("h2").focus();
  reopen.remove();
};

// Focus goes back to where it was, or to what opens the dialog again.
export const close = () => {
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
