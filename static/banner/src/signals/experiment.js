// No vendor's: baked in where the site runs an experiment. Draws a variant for this page by the shares, and puts its words and
// look in the place of the site's own. Nothing is stored for it: the next page draws anew, till there is an answer; then the
// receipt says what was shown, and that stays.
export default (config) => {
  const { variants } = config.experiment || {};
  if (!variants) return;

  const now = Date.now() / 1e3;
  const answered = [
    () => [JSON.parse(localStorage.getItem("poort"))].map(({ site, pending }) => site === config.site && pending)[0], // not sent yet
    () => JSON.parse(atob(/(?:^|; )poort=([^.;]+)/.exec(document.cookie)[1].replace(/-/g, "+").replace(/_/g, "/"))),
  ];
  const said = () => {
    for (const read of answered) {
      try {
        const { s = config.site, v, version = v, w, variant = w, e = now + 1 } = read();
        if (s === config.site && version && e > now) return { version, variant };
      } catch {} // there is none
    }
  };
  const draw = () => {
    let left = Math.random() * variants.reduce((sum, { share }) => sum + share, 0);
    return variants.find(({ share }) => (left -= share) < 0) || variants[0];
  };

  // Once a page: the rest of the config comes later, and is said in the same words. Who answered another version is asked
  // about what changed, if at all, so does not count here.
  if (!config.drawn) {
    const before = said();
    config.drawn = before ? { id: before.variant } : draw();
    if (!before || before.version === config.version) config.variant = config.drawn.id;
  }
  const { texts, others = {}, look } = variants.find(({ id }) => id === config.drawn.id) || {};
  Object.assign(config.texts, texts);
  for (const language in others) Object.assign(config.others[language], others[language]);
  Object.assign(config, look);
};
