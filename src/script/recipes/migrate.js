export const meta = {
  name: 'migrate',
  description: 'One packet a shard, each with a branch, a scope and checks of its own; then they are merged',
  whenToUse: 'A change that is the same in many places which can be worked on apart from each other',
  phases: [
    { title: 'Shard', detail: 'which parts there are' },
    { title: 'Migrate', detail: 'one packet a part' },
    { title: 'Integrate', detail: 'what passed its checks is merged' },
  ],
  args: {
    type: 'object',
    required: ['task'],
    additionalProperties: false,
    properties: {
      task: { type: 'string', minLength: 1, description: 'what is to be done in each part' },
      shards: { type: 'array', items: { type: 'string' }, description: 'the folders; without them, those that hold tracked files' },
      depth: { type: 'integer', minimum: 1, maximum: 6, description: 'how deep folders are told apart', default: 1 },
      checks: { type: 'array', items: { type: 'string' }, description: 'commands that must exit with 0 in each packet', default: [] },
      turns: { type: 'integer', minimum: 1, maximum: 20, description: 'how often a failing check is mended', default: 3 },
      most: { type: 'integer', minimum: 1, maximum: 500, description: 'more shards than this are refused', default: 50 },
    },
  },
};

const { task, checks, depth, turns, most } = args;

phase('Shard');
let shards = args.shards;
if (shards === undefined) {
  const listed = await sh('git ls-files -z | tr "\\000" "\\n"', { label: 'list the files' });
  if (listed.code !== 0) throw new Error(`git ls-files failed: ${listed.stderr}`);
  const folders = new Set();
  for (const file of listed.stdout.split('\n')) {
    const parts = file.split('/').slice(0, -1);
    if (parts.length > 0 && !parts[0].startsWith('.')) folders.add(parts.slice(0, depth).join('/'));
  }
  shards = [...folders].sort();
  // A folder within another one of the list belongs to it: scopes never meet.
  shards = shards.filter((one) => !shards.some((other) => other !== one && one.startsWith(`${other}/`)));
}
if (shards.length === 0) throw new Error('there is nothing to shard: no folder holds tracked files');
if (shards.length > most) throw new Error(`${shards.length} shards are more than ${most}: name them in args.shards, or raise args.most`);
log(`${shards.length} shards: ${shards.join(', ')}`);

phase('Migrate');
const packets = await parallel(
  shards.map((shard) => () =>
    packet(
      `${task}\n\nYour part is the folder ${shard}; others work on the rest at the same time, so change nothing outside it. If nothing is to be done there, change nothing and say so.`,
      { label: shard, scope: `${shard}/**`, checks, turns },
    )),
);
const good = ['collected', 'checked', 'accepted', 'waiting', 'integrated'];
const done = packets.filter((one) => one !== null && good.includes(one.status));
const failed = packets.flatMap((one, at) =>
  one === null || (!good.includes(one.status) && one.status !== 'no_change')
    ? [{ shard: shards[at], status: one?.status ?? 'failed', why: one?.why ?? null }]
    : []);
report({ done: done.length, failed });

phase('Integrate');
const merged = done.length === 0 ? null : await integrate(done);
return {
  shards: shards.length,
  changed: done.length,
  unchanged: packets.filter((one) => one?.status === 'no_change').length,
  failed,
  integration: merged,
};
