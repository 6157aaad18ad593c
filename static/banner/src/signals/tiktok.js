// TikTok (K4). Older snippets lack these methods: then holding the tag back is all.
export default ({ trackers: { tiktok }, decided }, before, memo) => {
  const { ttq } = window;
  const call = tiktok ? "grantConsent" : decided || before?.trackers.tiktok ? "revokeConsent" : "holdConsent";
  if (!ttq?.[call] || memo.said === call) return false;
  memo.said = call;
  ttq[call]();
  return true;
};
