// The first layer: who asks, for what, that it can be undone, and two choices that weigh the same (B1-B8).

import { asked, config, gpc, text } from "./config.js";
import { button, h, link } from "./dom.js";

// B4: one parent, one class, nothing to tell them apart but their words.
const choices = (look) => [
  button("accept-all", text("accept_all"), { id: "poort-accept-all", class: look }),
  button("necessary-only", text("necessary_only"), { id: "poort-reject-all", class: look }),
];

export const signal = () => gpc() && h("p", {}, text("gpc"));
export const policy = () => link(config.controller.policy_url, text("policy"));

// What both layers have: a heading, a text, and buttons that are always in sight.
export const layer = (title, intro, body, look, ...more) => [
  h("div", { class: "head" }, h("h2", { id: "poort-title", tabindex: -1 }, title)),
  h("div", { class: "text" },
    h("p", { id: "poort-text" }, intro),
    body),
  config.ask && h("div", { class: "actions" }, choices(look), more),
];

export const firstLayer = () => layer(text("title"), text("intro"), [
  h("ul", {}, asked().map(({ name, purpose }) => h("li", {}, h("b", {}, name), " " + purpose))),
  signal(),
  h("p", {}, text("change"), policy()),
], "", button("preferences", text("preferences"), { class: "quiet" }));
