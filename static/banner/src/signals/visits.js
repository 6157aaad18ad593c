// No vendor's: baked in where visits of people who have chosen are counted. A page that was not reached from one of the same
// origin begins a visit; it tells what their choice allows, and nothing is stored for it. `next` is what else looks at this.
export default (next) => (decision, memo, config, tell) => {
  const begin = () => {
    const { categories: { necessary, ...choices }, trackers } = Poort.getConsent();
    const apart = config.trackers.filter(({ id, category, exempt }) =>
      category in choices && !exempt && trackers[id].allow !== choices[category]);
    tell({ type: "visit", variant: undefined, choices, trackers: Object.fromEntries(apart.map(({ id }) => [id, trackers[id].allow])) });
  };
  // A receipt, and no banner: that would be a showing. A page in the background is not visited yet.
  if (config.count_visits && decision.token && tell && !document.referrer.startsWith(location.origin + "/")) {
    if (document.hidden) document.addEventListener("visibilitychange", begin, { once: true });
    else begin();
  }
  return next && next(decision, memo, config);
};
