export const meta = {
  name: 'council',
  description: 'Members argue in rounds, each with the words of the others, and then vote',
  whenToUse: 'A question with real trade-offs, where positions should meet before they are counted',
  phases: [{ title: 'Open' }, { title: 'Debate' }, { title: 'Vote' }],
  args: {
    type: 'object',
    required: ['question'],
    additionalProperties: false,
    properties: {
      question: { type: 'string', minLength: 1, description: 'what is to be decided' },
      members: {
        type: 'array',
        minItems: 2,
        maxItems: 12,
        items: { type: 'string' },
        description: 'who sits in it',
        default: ['a maintainer who will live with it', 'a user who needs it', 'a sceptic who would rather not'],
      },
      rounds: { type: 'integer', minimum: 1, maximum: 5, description: 'how often they answer each other', default: 2 },
    },
  },
};

const VOTE = {
  type: 'object',
  required: ['choice', 'why'],
  properties: { choice: { type: 'string' }, why: { type: 'string' }, dissent: { type: 'string' } },
};

const { question, members, rounds } = args;
let positions = await parallel(
  members.map((member, seat) => () =>
    agent(`You are ${member}, a member of a council. Say in a few sentences what you would decide, and why: ${question}`, {
      label: `open ${seat + 1}`,
      phase: 'Open',
    })),
);
const words = () =>
  positions
    .map((text, seat) => `${members[seat]}: ${text ?? '(said nothing)'}`)
    .join('\n\n');

for (let round = 1; round <= rounds; round++) {
  const before = words();
  const next = await parallel(
    members.map((member, seat) => () =>
      agent(
        `You are ${member}, a member of a council on: ${question}\n\nSo far:\n${before}\n\nAnswer the strongest point against you. Say what you now hold, and what would change your mind.`,
        { label: `round ${round}, ${seat + 1}`, phase: 'Debate' },
      )),
  );
  // Who says nothing still holds what was said before.
  positions = next.map((text, seat) => text ?? positions[seat]);
  report({ round, positions });
}

const votes = await parallel(
  members.map((member, seat) => () =>
    agent(
      `You are ${member}, a member of a council on: ${question}\n\nThe positions:\n${words()}\n\nVote now. Name your choice in at most five words, so that equal choices read the same, and say why.`,
      { label: `vote ${seat + 1}`, phase: 'Vote', schema: VOTE },
    )),
);
const counted = new Map();
votes.forEach((vote, seat) => {
  if (vote === null) return;
  const key = vote.choice.trim().toLowerCase();
  const one = counted.get(key) ?? { choice: vote.choice.trim(), members: [], reasons: [] };
  one.members.push(members[seat]);
  one.reasons.push(vote.why);
  counted.set(key, one);
});
const result = [...counted.values()].sort((a, b) => b.members.length - a.members.length);
if (result.length === 0) throw new Error('nobody voted');
const decided = result[0].members.length * 2 > members.length;
return {
  decided,
  choice: decided ? result[0].choice : null,
  votes: result,
  abstained: votes.filter((vote) => vote === null).length,
  positions: members.map((member, seat) => ({ member, position: positions[seat] })),
};
