// Intercom (K4). No function is made for it: its snippet would take it for a running messenger. Its settings can wait, disabled.
export default ({ trackers: { intercom } }, before, memo) => {
  const { Intercom, intercomSettings: settings } = window;
  if (before ? before.trackers.intercom === intercom : intercom) return false;
  if (!intercom) {
    if (settings) settings.disabled = memo.held = true;
    Intercom?.("shutdown");
  } else {
    if (memo.held && settings) settings.disabled = false;
    Intercom?.("boot", settings);
  }
  return !!Intercom;
};
