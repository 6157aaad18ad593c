// Contentsquare (K4): as VWO, but with a way back.
export default ({ trackers: { csq } }, before, memo) => {
  if (!window._uxa || !(csq ? memo.out : before?.trackers.csq)) return false;
  window._uxa.push([csq ? "optin" : "optout"]);
  memo.out = !csq;
  return true;
};
