// The second layer: a switch per category and per tracker, and all that there is to know of each (C1-C7).

import { layer, policy, signal } from "../banner.js";
import css from "./panel.css";
import { byId, choosable, config, endpoint, gpc, text, wish } from "../config.js";
import { button, h, link } from "../dom.js";
import { allows, decide, decideCategory } from "../gate.js";
import { decision, saysYes, saysYesTo } from "../state.js";
import { anew, answer, asOfNow, isAsked, words } from "./anew.js";
import { date } from "./notice.js";

const UNITS = { Y: "year", M: "month", W: "week", D: "day", H: "hour", m: "minute", S: "second" };

// "P1Y6M", "PT30M", "session", "persistent"; an M is a month before the T, a minute after it.
const duration = (value) => value.replace(/T(.*)M/, "$1m").match(/\d+\w/g)?.map((part) =>
  new Intl.NumberFormat(config.language, { style: "unit", unit: UNITS[part.slice(-1)], unitDisplay: "long" }).format(parseInt(part)),
).join(" ") || text(value);

const country = (code) => code && new Intl.DisplayNames(config.language, { type: "region" }).of(code);

const toggle = (hook, label, on, locked) => h("label", {}, label, h("input", {
  type: "checkbox", role: "switch", "data-poort": hook, checked: on, disabled: locked,
}));

const kept = ({ cookies, storage }) => [
  ...cookies.map(({ name, duration: lasts, domain }) => [domain ? `${name}, ${domain}` : name, lasts]),
  ...storage.map(({ name, kind }) => [name, kind === "local" ? "persistent" : kind]),
].map(([name, lasts]) => `${name} (${duration(lasts)})`).join("; ");

const facts = (tracker) => [
  h("p", {}, tracker.purpose),
  tracker.exempt && h("p", {}, text("exempt")),
  h("small", {},
    [tracker.vendor, country(tracker.country), text("role_" + tracker.role)].filter(Boolean).join(", ") + ". ",
    tracker.transfer && text("transfer") + " ",
    kept(tracker) && `${text("cookies")} ${kept(tracker)}.`,
    link(tracker.policy_url, text("vendor_policy", tracker), { target: "_blank", rel: "noopener" })),
];

const trackerRow = (tracker) => h("li", {},
  choosable().includes(tracker) ? toggle("tracker-" + tracker.id, tracker.name || tracker.id, saysYes(tracker), !config.ask) : h("b", {}, tracker.name || tracker.id),
  config.digest && decision() && isAsked(tracker) && h("p", {}, h("b", {}, words(tracker))),
  config.digest && facts(tracker));

// A category stays on when a tracker of it is new: that one alone is still to be answered, and off.
const isOn = (id) => saysYesTo(id)
  || (byId(config.categories, id).since <= decision().v && allows(decideCategory(asOfNow(decision()), id)));

// A category's switch takes its trackers along; a tracker's own moves nothing else.
const follow = ({ currentTarget, target }) => {
  if (/^c/.test(target.dataset.poort)) currentTarget.querySelectorAll("li input").forEach((one) => (one.checked = target.checked));
};

const section = ({ id, name, purpose, asked }) => {
  const trackers = config.trackers.filter((one) => one.category === id);
  const locked = id === "necessary";
  const label = locked ? [name || id, h("i", {}, text("always_on"))] : name;
  return (locked || trackers.length) && Object.assign(h("fieldset", {},
    h("legend", {}, locked || asked ? toggle("category-" + id, label, locked || isOn(id), locked || !config.ask) : label),
    h("p", {}, purpose),
    h("ul", {}, trackers.map(trackerRow))), { onchange: follow });
};

const history = ({ t, v, r }) => h("small", {},
  config.digest && text("version", { version: config.version, date: date(config.published_at) }),
  config.digest && t && " " + text("decided", { version: v, date: date(t * 1e3), record: r }),
  config.digest && own(decision() || {}));

// I4: what was allowed without GPC waits till it is confirmed with it, and the visitor is told so.
const isKeptOut = () => gpc() && decision() && choosable().some(({ id }) => decide(asOfNow(decision()), id) === "gpc");
const conflict = () => isKeptOut() && text("gpc_kept", { date: date(decision().t * 1e3) });

// All that is kept of the visitor is one click away. The receipt stays in the fragment, which no server sees.
const own = ({ token }) => token && link(`${endpoint}/me/${config.site}?lang=${config.language}#receipt=${token}`, text("me"), { referrerpolicy: "origin" });

const secondLayer = () => {
  const [head, ...rest] = layer(text("reopen"), [text("settings_intro"), policy()], [
    conflict() ? h("p", {}, conflict()) : signal(),
    config.audience === "children" && h("p", {}, text("child")),
    config.categories.map(section),
    history(decision() || {}),
  ], "quiet",
  button("save", text("save")),
  decision() && button("withdraw", text("withdraw"), { class: "quiet" }));
  head.append(button("close", text("close"), { class: "quiet" }));
  return [head, ...rest];
};

// The switches as they stand: what is stored is what is shown (C5).
const shown = (dialog) => {
  const on = (hook) => !!dialog.querySelector(`[data-poort="${hook}"]`)?.checked;
  return wish((id) => on("category-" + id), (one) => on("tracker-" + one.id));
};

export const settings = { css, panel: secondLayer, shown, anew, answer };
