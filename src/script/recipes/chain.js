export const meta = {
  name: 'chain',
  description: 'Agents one after the other, each with what the one before it said',
  whenToUse: 'A task whose steps need each other: scout, plan, work, review',
  phases: [{ title: 'Chain', detail: 'one agent a step' }],
  args: {
    type: 'object',
    required: ['task'],
    additionalProperties: false,
    properties: {
      task: { type: 'string', minLength: 1, description: 'what the whole chain is for' },
      steps: {
        type: 'array',
        minItems: 1,
        description: 'what each agent does; {task} and {previous} are filled in',
        items: {
          anyOf: [
            { type: 'string' },
            {
              type: 'object',
              required: ['prompt'],
              properties: {
                prompt: { type: 'string' },
                label: { type: 'string' },
                role: { type: 'string' },
                agent: { type: 'string' },
                model: { type: 'string' },
              },
            },
          ],
        },
        default: [
          { label: 'scout', prompt: 'Find out what matters for this task, and change nothing: {task}' },
          { label: 'plan', prompt: 'Write a short plan for this task, and change nothing: {task}\n\nWhat the scout found:\n{previous}' },
          { label: 'work', prompt: 'Do this task: {task}\n\nThe plan:\n{previous}' },
          { label: 'review', prompt: 'Review what was done for this task, and mend what is wrong: {task}\n\nThe worker says:\n{previous}' },
        ],
      },
    },
  },
};

phase('Chain');
const said = [];
for (const [at, given] of args.steps.entries()) {
  const step = typeof given === 'string' ? { prompt: given } : given;
  const label = step.label ?? `step ${at + 1}`;
  const prompt = step.prompt
    .split('{task}').join(args.task)
    .split('{previous}').join(said.at(-1)?.text ?? '');
  const text = await agent(prompt, { label, agentType: step.role, agent: step.agent, model: step.model });
  if (text === null) {
    // A link that is missing would let the rest guess.
    throw new Error(`the chain broke at ${label}: its agent gave nothing`);
  }
  said.push({ label, text });
  report({ done: said.map((one) => one.label) });
}
return { answer: said.at(-1).text, steps: said };
