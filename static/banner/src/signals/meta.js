// Meta (K3). No queue is made for it: its snippet loads nothing where `fbq` is already there.
export default ({ trackers: { meta } }, before, memo) => {
  const { fbq } = window;
  const word = meta ? "grant" : "revoke";
  if (!fbq || memo.said === word) return false;
  // A refusal has to stand before `init`, which may wait in the queue already.
  if (!meta && !memo.said && fbq.queue && !fbq.callMethod) fbq.queue.unshift(["consent", word]);
  else fbq("consent", word);
  memo.said = word;
  return true;
};
