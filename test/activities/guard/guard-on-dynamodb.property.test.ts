import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import fc from 'fast-check';
import type { Emulator } from '../../../local/stack/emulator';
import { startEmulator } from '../../../local/stack/emulator';
import { dynamoClient, makeDynamoTable } from '../../support/dynamo-guard-table';
import { LOCK_PKS, readLedger } from '../../support/guard-ledger';
import { anAct, GuardModel, rounds } from '../../support/guard-model';

let emulator: Emulator;
let dynamo: DynamoDBClient;

beforeAll(async () => {
  emulator = await startEmulator();
  dynamo = dynamoClient(emulator);
}, 120_000);
afterAll(async () => {
  dynamo.destroy();
  await emulator.stop();
});

const LARGEST_FLEET = 1_500;
const PKS = ['guard', 'reservation', 'work', ...LOCK_PKS];

describe('the guard over DynamoDB', () => {
  it('keeps count, locks and caps together while runbooks act at the same time', async () => {
    let made = 0;
    let held = 0;
    await fc.assert(
      fc.asyncProperty(rounds(anAct, { rounds: 4, acts: 5 }), async (plan) => {
        made += 1;
        const table = await makeDynamoTable(dynamo, `model-${made}`);
        const model = new GuardModel(table);
        await model.start(300);
        let fence = 0;
        for (const { acts, passMs } of plan) {
          await Promise.all(acts.map((act) => model.play(act)));
          model.now += passMs;
          const items = (await Promise.all(PKS.map((pk) => table.list(pk)))).flat();
          const ledger = readLedger(items);
          expect(ledger.count).toBe(ledger.held.length);
          expect(new Map(ledger.held.map(({ thing, owner }) => [thing, owner]))).toEqual(
            ledger.locks,
          );
          expect(ledger.count).toBeLessThanOrEqual(LARGEST_FLEET / 20);
          expect(ledger.fence).toBeGreaterThanOrEqual(fence);
          fence = ledger.fence;
          held += ledger.count;
        }
        const fences = model.granted.map((lease) => lease.fence);
        expect(Math.max(0, ...fences)).toBe(fence);
      }),
      { numRuns: 15, interruptAfterTimeLimit: 45_000 },
    );
    expect(held).toBeGreaterThan(0);
  }, 90_000);
});
