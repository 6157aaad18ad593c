/* The visitor's own page: its words, in the visitor's language, and how dates and lifetimes read in it. */
const LANGUAGE = document.documentElement.lang.replace("en", "en-GB"); // the day before the month
const UNITS = { Y: "year", M: "month", W: "week", D: "day", H: "hour", m: "minute", S: "second" };

export const root = document.getElementById("me");
export const part = (name) => document.getElementById(`me-${name}`);

export const word = (name) =>
  part("words").content.querySelector(`[data-word="${CSS.escape(name)}"]`)?.textContent ?? name.replace(/^tracker-/, "");

/** Fills "{name}" in a text. */
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

export const moment = (value) =>
  new Date(value).toLocaleString(LANGUAGE, { dateStyle: "long", timeStyle: "short" });

export const day = (value) => new Date(value).toLocaleDateString(LANGUAGE, { dateStyle: "long" });

export const country = (code) => new Intl.DisplayNames(LANGUAGE, { type: "region" }).of(code);

const unit = (amount) =>
  new Intl.NumberFormat(LANGUAGE, { style: "unit", unit: UNITS[amount.slice(-1)], unitDisplay: "long" }).format(parseInt(amount));

/** "P1Y6M", "PT30M", "session", "persistent"; an M is a month before the T, a minute after it. */
export const lifetime = (value) => value.replace(/T(.*)M/, "$1m").match(/\d+\w/g)?.map(unit).join(" ") ?? word(value);

/** An element with properties and children; children that are not there are left out. */
export function h(tag, props, ...children) {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children.flat().filter(Boolean));
  return made;
}
