// The first layer: who asks, for what, that it can be undone, and two choices that weigh the same (B1-B8).

import { asked, config, gpc, text, wordsOf } from "./config.js";
import { button, h, link } from "./dom.js";

export const heading = (label) => h("h2", { id: "poort-title", tabindex: -1 }, label);
export const policyLink = () => config.controller.policy_url && [" ", link(config.controller.policy_url, text("policy"))];

// B4: one parent, one class, nothing to tell them apart but their words.
export const choiceButtons = () => [
  button("accept-all", text("accept_all"), { id: "poort-accept-all" }),
  button("necessary-only", text("necessary_only"), { id: "poort-reject-all" }),
];

export const firstLayer = () => [
  h("div", { class: "text" },
    heading(text("title")),
    h("p", { id: "poort-text" }, text("intro")),
    h("ul", {}, asked().map(wordsOf).map(({ name, purpose }) => h("li", {}, h("b", {}, name), " " + purpose))),
    gpc() && h("p", {}, text("gpc")),
    h("p", {}, text("change"), policyLink())),
  h("div", { class: "actions" }, choiceButtons(), button("preferences", text("preferences"), { class: "quiet" })),
];
