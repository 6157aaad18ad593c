// No vendor's: baked in where the policy changed materially, or the server was put back from a backup. Says what is due to
// who holds this receipt, so that a visitor for whom nothing is due fetches nothing.
export default ({ t, v }, memo, { notice: news, restored: gap }) => {
  const notice = news?.version > v && !(memo.notice >= news.version);
  const restored = gap && t >= gap.from - 3600 && t <= gap.to && memo.restored !== gap.to;
  return (notice || restored) && { notice, restored };
};
