// Microsoft Advertising (K1): its queue is an array, so the default can stand in it before the tag comes.
export default (now, before) => {
  const word = (one) => (one?.trackers.uet ? "granted" : one?.decided ? "denied" : "");
  const tell = (command, ad_storage) => (window.uetq ||= []).push("consent", command, { ad_storage });
  if (!before) tell("default", "denied");
  if (word(now) === word(before)) return !before;
  tell("update", word(now) || "denied");
  return true;
};
