// What few visitors need is a second script, which comes when it is needed: the settings, and placeholders of embedded content.

import { endpoint, nonce } from "./config.js";
import { api } from "core"; // made by the build: what that script uses of this one
import { h, trust } from "./dom.js";

let coming;

const load = () => new Promise((resolve, reject) => {
  const script = h("script", { integrity: POORT_EXTRA.integrity, crossorigin: "anonymous" });
  script.nonce = nonce;
  script.onerror = reject;
  script.poort = (make) => resolve(make(api()));
  script.src = trust("ScriptURL", `${endpoint}/banner/v1/${POORT_EXTRA.name}.js`);
  document.head.append(script);
  setTimeout(reject, 15e3); // a server that hangs counts as one that is down
});

// Asked for again after it went wrong, but not with every change of a page.
export const extra = () => (coming ||= load().catch((error) => {
  setTimeout(() => (coming = 0), 2e3);
  throw error;
}));

// Has a part of it do this.
export const use = (part, ...given) => extra().then((parts) => parts[part](...given));
