// data-auto: what goes to the address of one of the site's trackers waits until that tracker may load. docs/auto.md says
// which ways of asking are covered, and what only the server can hold back.

import { config, data, endpoint } from "./config.js";
import { trust } from "./dom.js";
import { mayLoad } from "./state.js";
import { once } from "./tags.js";

const KINDS = /^(script|img|iframe|link)$/i;
const TAG = /<(script|img|iframe|link)\b((?:"[^"]*"|'[^']*'|[^>"'])*)>/gi;
const ADDRESS = /(^|[\s"'/])(?:src|href)(\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))/i;

let held = []; // {address, node, go}, in the order in which they came

// As consent/patterns.py: *.a.example is not a.example; /tr is /tr, /tr/ and /tr?id=1, and not /travel.
const onHost = (host) => (pattern) => (pattern.startsWith("*") ? host.endsWith(pattern.slice(1)) : host === pattern);
const onPath = (there) => (prefix) => there.startsWith(prefix)
  && (!/[a-z\d]$/i.test(prefix) || /^([/?&#;]|$)/.test(there.slice(prefix.length)));

export const owners = ({ host, pathname, search }) => config.trackers.filter(({ hosts = [], paths = [] }) =>
  hosts.some(onHost(host)) || paths.some(onPath(host + pathname + search)));

export const parsed = (address) => {
  try {
    return new URL(address, document.baseURI);
  } catch {}
};

// The tracker that keeps it out; before the config came any other host may be one.
const keeper = (address) => {
  const url = parsed(address);
  if (!url || !/^http/.test(url.protocol)) return;
  if (config.site) return owners(url).find(({ id }) => !mayLoad(id));
  return ![location.origin, endpoint].includes(url.origin) && {};
};

const hold = (address, go, node) => {
  if (node) held = held.filter((one) => one.node !== node); // its last address counts
  if (keeper(address) && !once.has(node?.dataset)) held.push({ address, go, node });
  else return go();
};

const next = () => held.find(({ address }) => !keeper(address));

export const release = () => {
  for (let one; (one = next());) {
    held = held.filter((other) => other !== one);
    try {
      one.go();
    } catch (error) {
      console.error(error);
    }
  }
};

// A tag that the parser made waits from then on as one that was tagged by hand.
const meet = (node) => {
  if (!KINDS.test(node.nodeName) || (node.type === "text/plain" && !node.dataset.held)) return;
  const name = node.nodeName === "LINK" ? "href" : "src";
  const address = node.dataset.held || node.getAttribute(name);
  if (!address || (!node.dataset.held && !keeper(address))) return;
  if (node.nodeName === "SCRIPT") {
    if (node.type !== "text/plain") node.dataset.type = node.type;
    node.type = "text/plain";
  }
  node.removeAttribute(name);
  delete node.dataset.held; // or the script that it becomes would be met again
  const tag = () => {
    const { id } = keeper(address) || owners(parsed(address))[0] || {};
    Object.assign(node.dataset, id ? { service: id } : { category: "necessary" }, { [name]: address });
  };
  if (config.site) tag();
  else held.push({ address, go: tag });
};

// Markup that a script writes: an image in it would load before anybody met it.
const disarmTag = (tag, name, rest) => {
  const [, , , one, two, three] = ADDRESS.exec(rest) || [];
  if (!keeper((one ?? two ?? three ?? "").replace(/&amp;/g, "&"))) return tag;
  const kept = rest.replace(ADDRESS, "$1data-held$2");
  return `<${name}${/t$/i.test(name) ? ' type="text/plain"' + kept.replace(/\stype(\s*=)/i, " data-type$1") : kept}>`;
};
const disarm = (markup) => {
  const text = String(markup);
  const safe = text.replace(TAG, disarmTag);
  return safe === text ? markup : trust("HTML", safe);
};

const patch = (owner, name, make) => {
  const method = owner[name];
  owner[name] = function (...given) {
    return make.call(this, (...others) => method.apply(this, others), ...given);
  };
};

const patchSetter = (owner, name, make) => {
  const there = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { ...there, set(value) {
    make((other) => there.set.call(this, other), value, this);
  } });
};

const patchAll = () => {
  for (const type of ["Script", "Image", "IFrame", "Link"]) {
    patchSetter(window[`HTML${type}Element`].prototype, type === "Link" ? "href" : "src", (set, value, node) => hold(value, () => set(value), node));
  }
  patch(Element.prototype, "setAttribute", function (set, name, value) {
    const go = () => set(name, value);
    if (/^(src|href)$/i.test(name) && KINDS.test(this.nodeName)) hold(value, go, this);
    else go();
  });
  patchSetter(Element.prototype, "innerHTML", (set, value) => set(disarm(value)));
  patch(Element.prototype, "insertAdjacentHTML", (insert, where, markup) => insert(where, disarm(markup)));
  patch(Range.prototype, "createContextualFragment", (create, markup) => create(disarm(markup)));
  patch(Document.prototype, "write", (write, ...parts) => write(disarm(parts.length === 1 ? parts[0] : parts.join(""))));
  patch(window, "fetch", (fetch, asked, options) => new Promise((done) => hold(asked?.url ?? asked, () => done(fetch(asked, options)))));
  patch(XMLHttpRequest.prototype, "open", function (open, method, address, ...rest) {
    this.poort = address;
    open(method, address, ...rest);
  });
  patch(XMLHttpRequest.prototype, "send", function (send, body) {
    hold(this.poort, () => send(body), this);
  });
  patch(Navigator.prototype, "sendBeacon", (send, address, body) => hold(address, () => send(address, body)) ?? true);
};

export const install = () => {
  if (!("auto" in data)) return;
  patchAll();
  new MutationObserver((records) => {
    for (const { addedNodes } of records) for (const node of addedNodes) {
      meet(node);
      node.querySelectorAll?.("script,img,iframe,link").forEach(meet);
    }
  }).observe(document, { childList: true, subtree: true });
};
