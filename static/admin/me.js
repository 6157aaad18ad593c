/* The visitor's own page: shows, downloads and erases what the receipt stands for. The receipt comes from the
   fragment of the address (which no server ever sees) or from the cookie `poort`, and leaves in a header only. */
(() => {
  "use strict";
  const root = document.getElementById("me");
  const api = root.dataset.api;
  const part = (name) => document.getElementById(`me-${name}`);
  const words = part("words").content;
  const word = (name) => words.querySelector(`[data-word="${CSS.escape(name)}"]`)?.textContent ?? name;
  const fragment = decodeURIComponent(location.hash.slice(1));
  if (fragment) history.replaceState(null, "", location.pathname + location.search);

  const call = (path, method) => fetch(api + path, {
    method, cache: "no-store", headers: fragment ? { "Poort-Receipt": fragment } : {},
  });

  const show = (name) => ["none", "fault", "erased", "shown"].forEach((each) => { part(each).hidden = each !== name; });

  const cell = (text, tag = "td") => Object.assign(document.createElement(tag), { textContent: text });

  function allowed(record) {
    const granted = Object.keys(record.choices).filter((category) => record.choices[category]).map(word);
    const single = (choice) => Object.keys(record.trackers)
      .filter((id) => record.trackers[id] === choice).map((id) => word(`tracker-${id}`));
    const text = [...granted, ...single(true)].join(", ") || word("nothing");
    return single(false).length ? `${text}, ${word("except")} ${single(false).join(", ")}` : text;
  }

  const results = (names) => names.map(word).join(", ");

  /** What the page reported tracker by tracker; the site's own systems are told of all of them at once. */
  function trail({ source, trackers }) {
    if (source === "webhook") return [`${word("webhook")}: ${results([...new Set(Object.values(trackers).flat())])}`];
    return Object.entries(trackers).map(([id, done]) => `${word(`tracker-${id}`)}: ${results(done)}`);
  }

  const steps = (record) => record.trail.flatMap(trail).join("; ");

  function row(record) {
    const line = document.createElement("tr");
    const moment = new Date(record.recorded_at).toLocaleString(document.documentElement.lang, { dateStyle: "long", timeStyle: "short" });
    line.append(cell(moment, "th"), cell(word(record.action)), cell(allowed(record)), cell(steps(record)), cell(record.version), cell(record.id));
    line.firstChild.scope = "row";
    return line;
  }

  async function load() {
    const answer = await call("", "GET");
    if (answer.status === 401) return show("none");
    if (!answer.ok) throw new Error(String(answer.status));
    const { records } = await answer.json();
    part("rows").replaceChildren(...records.map(row));
    return show("shown");
  }

  async function download() {
    const answer = await call("/export", "GET");
    if (!answer.ok) throw new Error(String(answer.status));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = `consent-${root.dataset.site}.jsonld`;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  async function erase() {
    if (!confirm(part("erase").dataset.ask)) return;
    const answer = await call("", "DELETE");
    if (!answer.ok) throw new Error(String(answer.status));
    show("erased");
  }

  const failing = (work) => () => work().catch(() => show("fault"));
  part("download").addEventListener("click", failing(download));
  part("erase").addEventListener("click", failing(erase));
  failing(load)();
})();
