// A question a line on stdin, its answer a line on stdout; see tests/test_verifiers.py.
const { read, verify, tokens, decide } = require("../../deploy/verifiers/poort.cjs");
const { createInterface } = require("node:readline");

const asked = {
  read: (q) => read(q.token, q.keys),
  verify: (q) => verify(q.token, q.keys, q.site, q.now),
  tokens: (q) => tokens(q.cookie),
  decide: (q) => decide(q.shown, q.keys, q.version, q.tracker, q.now, q.gpc),
};

function answer(question) {
  try {
    return asked[question.do](question);
  } catch (error) {
    return { error: error.constructor.name, message: error.message };
  }
}

createInterface({ input: process.stdin }).on("line", (line) => console.log(JSON.stringify(answer(JSON.parse(line)))));
