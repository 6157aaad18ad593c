// The gate: the same rules in the same order as the server's.

import { byId, config, gpc, inCategory, needsConsent } from "./config.js";
import { secondsLeft } from "./receipt.js";

export const allows = (reason) => /^(necessary|exempt|granted)$/.test(reason);

const judge = (receipt, category, since, tracker) => {
  if (config.audience === "children") return "child_audience";
  if (!receipt) return "no_choice";
  if (receipt.bad) return "bad_receipt";
  if (receipt.s !== config.site) return "wrong_site";
  if (!(secondsLeft(receipt) > 0)) return "expired";
  if (!(receipt.v <= config.version && since <= receipt.v)) return "stale_version";
  if (receipt.x.includes(tracker)) return "denied";
  if (!receipt.g.includes(tracker) && !receipt.c.includes(category)) return receipt.a === "withdraw" ? "withdrawn" : "denied";
  if (gpc() && category === "marketing" && !receipt.gpc) return "gpc";
  return "granted";
};

// The first version when nothing is said.
const newest = (...rows) => Math.max(...rows.map(({ since = 1 }) => since));

export const decide = (receipt, id) => {
  const tracker = byId(config.trackers, id);
  if (!tracker) return "unknown_tracker";
  const { category } = tracker;
  if (!needsConsent(tracker)) return category === "necessary" ? category : "exempt";
  return judge(receipt, category, newest(tracker, byId(config.categories, category)), id);
};

// Asked is what was never answered, and what changed for who had allowed it. Who refused a category has answered for what
// comes new in it, and is left alone for the refusal's whole life (F1, F4).
export const mustAsk = (receipt, id) => !allows(decide(receipt, id))
  && !/^(denied|withdrawn|gpc)$/.test(decide({ ...receipt, v: config.version }, id));

// A tag with a category alone may hold any of its trackers: as new as the newest of them (F3).
export const decideCategory = (receipt, id) => {
  if (id === "necessary") return id;
  const trackers = inCategory(id);
  if (!trackers[0]) return "no_choice";
  return judge(receipt, id, newest(byId(config.categories, id), ...trackers));
};
