// Google Consent Mode v2 (J1 to J5): the default before any tag of Google's, one update for each decision and on each page with one.
export default (now, before) => {
  if (!Array.isArray(window.dataLayer)) window.dataLayer = [];
  // Google knows a command by its being `arguments`; an array is data.
  function gtag() {
    window.dataLayer.push(arguments);
  }
  // What was said of Google's own trackers beats their category; one refused is all refused, for they share the signal.
  const allowed = ({ trackers: { ga4, gads, dclk }, categories: { functional, analytics, marketing } }) =>
    [!!(gads ?? dclk ?? marketing) && dclk !== false, ga4 ?? analytics, functional];
  const consent = (command, yes, more) => {
    const [ad_storage, analytics_storage, functionality_storage] = yes.map((one) => (one ? "granted" : "denied"));
    gtag("consent", command, {
      ad_storage, ad_user_data: ad_storage, ad_personalization: ad_storage, analytics_storage,
      functionality_storage, personalization_storage: functionality_storage, security_storage: "granted", ...more,
    });
  };
  const { gads, dclk } = now.trackers;
  const [ads, analytics] = allowed(now);
  const [hadAds, hadAnalytics] = before ? allowed(before) : [];

  if (!before) {
    consent("default", [0, 0, 0], { wait_for_update: 500 });
    gtag("set", "url_passthrough", false);
  }
  if (ads !== hadAds) {
    const signals = ads && !!(gads || dclk);
    gtag("set", "ads_data_redaction", !ads);
    gtag("set", { anonymize_ip: true, allow_google_signals: signals, allow_ad_personalization_signals: signals });
  }
  if (now.decided || before?.decided) consent("update", allowed(now));
  // Withdrawn, a tag that runs would go on without cookies: this ends it.
  if (before && analytics !== hadAnalytics) {
    for (const id in window.google_tag_manager) if (/^G-/.test(id)) window["ga-disable-" + id] = !analytics;
  }
  return true;
};
