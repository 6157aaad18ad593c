// VWO (K4): opting out is for good in this browser, so only a withdrawal says it; teardown then deletes what it is remembered by.
export default ({ trackers: { vwo } }, before) => {
  if (vwo || !before?.trackers.vwo || !window.VWO) return false;
  window.VWO.push(["optOutVisitor"]);
  return true;
};
