// The yardstick: a small runtime of the same contract on node, with the same fake agents, cap and journal.
// Called as: node node.mjs SCRIPT JOURNAL
import { createHash } from 'node:crypto';
import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import vm from 'node:vm';

const [, , script, journal] = process.argv;
const source = readFileSync(script, 'utf8');
const fd = openSync(journal, 'a');
const CAP = 16;
const waiting = [];
let made = 0, seq = 0, previous = '', busy = false;
const sha = (text) => createHash('sha256').update(text).digest('hex');
const record = (kind, e) => {
  const body = JSON.stringify({ seq: ++seq, prev: previous, at: new Date().toISOString(), v: 1, kind, e });
  previous = sha(body);
  return `${body}\n`;
};
// Group commit: as many as may run are answered, written with one sync, and then handed over.
const turn = () => {
  const batch = waiting.splice(0, CAP);
  let lines = '';
  for (const { call } of batch) lines += record('CallAsked', call);
  for (const { call } of batch)
    lines += record('CallAnswered', { ordinal: call.ordinal, key: call.key, reply: { Value: JSON.stringify(answer(call)) }, spent: 0 });
  writeSync(fd, lines);
  fdatasyncSync(fd);
  for (const { call, resolve } of batch) resolve(answer(call));
  if (waiting.length > 0) setImmediate(turn);
  else busy = false;
};
const answer = (call) => ({ ok: true, echo: call.prompt, n: call.ordinal });
const agent = async (prompt, options = {}) => {
  if (typeof prompt !== 'string') throw new TypeError('agent prompt must be a string');
  const { label, phase, ...rest } = options;
  const body = JSON.stringify({ prompt, ...rest });
  const call = { ordinal: ++made, asks: 'Agent', label, phase, key: sha(body), body, prompt };
  return new Promise((resolve) => {
    waiting.push({ call, resolve });
    if (!busy) {
      busy = true;
      setImmediate(turn);
    }
  });
};
const nullOnError = async (work) => {
  try {
    return await work();
  } catch {
    return null;
  }
};
const parallel = (thunks) => Promise.all(thunks.map((thunk) => nullOnError(thunk)));
const pipeline = (items, ...stages) =>
  Promise.all(items.map((item, index) => nullOnError(async () => {
    let value = item;
    for (const stage of stages) value = await stage(value, item, index);
    return value;
  })));
const context = vm.createContext({ agent, parallel, pipeline, log: () => {}, phase: () => {} });
const body = source.replace(/^export /, '');
const value = await new vm.Script(`(async () => {${body}\n})()`, { filename: script }).runInContext(context);
closeSync(fd);
const cpu = process.cpuUsage();
console.log(JSON.stringify({
  value: JSON.stringify(value),
  cpu: (cpu.user + cpu.system) / 1000,
  memory: process.resourceUsage().maxRSS,
}));
