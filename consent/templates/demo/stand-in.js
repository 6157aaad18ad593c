// Stands in for {{ me.name }}: leaves behind what it would leave behind, and reports itself to the page. Calls nobody.
(function (me) {
  "use strict";
  me.cookies.forEach(function (cookie) {
    document.cookie = cookie.name + "=stand-in; Path=/; SameSite=Lax" + (cookie.seconds ? "; Max-Age=" + cookie.seconds : "");
  });
  me.storage.forEach(function (key) {
    (key.kind === "local" ? localStorage : sessionStorage).setItem(key.name, "stand-in");
  });
  document.querySelectorAll('[data-slot="' + me.tracker + '"]').forEach(function (slot) { slot.hidden = false; });
  (window.demoArrivals = window.demoArrivals || []).push({ tracker: me.tracker, at: Date.now() });
  window.dispatchEvent(new CustomEvent("demo:stand-in", { detail: me.tracker }));
})({{ me | tojson }});
