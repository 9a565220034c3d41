export const meta = {
  name: 'fix',
  description: 'Runs a check and lets an agent mend what fails, until it passes or nothing gets better',
  whenToUse: 'A build, a linter or a test suite that fails, and whose output says why',
  phases: [{ title: 'Check' }, { title: 'Fix' }],
  args: {
    type: 'object',
    required: ['check'],
    additionalProperties: false,
    properties: {
      check: { type: 'string', minLength: 1, description: 'the command that must exit with 0' },
      rounds: { type: 'integer', minimum: 1, maximum: 50, description: 'how often an agent may try', default: 5 },
      timeout: { type: 'integer', minimum: 1, description: 'how long the check may take, in milliseconds', default: 1200000 },
      hint: { type: 'string', description: 'what the agent must know besides', default: '' },
    },
  },
};

const { check, rounds, timeout, hint } = args;
// The end of the output says most, and keeps the prompt small.
const tail = (text) => (text.length > 8000 ? `…\n${text.slice(-8000)}` : text);
// Times and counts differ from try to try without anything being better.
const shape = (result) => `${result.code}\n${result.stdout}\n${result.stderr}`.replace(/\d+(\.\d+)?/g, '#');

const history = [];
let stuck = 0;
for (let round = 1; ; round++) {
  const result = await sh(check, { label: `check ${round}`, phase: 'Check', timeout });
  if (result.code === 0) {
    if (round > 1) await checkpoint('fixed', { rounds: round - 1 });
    return { passed: true, rounds: round - 1, history };
  }
  const same = history.length > 0 && history.at(-1).shape === shape(result);
  stuck = same ? stuck + 1 : 0;
  const why = round > rounds ? `${rounds} rounds are used up` : stuck >= 2 ? 'two rounds changed nothing' : null;
  if (why !== null) {
    log(`given up: ${why}`);
    return {
      passed: false,
      why,
      rounds: round - 1,
      code: result.code,
      output: tail(result.stdout + result.stderr),
      history: history.map((one) => one.said),
    };
  }
  const said = await agent(
    `The check \`${check}\` exits with ${result.code}. Mend the cause, not the check: do not skip, weaken or delete tests.${hint === '' ? '' : `\n${hint}`}${
      same ? '\nThe last try changed nothing: look for another cause.' : ''
    }\n\nIts output:\n${tail(result.stdout + result.stderr)}`,
    { label: `fix ${round}`, phase: 'Fix' },
  );
  history.push({ shape: shape(result), said });
}
