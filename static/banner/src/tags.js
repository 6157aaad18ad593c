// The tags that wait in the page: scripts as text/plain, frames, images and links with data-src, templates.

import { hasConsent, mayLoad } from "./state.js";

const GATED = ":is([data-service],[data-category])";
const WAITING = `:is(script[type="text/plain"],template,[data-src],[data-srcset],[data-href])${GATED}`;
const MOVED = ["src", "srcset", "href"];

const tried = new WeakSet();
const released = new Set(); // {nodes, blocked, dataset}: what stands in the page, and what to put back for it
let running;

const permitted = ({ dataset }) => (dataset.service ? mayLoad(dataset.service) : hasConsent(dataset.category));
const isScript = (tag) => tag.localName === "script";
const waiting = () => [...document.querySelectorAll(WAITING)].filter((tag) => !tried.has(tag) && permitted(tag));

// Where a page enforces Trusted Types a script's text and address need a policy; a page that allows none keeps the script off.
let policy;
const trust = (kind, value) => {
  try {
    policy ??= window.trustedTypes?.createPolicy("poort", { createScript: String, createScriptURL: String }) || {};
  } catch {
    policy = {};
  }
  return policy["create" + kind]?.(value) ?? value;
};

// A script runs when it is made anew; then it keeps its attributes, the nonce included.
const revive = (old) => {
  const script = document.createElement("script");
  const { type, src } = old.dataset;
  for (const { name, value } of old.attributes) if (!/^(type|src|data-src|data-type)$/.test(name)) script.setAttribute(name, value);
  if (type) script.type = type;
  script.nonce = old.nonce;
  script.async = old.hasAttribute("async");
  const address = src || old.getAttribute("src");
  if (address) script.src = trust("ScriptURL", address);
  else script.text = trust("Script", old.text);
  return script;
};

const run = (old) => new Promise((done) => {
  const script = revive(old);
  script.onload = script.onerror = done;
  old.replaceWith(script);
  released.add({ nodes: [script], dataset: old.dataset });
  if (!script.src || script.async) done();
});

// Scripts run in the order of the document, each after the one before; the list is made anew, for they add tags themselves.
const runScripts = async () => {
  if (running) return;
  running = true;
  for (let tag; (tag = waiting().find(isScript));) {
    tried.add(tag);
    await run(tag).catch((error) => console.error(error));
  }
  running = false;
};

// The scripts of a template wait like those of the page: in order, and for the same service.
const unfold = (template) => {
  const content = document.importNode(template.content, true);
  for (const script of content.querySelectorAll(`script:not(${GATED})`)) {
    if (script.type) script.dataset.type = script.type;
    script.type = "text/plain";
    if (script.text) script.text = trust("Script", script.text); // a copy's text is not trusted, not even to lie still
    for (const key of ["service", "category"]) if (template.dataset[key]) script.dataset[key] = template.dataset[key];
  }
  released.add({ nodes: [...content.childNodes], blocked: template, dataset: template.dataset });
  template.replaceWith(content);
};

const load = (tag) => {
  released.add({ nodes: [tag], blocked: tag.cloneNode(true), dataset: tag.dataset });
  for (const name of MOVED) {
    const value = tag.getAttribute("data-" + name);
    tag.removeAttribute("data-" + name);
    if (value) tag.setAttribute(name, value);
  }
};

// What may no longer be there leaves the page; a template keeps its place, should it be allowed again. A script that ran does
// not run twice.
const fold = (entry) => {
  const { nodes, blocked, dataset } = entry;
  released.delete(entry);
  if (blocked) {
    const template = blocked.localName === "template" ? blocked : document.createElement("template");
    if (template !== blocked) {
      Object.assign(template.dataset, dataset);
      template.content.append(blocked);
    }
    tried.delete(template);
    nodes[0]?.before?.(template);
  }
  nodes.forEach((node) => node.remove());
};

export const applyTags = () => {
  [...released].filter((entry) => !permitted(entry)).forEach(fold);
  for (let tag; (tag = waiting().find((one) => !isScript(one)));) {
    tried.add(tag);
    tag.localName === "template" ? unfold(tag) : load(tag);
  }
  runScripts();
};
