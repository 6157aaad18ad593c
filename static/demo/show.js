// Puts what is known into the panel.

import { element, one, say } from "./dom.js";
import { language, stopwatch, texts } from "./texts.js";
import { asked, events, ranAt } from "./witness.js";

const MEMORY = "poort";

const cookies = () => document.cookie.split("; ").filter(Boolean).map((pair) => {
  const at = pair.indexOf("=");
  return [pair.slice(0, at), pair.slice(at + 1)];
});

export const tokenNow = () => cookies().find(([name]) => name === "poort")?.[1] ?? "";

const put = (box, ...children) => {
  const text = children.map((child) => child.textContent ?? child).join("");
  if (box.textContent !== text) box.replaceChildren(...children);
};

// -- what was asked for ---------------------------------------------------------------------------------------------

export const showRequests = () => {
  say(one("[data-count]"), String(asked.size));
  for (const row of document.querySelectorAll("[data-tracker]")) {
    const at = asked.get(row.dataset.tracker);
    row.classList.toggle("asked", at !== undefined);
    say(one(".asked", row), at === undefined ? texts.no : texts.yes(stopwatch(at)));
  }
  showLine();
};

let drawn = "";
const showLine = () => {
  const rows = events.map((event) => ({ ...event, about: [event.about, event.ran && ranAt(event.tracker)].filter(Boolean).join(", ") }));
  if (drawn === JSON.stringify(rows)) return;
  drawn = JSON.stringify(rows);
  one(".line").replaceChildren(...rows.map(({ at, kind, text, about }) => element("li", { class: kind },
    element("span", { class: "when" }, stopwatch(at)), element("span", {}, text, about ? element("small", {}, about) : ""))));
};

// -- what the gate says ---------------------------------------------------------------------------------------------

export const showGate = (answer) => {
  for (const group of document.querySelectorAll("[data-category].trackers")) {
    const whole = answer?.categories[group.dataset.category]?.reason;
    say(one(".why", group), answer ? texts.reasons[whole] ?? "" : texts.away);
    for (const row of group.querySelectorAll("[data-tracker]")) showAnswer(row, answer?.trackers[row.dataset.tracker], whole);
  }
};

// The reason in words stands once above the trackers that share it, and with each that has another.
const showAnswer = (row, found, whole) => {
  row.dataset.allow = String(found?.allow ?? false);
  row.dataset.reason = found?.reason ?? "";
  const word = found?.allow ? texts.allowed : texts.forbidden;
  const own = found && found.reason !== whole ? [element("small", {}, texts.reasons[found.reason])] : [];
  put(one(".gate", row), element("b", {}, word), " ", element("code", {}, found?.reason ?? ""), ...own);
};

// -- what is kept ---------------------------------------------------------------------------------------------------

const json = (data) => element("pre", { tabindex: "0" }, JSON.stringify(data, null, 2));

const none = (text) => element("p", { class: "none" }, text);

export const showRecord = (token, mine) => {
  const records = mine?.records ?? [];
  const last = records.at(-1);
  if (last) put(one(".record"), element("p", {}, texts.records(records.length)), json(last));
  else put(one(".record"), none(token ? texts.no_record : pending() ? texts.waiting : texts.nothing));
};

const pending = () => {
  try {
    return Boolean(JSON.parse(localStorage.getItem(MEMORY))?.pending);
  } catch {
    return false;
  }
};

const decoded = (token) => {
  const bytes = Uint8Array.from(atob(token.split(".")[0].replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
};

const day = (seconds) => new Date(seconds * 1000).toLocaleDateString(language, { dateStyle: "long" });

export const showReceipt = () => {
  const token = tokenNow();
  if (!token) return put(one(".receipt"), none(texts.no_cookie));
  const [claims, signature = ""] = token.split(".");
  const shown = element("p", { class: "token" }, element("span", {}, claims), ".", element("b", {}, signature));
  try {
    const read = decoded(token);
    return put(one(".receipt"), element("p", {}, texts.valid(day(read.t), day(read.e)), " ", texts.signed), json(read), shown);
  } catch {
    return put(one(".receipt"), none(texts.reasons.bad_receipt), shown);
  }
};

// -- what is in the browser -----------------------------------------------------------------------------------------

const kept = (storage, kind) => Object.keys(storage).map((name) => [name, name === MEMORY ? texts.memory : kind]);

export const showStored = () => {
  const all = [
    ...cookies().map(([name]) => [name, name === "poort" ? texts.receipt_itself : texts.cookie]),
    ...kept(localStorage, texts.local), ...kept(sessionStorage, texts.session),
  ];
  const rows = all.map(([name, about]) => element("li", {}, element("code", {}, name), " ", element("small", {}, about)));
  put(one(".stored"), ...(rows.length ? rows : [element("li", { class: "none" }, texts.none_stored)]));
};
