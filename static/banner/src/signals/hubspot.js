// HubSpot (K4) keeps no consent from page to page; refused, it would still count pages, so it is told not to track at all.
export default ({ trackers: { hubspot }, categories }, before, memo) => {
  const hsp = (window._hsp ||= []);
  const hsq = (window._hsq ||= []);
  const consent = {
    analytics: hubspot && categories.analytics, advertisement: hubspot, functionality: hubspot && categories.functional,
  };
  const said = JSON.stringify(consent);
  if (memo.said === said) return false;
  memo.said = said;
  if (!hubspot && before) {
    hsp.push(["revokeCookieConsent"]);
    hsq.push(["doNotTrack"]);
    memo.off = true;
  } else {
    if (hubspot && memo.off) hsq.push(["doNotTrack", { track: true }]);
    hsp.push(["setHubSpotConsent", consent]);
  }
  return true;
};
