// The tags that wait in the page: scripts as text/plain, frames, images and links with data-src, templates.

import { byId, config } from "./config.js";
import { trust } from "./dom.js";
import { use } from "./extra.js";
import { translated } from "./foreign.js";
import { hasConsent, mayLoad } from "./state.js";

const GATED = ":is([data-service],[data-category])";
const SCRIPTS = `script[type="text/plain"]${GATED}`;
const OTHERS = `:is(template,[data-src],[data-srcset],[data-href])${GATED}:not(script)`;

const released = new Set(); // {nodes, blocked, dataset}: what stands in the page, and what to put back for it
export const once = new Set();     // of those the datasets that are shown for this page alone
let running;
let filled;                 // there was a frame with a placeholder

// `data-needs` lists trackers and categories that all have to be allowed.
const allowed = ({ needs, service, category }) => (needs ? needs.split(" ").every((one) => mayLoad(one) || hasConsent(one))
  : service ? mayLoad(service) : hasConsent(category));
const permitted = ({ dataset }) => once.has(dataset) || allowed(dataset);
const next = (selector) => [...document.querySelectorAll(selector)].find(permitted);

// A script runs when it is made anew; it keeps its attributes, the nonce included.
const revive = (old) => {
  const script = document.createElement("script");
  for (const { name, value } of old.attributes) if (!/^(data-)?(type|src)$/.test(name)) script.setAttribute(name, value);
  const { type, src = old.getAttribute("src") } = old.dataset;
  if (type) script.type = type;
  script.nonce = old.nonce;
  script.async = old.hasAttribute("async");
  if (src) script.src = trust("ScriptURL", src);
  else script.text = trust("Script", old.text);
  return script;
};

const run = (old) => new Promise((done) => {
  const script = revive(old);
  script.onload = script.onerror = done;
  released.add({ nodes: [script], dataset: old.dataset });
  old.replaceWith(script);
  if (!script.src || script.async) done();
});

// Scripts run in the order of the document, each after the one before; looked for anew each time, for they add tags themselves.
const runScripts = async () => {
  if (running) return;
  running = true;
  for (let tag; (tag = next(SCRIPTS));) {
    try {
      await run(tag);
    } catch (error) {
      tag.remove();
      console.error(error);
    }
  }
  running = false;
};

// The scripts of a template wait like those of the page: in order, and for the same consent.
const unfold = (template) => {
  const content = document.importNode(template.content, true);
  for (const script of content.querySelectorAll(`script:not(${GATED})`)) {
    Object.assign(script.dataset, template.dataset, script.type && { type: script.type });
    script.type = "text/plain";
    if (script.text) script.text = trust("Script", script.text); // a copy's text is not trusted, not even to lie still
  }
  released.add({ nodes: [...content.childNodes], blocked: template, dataset: template.dataset });
  template.replaceWith(content);
};

const show = (tag) => {
  released.add({ nodes: [tag], blocked: tag.cloneNode(true), dataset: tag.dataset });
  for (const name of ["src", "srcset", "href"]) {
    const value = tag.getAttribute("data-" + name);
    if (value) tag.setAttribute(name, value);
    tag.removeAttribute("data-" + name);
  }
};

// What may no longer be there leaves the page; what was blocked comes back in its place, should it be allowed again.
const fold = (entry) => {
  const { nodes, blocked } = entry;
  released.delete(entry);
  if (blocked) nodes[0]?.before(blocked);
  nodes.forEach((node) => node.remove());
};

// Embedded content says what it is, and can be shown by a click.
const isEmbed = (frame) => !permitted(frame) && byId(config.trackers, frame.dataset.service)?.embed;
const fillFrames = () => {
  const waiting = [...document.querySelectorAll("iframe[data-src]")].filter(isEmbed);
  filled ||= waiting[0];
  if (filled) use("embeds", waiting).catch(() => {}); // else the frame stays empty
};


export const applyTags = () => {
  if (document.readyState === "loading") return; // a script that is still being parsed has half its text
  [...released].filter((entry) => !permitted(entry)).forEach(fold);
  if (!translated(applyTags)) return;
  for (let tag; (tag = next(OTHERS));) (tag.content ? unfold : show)(tag);
  runScripts();
  fillFrames();
};
