// Pinterest (K4). No queue is made for it: its snippet loads nothing where `pintrk` is already there.
export default ({ trackers: { pinterest } }, before, memo) => {
  if (!window.pintrk || memo.said === pinterest) return false;
  memo.said = pinterest;
  window.pintrk("setconsent", pinterest);
  return true;
};
