// The second layer: a switch per category and per tracker, and all that there is to know of each (C1-C7).

import { choiceButtons, heading, policyLink } from "./banner.js";
import { config, forChildren, gpc, language, needsConsent, purposeOf, text, wordsOf } from "./config.js";
import { button, h, link } from "./dom.js";
import { decision, saysYes, saysYesTo } from "./state.js";

const LONG = { Y: "year", M: "month", W: "week", D: "day", H: "hour", S: "second" };

// "P1Y6M", "PT30M", "session", "persistent": M is a month before the T and a minute after it.
const duration = (value) => {
  const [date, time = ""] = value.split("T");
  const parts = (from, month) => [...from.matchAll(/(\d+)([YMWDHS])/g)].map(([, count, unit]) =>
    new Intl.NumberFormat(language(), { style: "unit", unit: (unit === "M" && month) || LONG[unit], unitDisplay: "long" }).format(count));
  return /^P/.test(value) ? [...parts(date), ...parts(time, "minute")].join(" ") : text(value);
};

const country = (code) => {
  try {
    return new Intl.DisplayNames(language(), { type: "region" }).of(code);
  } catch {
    return code;
  }
};

const date = (value) => new Date(value).toLocaleDateString(language(), { dateStyle: "long" });

const toggle = (hook, label, checked, locked) => h("label", {}, label,
  h("input", { type: "checkbox", role: "switch", "data-poort": hook, ...(checked && { checked: "" }), ...(locked && { disabled: "" }) }));

const kept = ({ cookies, storage }) => [
  ...cookies.map(({ name, duration: lasts, domain }) => [domain ? `${name}, ${domain}` : name, lasts]),
  ...storage.map(({ name, kind }) => [name, kind === "local" ? "persistent" : "session"]),
].map(([name, lasts]) => `${name} (${duration(lasts)})`).join("; ");

const about = (tracker) => [
  h("p", {}, purposeOf(tracker)),
  h("small", {},
    [tracker.vendor, country(tracker.country), text("role_" + tracker.role)].filter(Boolean).join(", ") + ". ",
    tracker.transfer && text("transfer") + " ",
    kept(tracker) && `${text("cookies")} ${kept(tracker)}. `,
    tracker.policy_url && link(tracker.policy_url, text("vendor_policy", { vendor: tracker.vendor }), true)),
];

const trackerRow = (tracker) => h("li", {},
  needsConsent(tracker)
    ? toggle("tracker-" + tracker.id, tracker.name, saysYes(tracker.id), forChildren())
    : h("b", {}, tracker.name),
  tracker.exempt && h("p", {}, text("exempt")),
  about(tracker));

const trackersOf = (category) => config.trackers.filter((one) => one.category === category.id);

const categorySwitch = ({ id, asked }, name) => {
  if (id === "necessary") return toggle("category-" + id, [name, h("i", {}, text("always_on"))], true, true);
  return asked ? toggle("category-" + id, name, saysYesTo(id), forChildren()) : name;
};

const section = (category) => {
  const { name, purpose } = wordsOf(category);
  return h("fieldset", {},
    h("legend", {}, categorySwitch(category, name)),
    h("p", {}, purpose),
    h("ul", {}, trackersOf(category).map(trackerRow)));
};

const listed = (category) => category.id === "necessary" || trackersOf(category).length;

const facts = () => {
  const one = decision();
  return h("small", { class: "facts" },
    text("version", { version: config.version, date: date(config.published_at) }), " ",
    one?.t && text("decided", { version: one.v, date: date(one.t * 1e3), record: one.r }));
};

const actions = () => (config.ask ? [
  button("save", text("save")),
  choiceButtons().map((one) => (one.classList.add("quiet"), one)),
  decision() && button("withdraw", text("withdraw"), { class: "quiet" }),
] : []);

export const secondLayer = () => [
  h("div", { class: "text" },
    button("close", text("close"), { class: "quiet" }),
    heading(text("reopen")),
    h("p", { id: "poort-text" }, text("settings_intro"), policyLink()),
    forChildren() && h("p", {}, text("child")),
    gpc() && h("p", {}, text("gpc")),
    config.categories.filter(listed).map(section),
    facts()),
  h("div", { class: "actions" }, actions()),
];

// The switches as they stand: choices per category, and the trackers that differ from theirs (C5).
export const shown = (dialog) => {
  const on = (hook) => !!dialog.querySelector(`[data-poort="${hook}"]`)?.checked;
  const choices = Object.fromEntries(config.categories.map(({ id }) => [id, on("category-" + id)]));
  const differ = config.trackers.filter((one) => needsConsent(one) && on("tracker-" + one.id) !== choices[one.category]);
  return { choices, trackers: Object.fromEntries(differ.map(({ id }) => [id, on("tracker-" + id)])) };
};

// A category's switch takes its trackers along; a tracker's own switch moves nothing else.
export const follow = (input) => {
  if (!input.dataset.poort.startsWith("category-")) return;
  input.closest("fieldset").querySelectorAll("li input").forEach((one) => (one.checked = input.checked));
};
