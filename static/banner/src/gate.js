// The gate: the same rules in the same order as the server's.

import { byId, config, gpc, needsConsent } from "./config.js";
import { secondsLeft } from "./receipt.js";

export const allows = (reason) => /^(necessary|exempt|granted)$/.test(reason);
export const mustAsk = (reason) => /^(no_choice|bad_receipt|wrong_site|expired|stale_version)$/.test(reason);

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

export const decide = (receipt, id) => {
  const tracker = byId(config.trackers, id);
  if (!tracker) return "unknown_tracker";
  const { category, since } = tracker;
  if (!needsConsent(tracker)) return category === "necessary" ? category : "exempt";
  return judge(receipt, category, Math.max(since, byId(config.categories, category).since), id);
};

// A tag with a category alone may hold any of its trackers: as new as the newest of them (F3).
export const decideCategory = (receipt, id) => {
  if (id === "necessary") return id;
  const category = byId(config.categories, id);
  if (!category?.asked) return "no_choice";
  const trackers = config.trackers.filter((one) => one.category === id && needsConsent(one));
  return judge(receipt, id, Math.max(category.since, ...trackers.map((one) => one.since)));
};
