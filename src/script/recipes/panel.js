export const meta = {
  name: 'panel',
  description: 'Several agents answer the same question on their own, and a judge weighs the answers',
  whenToUse: 'A decision or a design where the first answer is rarely the best one',
  phases: [{ title: 'Answer' }, { title: 'Judge' }],
  args: {
    type: 'object',
    required: ['question'],
    additionalProperties: false,
    properties: {
      question: { type: 'string', minLength: 1, description: 'what is asked' },
      panel: {
        type: 'array',
        minItems: 2,
        items: { type: 'string' },
        description: 'the approach that each member takes',
        default: ['the simplest thing that works', 'what fails first, and how', 'what the next years will need'],
      },
      criteria: { type: 'string', description: 'what the judge goes by', default: 'correctness first, then simplicity, then cost' },
    },
  },
};

const VERDICT = {
  type: 'object',
  required: ['winner', 'answer', 'why'],
  properties: {
    winner: { type: 'integer', minimum: 1 },
    answer: { type: 'string' },
    why: { type: 'string' },
    taken: { type: 'array', items: { type: 'string' } },
  },
};

const { question, panel, criteria } = args;
const answers = await parallel(
  panel.map((side, seat) => () =>
    agent(`${question}\n\nAnswer from this side: ${side}. You do not see the other answers. Change no files.`, {
      label: `member ${seat + 1}`,
      phase: 'Answer',
    })),
);
const heard = answers.flatMap((text, seat) => (text === null ? [] : [{ seat: seat + 1, side: panel[seat], text }]));
if (heard.length === 0) throw new Error('nobody on the panel answered');
if (heard.length < panel.length) log(`${panel.length - heard.length} of ${panel.length} members gave no answer`);

const verdict = await agent(
  `You judge answers to this question: ${question}\nGo by: ${criteria}.\n\n${heard
    .map((one) => `## Answer ${one.seat} (${one.side})\n${one.text}`)
    .join('\n\n')}\n\nName the best by its number, give the answer that should be used (you may take over parts of the others, and say which), and why.`,
  { label: 'judge', phase: 'Judge', schema: VERDICT },
);
if (verdict === null) return { answer: null, why: 'the judge gave nothing', answers: heard };
return { ...verdict, side: panel[verdict.winner - 1] ?? null, answers: heard };
