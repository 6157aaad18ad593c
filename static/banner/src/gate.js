// The gate: the same rules in the same order as the server's. Pure; `version` is the config, `facts` are {now, gpc}.

export const allows = (reason) => /^(necessary|exempt|granted)$/.test(reason);
export const mustAsk = (reason) => /^(no_choice|bad_receipt|wrong_site|expired|stale_version)$/.test(reason);

const categoryIn = (version, id) => version.categories.find((one) => one.id === id);

const judge = (receipt, version, facts, category, since, tracker) => {
  if (version.audience === "children") return "child_audience";
  if (!receipt) return "no_choice";
  if (receipt.bad) return "bad_receipt";
  if (receipt.s !== version.site) return "wrong_site";
  if (!(facts.now < receipt.e)) return "expired";
  if (!(receipt.v <= version.version && since <= receipt.v)) return "stale_version";
  if (receipt.x.includes(tracker)) return "denied";
  if (!receipt.g.includes(tracker) && !receipt.c.includes(category)) return receipt.a === "withdraw" ? "withdrawn" : "denied";
  if (facts.gpc && category === "marketing" && !receipt.gpc) return "gpc";
  return "granted";
};

export const decide = (receipt, version, facts, id) => {
  const tracker = version.trackers.find((one) => one.id === id);
  if (!tracker) return "unknown_tracker";
  if (tracker.category === "necessary") return "necessary";
  if (tracker.exempt) return "exempt";
  const since = Math.max(categoryIn(version, tracker.category).since, tracker.since);
  return judge(receipt, version, facts, tracker.category, since, id);
};

// A tag with a category alone may hold any of its trackers: as new as the newest of them (F3).
export const decideCategory = (receipt, version, facts, id) => {
  if (id === "necessary") return id;
  const category = categoryIn(version, id);
  if (!category?.asked) return "no_choice";
  const trackers = version.trackers.filter((one) => one.category === id && !one.exempt);
  return judge(receipt, version, facts, id, Math.max(category.since, ...trackers.map((one) => one.since)));
};

// What the visitor said of the category, whatever trackers have joined it since: what its switch shows (D3).
export const decideSwitch = (receipt, version, facts, id) =>
  judge(receipt, version, facts, id, categoryIn(version, id).since);
