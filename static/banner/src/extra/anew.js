// For who answered an older version: what changed since, by name, and two answers about that alone. Every other answer stays (F3).

import { layer, policy } from "../banner.js";
import { byId, choosable, config, text, wish } from "../config.js";
import { h, link } from "../dom.js";
import { allows, decide, decideCategory, mustAsk } from "../gate.js";
import { decision } from "../state.js";
import { news } from "./notice.js";

export const asOfNow = (receipt) => ({ ...receipt, v: config.version });
export const isAsked = ({ id }) => mustAsk(decision(), id);
const open = () => choosable().filter(isAsked);

// "Nieuw: Leadinfo, voor marketing". What changed for a whole category is said of it, and not of each of its trackers.
export const words = (tracker) => {
  const category = byId(config.categories, tracker.category);
  const whole = category.since > decision().v && category.change;
  const values = { ...tracker, for: text("for_" + category.id) };
  return (whole && text("anew_all_" + whole, values)) || text("anew_" + (whole || tracker.change), values) || text("anew_changed", values);
};

const who = (tracker) => [
  ` ${tracker.purpose} `,
  link(tracker.policy_url, text("vendor_policy", tracker), { target: "_blank", rel: "noopener" }),
];
const names = (trackers) => ` ${byId(config.categories, trackers[0].category).purpose} (${trackers.map(({ name }) => name).join(", ")})`;
const line = ([said, trackers]) => h("li", {}, h("b", {}, said), trackers[1] ? names(trackers) : who(trackers[0]));

const lines = () => {
  const found = new Map();
  for (const one of open()) found.set(words(one), [...(found.get(words(one)) || []), one]);
  return [...found].map(line);
};

export const anew = () => {
  const [head, body, actions] = layer(text("anew"), text("anew_intro"), [
    h("ul", {}, lines()),
    news(),
    h("p", {}, text("change"), policy()),
  ], "", h("button", { type: "button", "data-poort": "preferences", class: "quiet" }, text("preferences")));
  const [allow, refuse] = actions.children;
  allow.textContent = text("anew_allow");
  refuse.textContent = text("anew_refuse");
  return [head, body, actions];
};

// What GPC keeps out stays out: an answer about something else does not confirm it (I4). A category of which nothing is
// left is off; one that nothing was asked of is as it was.
export const answer = (value) => {
  const before = asOfNow(decision());
  const asked = open();
  const wants = (one) => (asked.includes(one) ? value : allows(decide(before, one.id)));
  const isLeft = (id) => value || !asked.some(({ category }) => category === id)
    || choosable().some((one) => one.category === id && wants(one));
  return wish((id) => allows(decideCategory(before, id)) && isLeft(id), wants);
};
