// Safari keeps a cookie that a script wrote for a week at most; one that the site's own server sets lives as long as it says
// (docs/durable.md). So after the banner wrote the receipt, this asks the site's own server to set the same cookie anew:
//
//     <script async src="https://consent.shop.example/banner/v1/durable.js" data-keep="/poort/keep"></script>
(() => {
  "use strict";
  const path = document.currentScript.dataset.keep || "/poort/keep";
  let kept, timer, asking;

  const token = () => document.cookie.split("; ").find((pair) => pair.startsWith("poort="));

  // The receipt of a decision comes once the server has it: looked for after 0.2, 0.4 ... 25 seconds.
  const keep = (wait) => {
    clearTimeout(timer);
    const now = token();
    if (now && now !== kept) {
      kept = now;
      asking = new AbortController();
      // Not `keepalive`: such a request can not be given up. The next page tries again.
      const request = { method: "POST", credentials: "same-origin", signal: asking.signal };
      fetch(path, request).catch(() => {});
    } else if (wait < 3e4) timer = setTimeout(() => keep(wait * 2), wait);
  };

  // On each page the banner writes the cookie anew, so the server has to follow on each.
  const begin = () => token() && keep(200);
  window.addEventListener("poort:change", () => {
    asking?.abort(); // its answer would put the cookie of before back: a consent over its withdrawal
    keep(200);
  });
  if (window.Poort?.onReady) window.Poort.onReady(begin);
  else window.addEventListener("poort:ready", begin);
})();
