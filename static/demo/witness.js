// What the browser itself says that it asked for: the Resource Timing entries, which no page can make up afterwards.
// Times are milliseconds after the page was opened.

import { language, stopwatch, texts } from "./texts.js";

const STAND_IN = /^\/demo\/stand-in\/([a-z0-9_-]+)\.(js|html|gif)$/;

export const events = [];
export const asked = new Map(); // tracker -> when the browser first asked for it

const nameOf = (tracker) => document.querySelector(`[data-tracker="${tracker}"] th`)?.textContent ?? tracker;
const clock = (iso) => new Date(iso).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

const note = (event) => {
  events.push(event);
  events.sort((a, b) => a.at - b.at);
};

const standIn = (entry, tracker, kind) => {
  const arrived = entry.serverTiming?.find(({ name }) => name === "arrived")?.description;
  const failed = entry.responseStatus !== 200;
  if (!failed) asked.set(tracker, Math.min(asked.get(tracker) ?? Infinity, entry.startTime));
  const about = failed ? texts.blocked : arrived && texts.server(clock(arrived));
  note({ at: entry.startTime, kind: failed ? "fault" : "tracker", tracker, ran: kind === "js" && !failed,
    text: texts.asked(nameOf(tracker), `${tracker}.${kind}`), about });
};

const decision = (entry, status) => note({ at: entry.startTime, kind: status < 300 ? "server" : "fault", text: texts.consents,
  about: status < 300 ? texts.stored(Math.round(entry.duration)) : texts.refused(status || "–") });

// What the panel itself asks for is left out, and so are style sheets and pictures of the shop.
const take = (entry, site) => {
  const { pathname } = new URL(entry.name);
  const found = STAND_IN.exec(pathname);
  if (found) standIn(entry, found[1], found[2]);
  else if (pathname === `/banner/${site}.js`) note({ at: entry.startTime, kind: "server", text: texts.banner, about: size(entry) });
  else if (pathname === `/v1/sites/${site}/consents`) decision(entry, entry.responseStatus);
  else if (pathname === `/v1/sites/${site}/events`) note({ at: entry.startTime, kind: "server", text: texts.counted });
};

const size = ({ encodedBodySize }) => (encodedBodySize ? `${(encodedBodySize / 1000).toLocaleString(language, { maximumFractionDigits: 1 })} kB` : "");

export const observe = (site, changed) => {
  note({ at: 0, kind: "page", text: texts.opened, about: new Date(performance.timeOrigin).toLocaleTimeString(language) });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) take(entry, site);
    changed();
  }).observe({ type: "resource", buffered: true });
};

// A stand-in's own word that it ran; it may have run before this module did.
const arrivals = () => window.demoArrivals ?? [];

export const ranAt = (tracker) => {
  const found = arrivals().find((one) => one.tracker === tracker && !one.inline);
  return found && texts.ran(stopwatch(found.at - performance.timeOrigin));
};

// What the banner and the code in the page said since the last time.
let heard = 0;
let told = 0;
export const takeWords = () => {
  for (const { name, at } of window.demoHeard.slice(heard)) note({ at, kind: "choice", text: texts[name] });
  heard = window.demoHeard.length;
  const inline = arrivals().filter((one) => one.inline).slice(told);
  told += inline.length;
  for (const { tracker, at } of inline) note({ at: at - performance.timeOrigin, kind: "tracker", tracker, text: texts.inline(nameOf(tracker)) });
};
