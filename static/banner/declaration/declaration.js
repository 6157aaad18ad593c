// The cookie declaration, right behind the tag that asks for it, in the site's own cookie page:
//
//     <script async src="https://consent.shop.example/banner/v1/declaration.js" data-site="shop"></script>
//
// data-lang="en" (else the page's language), data-heading-level="3" (else 2). It needs no banner; where ours is in the
// page, it shows what the visitor chose, and its button opens the settings. On Poort's own page, with data-here, the
// facts are there already, and only the choice is added. Built with textContent alone: no word of it is ever markup.
(() => {
  "use strict";
  const tag = document.currentScript;
  const { site, lang, headingLevel, here } = tag.dataset;
  const endpoint = tag.dataset.endpoint || new URL(tag.src).origin;
  const language = (lang || document.documentElement.lang || "").slice(0, 2).toLowerCase();
  const top = Math.min(Math.max(parseInt(headingLevel, 10) || 2, 1), 4);
  const RULES = POORT_DECLARATION_CSS;

  const h = (name, attributes, ...children) => {
    const node = document.createElement(name);
    for (const key of Object.keys(attributes)) if (attributes[key] !== undefined) node.setAttribute(key, attributes[key]);
    node.append(...children.flat().filter((child) => child !== ""));
    return node;
  };
  const heading = (deeper, text, attributes = {}) => h(`h${Math.min(top + deeper, 6)}`, attributes, text);
  // An address is one that leads to a page or a mailbox, or none.
  const link = ({ href, text }) => (/^(https?:\/\/|mailto:)/i.test(href) ? h("a", { href, rel: "noopener" }, text) : text);

  // -- the facts -----------------------------------------------------------------------------------------------------

  const fact = ({ name, text, href, lang: spoken }) => h("div", {}, h("dt", {}, name), h("dd", { lang: spoken }, href ? link({ href, text }) : text));

  // On a narrow page the cells stand below each other, and by their roles it stays a table.
  const cells = (name, role, texts) => texts.map((text, at) => h(name || (at ? "td" : "th"), { role: role || (at ? "cell" : "rowheader") }, text));
  const row = (...texts) => h("tr", { role: "row" }, ...texts);
  const stored = ({ caption, rows }, labels) => (rows.length
    ? h("table", { role: "table" },
      h("caption", {}, caption),
      h("thead", { role: "rowgroup" }, row(...cells("th", "columnheader", [labels.name, labels.kind, labels.kept]))),
      h("tbody", { role: "rowgroup" }, rows.map(({ name, kind, kept }) => row(...cells("", "", [name, kind, kept])))))
    : h("p", {}, caption));

  const choice = (name) => h("p", { class: "poort-choice", "data-choice": name, hidden: "" });

  const tracker = (one, labels) => h("div", { class: "poort-tracker" },
    heading(2, one.name),
    h("p", {}, one.purpose),
    one.asked ? choice(one.id) : "",
    h("dl", {}, one.facts.map(fact)),
    stored(one.stored, labels));

  const section = (one, labels) => h("div", { class: "poort-section" },
    heading(1, one.name),
    h("p", {}, one.purpose),
    one.asked ? choice(`${one.id}/`) : "",
    one.none ? h("p", {}, one.none) : "",
    one.trackers.map((each) => tracker(each, labels)));

  const render = ({ language: spoken, page }) => {
    const title = heading(0, page.title, { id: `poort-declaration-${site}` });
    return h("section", { class: "poort-declaration", lang: spoken, "aria-labelledby": title.id },
      title,
      h("p", {}, page.version),
      h("p", {}, page.responsible, page.links.map((one, at) => [at ? " · " : " ", link(one)]).flat()),
      page.notes.map((note) => h("p", { class: "poort-note" }, note.title ? h("strong", {}, note.title) : "", " ", note.text)),
      h("div", { class: "poort-mine" }, h("p", { "data-chosen": "", hidden: "" }), h("p", { "data-change": "" })),
      page.sections.map((each) => section(each, page.labels)));
  };

  // -- the visitor's choice ------------------------------------------------------------------------------------------

  const sayTracker = (words, { allow, reason }) => (allow ? words.granted : words[reason] || words.off);

  const sayGroup = (words, states) => {
    const on = states.filter(({ allow }) => allow).length;
    if (on && on < states.length) return words.some;
    return on ? words.all : sayTracker(words, states[0]);
  };

  const say = (node, text, allow) => {
    node.textContent = text;
    node.dataset.allow = allow;
    node.hidden = !text;
  };

  // {trackers: {hotjar: {allow, reason}}, decided_at}: as `Poort.getConsent()` and the gate have it.
  const tell = (root, words, { trackers, decided_at: at }) => {
    const known = (node) => trackers[node.dataset.choice];
    for (const group of root.querySelectorAll(".poort-section")) {
      const [first, ...rest] = group.querySelectorAll("[data-choice]");
      const states = rest.map(known).filter(Boolean);
      rest.forEach((node) => known(node) && say(node, sayTracker(words, known(node)), known(node).allow));
      if (first && states.length) say(first, sayGroup(words, states), states.some(({ allow }) => allow));
    }
    if (!root.querySelector("[data-choice]")) return;
    const day = at && new Date(at).toLocaleDateString(root.lang === "en" ? "en-GB" : root.lang, { dateStyle: "long" });
    say(root.querySelector("[data-chosen]"), day ? words.decided.replace("{day}", day) : words.undecided, Boolean(day));
  };

  // The receipt goes along in the fragment, which no server sees; of two nobody can tell which one counts.
  const receipt = () => {
    const found = document.cookie.split("; ").filter((pair) => pair.startsWith("poort="));
    return found.length === 1 ? found[0].slice(6) : "";
  };
  const lead = (anchor, token) => {
    const plain = anchor.href.split("#")[0];
    anchor.href = token() ? `${plain}#receipt=${token()}` : plain;
  };

  // -- in a page of the site -----------------------------------------------------------------------------------------

  const offerPage = (place, words, spoken) => {
    const anchor = h("a", { href: `${endpoint}/me/${site}?lang=${spoken}` }, words.mine);
    // The receipt of that moment, for a new tab and a copied address too.
    for (const name of ["pointerdown", "focus", "contextmenu", "click"]) anchor.addEventListener(name, () => lead(anchor, receipt));
    place.replaceChildren(anchor);
  };

  const offerSettings = (place, words) => {
    if (place.querySelector("button")) return;
    const button = h("button", { type: "button" }, words.change);
    button.addEventListener("click", () => window.Poort.showPreferences());
    place.replaceChildren(button);
  };

  const follow = (root, words) => {
    const place = root.querySelector("[data-change]");
    const show = (state) => {
      if (state?.site !== site) return;
      tell(root, words, state);
      offerSettings(place, words);
    };
    offerPage(place, words, root.lang);
    for (const name of ["ready", "change"]) window.addEventListener(`poort:${name}`, (event) => show(event.detail));
    window.Poort?.onReady?.(show);
  };

  const dress = () => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(RULES);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  };

  const place = (node) => (tag.closest("head") || !tag.isConnected ? document.body.append(node) : tag.after(node));

  const embed = async () => {
    const address = `${endpoint}/v1/sites/${site}/declaration${/^(nl|en)$/.test(language) ? `?lang=${language}` : ""}`;
    try {
      const answer = await fetch(address, { credentials: "omit", headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const data = await answer.json();
      const root = render(data);
      dress();
      place(root);
      follow(root, data.page.choice);
    } catch {
      // Poort can not be reached: what a page about cookies may not do is say nothing.
      place(h("p", {}, h("a", { href: address }, language === "nl" ? "Cookieverklaring" : "Cookie declaration")));
    }
  };

  // -- on Poort's own page -------------------------------------------------------------------------------------------

  const decided = (token) => {
    try {
      return JSON.parse(atob(token.split(".")[0].replace(/-/g, "+").replace(/_/g, "/"))).t * 1000;
    } catch {
      return 0;
    }
  };

  const enhance = async (root) => {
    const given = /^#receipt=(.+)/.exec(location.hash)?.[1];
    if (given) history.replaceState(null, "", location.pathname + location.search);
    const token = given || receipt();
    if (!token) return;
    for (const anchor of document.querySelectorAll("[data-me], [hreflang]")) lead(anchor, () => token);
    const answer = await fetch(`/v1/sites/${site}/gate`, { cache: "no-store", headers: { "Poort-Receipt": token } });
    const { trackers } = await answer.json();
    const judged = Object.values(trackers).map(({ reason }) => reason);
    if (judged.some((reason) => /^(bad_receipt|wrong_site)$/.test(reason))) return;
    tell(root, JSON.parse(root.dataset.words), { trackers, decided_at: decided(token) });
  };

  if (here) enhance(document.getElementById(here)).catch(() => {});
  else embed();
})();
