// Before the real script in the preview's frame: its server is this page, so that nothing leaves it and nothing is kept.
// The frame is sandboxed: it has no storage and no cookies of its own.

{
  const { config, layer, gpc, scheme } = JSON.parse(document.getElementById("preview").textContent);

  const encoded = (value) => btoa(unescape(encodeURIComponent(JSON.stringify(value))));
  const seconds = Math.floor(Date.now() / 1000);

  // A receipt as the script reads it. The signature is none.
  const receipt = ({ id, visitor, action, choices, trackers }) => encoded({
    s: config.site, r: id, p: visitor, v: config.version, a: action, gpc, t: seconds, e: seconds + 86400,
    c: Object.keys(choices).filter((name) => choices[name]),
    x: Object.keys(trackers).filter((name) => trackers[name] === false),
    g: Object.keys(trackers).filter((name) => trackers[name]),
  }) + ".preview";

  const answers = {
    config: () => Response.json(config),
    consents: (body) => Response.json({ record: { id: body.id }, receipt: receipt(body) }, { status: 201 }),
    events: () => new Response(null, { status: 204 }),
  };

  window.fetch = async (address, options) => {
    const call = new URL(address).pathname.split("/").pop();
    return answers[call] ? answers[call](JSON.parse(options?.body ?? "null")) : new Response(null, { status: 404 });
  };
  navigator.sendBeacon = () => true;

  let cookie = "";
  Object.defineProperty(document, "cookie", {
    get: () => cookie,
    set: (line) => { cookie = line.startsWith("poort=") && !line.includes("Max-Age=0") ? line.split(";")[0] : ""; },
  });
  Object.defineProperty(navigator, "globalPrivacyControl", { value: gpc });

  // Light or dark as it was asked for, whatever this browser prefers.
  const { replaceSync } = CSSStyleSheet.prototype;
  CSSStyleSheet.prototype.replaceSync = function (text) {
    replaceSync.call(this, text.replace(/\(prefers-color-scheme:\s*(light|dark)\)/g,
      (_, theme) => (theme === scheme ? "(min-width:0)" : "(max-width:0)")));
  };

  // Who types beside the frame goes on typing.
  const { focus } = HTMLElement.prototype;
  let here = false;
  HTMLElement.prototype.focus = function (options) {
    if (here) focus.call(this, options);
  };
  for (const name of ["pointerdown", "keydown"]) window.addEventListener(name, () => { here = true; }, true);
  window.addEventListener("click", (event) => { if (event.target.closest?.("a[href]")) event.preventDefault(); });

  document.addEventListener("DOMContentLoaded", () => {
    if (layer === "second") window.Poort.showPreferences();
  });
}
