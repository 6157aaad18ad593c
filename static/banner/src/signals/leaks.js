// No vendor's: baked in where the owner wants to hear of leaks. On a sampled share of the pages it notes the requests to known
// trackers, and as the page is left it tells how many were made to each while it was not allowed. No address, no visitor.
// `next` is aside.js, where the site has that too.
export default ({ src, dataset }, next) => (decision, memo, config) => {
  const watch = ({ others }) => {
    const CALM = 2e3; // ms around a decision, in which a tag may come a moment before its page is told, or be on its way out
    const rows = [...config.trackers, ...others];
    const states = [[0, Poort.getConsent().trackers]]; // from when on what was allowed
    const shown = {}; // what the visitor had shown by a click, for this page alone
    const seen = []; // [ids, when]
    let told;

    // As auto.js; and who names an address more narrowly has it, as in consent/reach.py.
    const means = (host, path) => (pattern) => {
      if (pattern.startsWith("*")) return host.endsWith(pattern.slice(1));
      if (!pattern.includes("/")) return host === pattern;
      return path.startsWith(pattern) && (!/[a-z\d]$/i.test(pattern) || /^([/?&#;]|$)/.test(path.slice(pattern.length)));
    };
    const weight = (pattern) => pattern.replace("*", "").length + 1e3 * pattern.includes("/");
    const owners = (address) => {
      const { host, pathname, search } = new URL(address);
      const weights = rows.map(({ hosts = [], paths = [] }) =>
        Math.max(0, ...[...hosts, ...paths].filter(means(host, host + pathname + search)).map(weight)));
      const most = Math.max(...weights);
      return most ? rows.filter((_, at) => weights[at] === most).map(({ id }) => id) : [];
    };
    const note = (entries) => {
      for (const { name, startTime } of entries) {
        const ids = /^http/.test(name) && seen.length < 1e3 ? owners(name) : [];
        if (ids[0]) seen.push([ids, startTime]);
      }
    };
    const mayHave = (id, when) => shown[id] || states.some(([from, trackers], at) =>
      trackers[id]?.allow && from <= when + CALM && !(states[at + 1]?.[0] < when - CALM));
    const group = () => {
      const name = dataset.pageGroup || document.querySelector("meta[name=poort-page-group]")?.content || "";
      return /^[\w-]{1,64}$/.test(name) ? name : null;
    };

    const observer = new PerformanceObserver((list) => note(list.getEntries()));
    observer.observe({ type: "resource", buffered: true });
    addEventListener("poort:change", ({ detail }) => states.push([performance.now(), detail.trackers]));
    document.addEventListener("click", ({ target }) => {
      const box = target.closest?.("[data-poort=embed-once]")?.closest("[data-poort=embed]");
      if (box) shown[box.previousElementSibling?.dataset.service] = true;
    }, true);
    addEventListener("pagehide", () => {
      if (told) return;
      told = true;
      note(observer.takeRecords());
      observer.disconnect();
      const trackers = {};
      for (const [ids, when] of seen) {
        const [id] = ids;
        if (!ids.some((one) => mayHave(one, when))) trackers[id] = Math.min(100, 1 + (trackers[id] || 0));
      }
      if (!Object.keys(trackers).length) return;
      // A beacon would take the cookies of Poort's host along, and say the page in its Referer.
      fetch(`${dataset.endpoint || new URL(src).origin}/v1/sites/${config.site}/leaks`, {
        method: "POST", body: JSON.stringify({ page_group: group(), trackers }), keepalive: true, credentials: "omit", referrerPolicy: "no-referrer",
      }).catch(() => {});
    });
  };
  try {
    if (Math.random() < config.leaks?.sample) watch(config.leaks);
  } catch (error) {
    console.error(error); // a browser without it: the page goes on
  }
  return next && next(decision, memo, config);
};
