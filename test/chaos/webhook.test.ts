import { expect, it } from '@jest/globals';

import { runWebhookChaos } from './webhook';

it('a flood of 2,000 hostile requests to every sender starts nothing, breaks nothing and stops no true alarm', async () => {
  const result = await runWebhookChaos({ requests: 2_000, seed: 4, inFlight: 16 });
  expect(result).toMatchObject({
    hostile: 2_000,
    workflows: 0,
    serverErrors: 0,
    exits: 0,
    strayConnections: 0,
    validSent: 1_050,
    validAccepted: 1_050,
    missing: 0,
    fuzzed: 200,
    undocumented: 0,
    fuzzServerErrors: 0,
    repeats: 1_000,
    repeatWorkflows: 1,
  });
  // The control: what is recorded is recorded.
  expect(result.pinnedConnections).toBeGreaterThan(0);
}, 180_000);
