export const meta = {
  name: 'review',
  description: 'Several reviewers look at a change from their own side; others then try to refute what they found',
  whenToUse: 'Before a change lands, when a wrong finding costs as much as a missed one',
  phases: [
    { title: 'Review', detail: 'one reviewer a perspective' },
    { title: 'Verify', detail: 'sceptics for each finding' },
    { title: 'Report', detail: 'what held' },
  ],
  args: {
    type: 'object',
    additionalProperties: false,
    properties: {
      target: {
        type: 'string',
        description: 'what is reviewed',
        default: 'the change of the last commit (git show HEAD)',
      },
      perspectives: {
        type: 'array',
        items: { type: 'string' },
        minItems: 1,
        description: 'the sides from which it is looked at',
        default: ['correctness', 'security', 'error handling', 'tests', 'clarity'],
      },
      sceptics: { type: 'integer', minimum: 1, maximum: 9, description: 'how many try to refute each finding', default: 3 },
    },
  },
};

const FINDINGS = {
  type: 'object',
  required: ['findings'],
  properties: {
    findings: {
      type: 'array',
      items: {
        type: 'object',
        required: ['title', 'file', 'why'],
        properties: {
          title: { type: 'string' },
          file: { type: 'string' },
          line: { type: 'integer' },
          why: { type: 'string' },
          severity: { enum: ['low', 'medium', 'high'] },
        },
      },
    },
  },
};
const VERDICT = {
  type: 'object',
  required: ['real', 'why'],
  properties: { real: { type: 'boolean' }, why: { type: 'string' } },
};

const { target, perspectives, sceptics } = args;

// No barrier: the findings of one reviewer are verified while the others still read.
const judged = await pipeline(
  perspectives,
  (side) =>
    agent(
      `Review ${target} for ${side} alone. Read the code around it. Report only what you can point to; change nothing.`,
      { label: `review: ${side}`, phase: 'Review', schema: FINDINGS },
    ),
  async (found, side) => {
    if (found === null) return { side, failed: true, findings: [] };
    const findings = await parallel(
      found.findings.map((finding, at) => async () => {
        const votes = await parallel(
          Array.from({ length: sceptics }, (_, seat) => () =>
            agent(
              `A reviewer of ${target} claims this. Try to refute it: read the code, and assume it is wrong until you have seen that it is not.\n${JSON.stringify(finding)}\nYou are sceptic ${seat + 1} of ${sceptics}.`,
              { label: `refute: ${side} ${at + 1}.${seat + 1}`, phase: 'Verify', schema: VERDICT },
            )),
        );
        const heard = votes.filter((vote) => vote !== null);
        const real = heard.filter((vote) => vote.real).length;
        // A finding that nobody could look at is neither confirmed nor refuted.
        const verdict = heard.length === 0 ? 'unverified' : real * 2 > heard.length ? 'confirmed' : 'refuted';
        return { ...finding, side, verdict, votes: `${real} of ${heard.length}`, reasons: heard.map((vote) => vote.why) };
      }),
    );
    return { side, failed: false, findings: findings.filter((one) => one !== null) };
  },
);

phase('Report');
const all = judged.filter((one) => one !== null);
const findings = all.flatMap((one) => one.findings);
const only = (verdict) => findings.filter((one) => one.verdict === verdict);
const missing = perspectives.filter((side) => !all.some((one) => one.side === side && !one.failed));
if (missing.length > 0) log(`nobody reviewed: ${missing.join(', ')}`);
log(`${only('confirmed').length} confirmed, ${only('refuted').length} refuted, ${only('unverified').length} unverified`);
return { confirmed: only('confirmed'), unverified: only('unverified'), refuted: only('refuted').length, missing };
