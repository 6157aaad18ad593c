// Microsoft Clarity (K2): it takes itself to be refused until told otherwise; its own snippet takes a queue that is there over.
export default (now, before) => {
  const words = ({ trackers: { clarity }, categories: { marketing } }) =>
    [clarity && marketing, clarity].map((yes) => (yes ? "granted" : "denied"));
  const [ad_Storage, analytics_Storage] = words(now);
  if (before ? `${words(before)}` === `${words(now)}` : !now.trackers.clarity && !window.clarity) return false;
  window.clarity ||= function () {
    (window.clarity.q ||= []).push(arguments);
  };
  window.clarity("consentv2", { ad_Storage, analytics_Storage });
  return true;
};
