// Embedded content that waits: what it is, whose it is, and two ways to see it, on the place and in the size of the frame.

import { byId, config, details, text, wish } from "../config.js";
import { button, h, important, link } from "../dom.js";
import { choose } from "../record.js";
import { saysYes, saysYesTo } from "../state.js";
import { applyTags, once } from "../tags.js";
import css from "./embeds.css";

const boxes = new Map(); // by frame
let sheet;

const dress = () => {
  sheet ??= new CSSStyleSheet();
  sheet.replaceSync(important(css));
  if (!document.adoptedStyleSheets.includes(sheet)) document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
};

// Over the frame, which keeps its place: whatever the site's styles make of it, nothing shifts.
const fit = (box, frame) => {
  for (const [name, side] of [["top", "Top"], ["left", "Left"], ["width", "Width"], ["height", "Height"]]) {
    box.style.setProperty(name, frame["offset" + side] + "px", "important");
  }
};
let hidden = []; // frames that take no place yet
const watch = new ResizeObserver(() => {
  boxes.forEach(fit);
  hidden.filter((frame) => frame.offsetWidth).map(place);
});

const always = (id) => choose(wish(saysYesTo, (one) => one.id === id || saysYes(one)), "settings");

const choices = (frame, tracker) => {
  const shown = button("embed-once", text("embed_once"));
  const allowed = button("embed-always", text("embed_always"));
  shown.onclick = () => {
    once.add(frame.dataset);
    applyTags();
    frame.inert = false;
    frame.focus();
  };
  allowed.onclick = () => always(tracker.id);
  return h("div", {}, shown, allowed);
};

const place = (frame) => {
  if (boxes.has(frame) || !frame.dataset.src) return;
  const tracker = byId(config.trackers, frame.dataset.service);
  const box = h("div", { "data-poort": "embed", role: "group", "aria-label": frame.title || tracker.name, lang: config.language },
    h("b", {}, tracker.name),
    h("p", {}, text("embed", tracker), link(tracker.policy_url, text("vendor_policy", tracker), { target: "_blank", rel: "noopener" })),
    // H1: a child can not consent alone, not even once.
    config.ask && choices(frame, tracker));
  boxes.set(frame, box);
  frame.inert = true;
  frame.after(box);
  fit(box, frame);
  watch.observe(frame);
};

const clear = (frame) => {
  frame.inert = false;
  watch.unobserve(frame);
  boxes.get(frame).remove();
  boxes.delete(frame);
};

export const embeds = async (waiting) => {
  await details();
  dress();
  watch.observe(document.body);
  for (const frame of boxes.keys()) if (!frame.isConnected || !waiting.includes(frame)) clear(frame);
  const fresh = waiting.filter((frame) => !boxes.has(frame) && frame.dataset.src);
  fresh.filter((frame) => frame.offsetWidth).map(place);
  hidden = fresh.filter((frame) => !frame.offsetWidth);
  hidden.forEach((frame) => watch.observe(frame));
};
