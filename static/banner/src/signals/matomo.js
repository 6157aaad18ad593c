// Matomo: a tag that is not held back waits by itself; one whose snippet requires consent is told of it on each page.
export default ({ trackers: { matomo } }, before) => {
  if (before && before.trackers.matomo === matomo) return false;
  const queue = (window._paq ||= []);
  const refused = before ? ["forgetConsentGiven", "deleteCookies"] : ["requireConsent"];
  for (const name of matomo ? ["setConsentGiven"] : refused) queue.push([name]);
  return true;
};
