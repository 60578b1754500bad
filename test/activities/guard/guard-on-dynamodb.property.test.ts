import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import fc from 'fast-check';
import type { Emulator } from '../../../local/stack/emulator';
import { startEmulator } from '../../../local/stack/emulator';
import { dynamoClient, makeDynamoTable } from '../../support/dynamo-guard-table';
import { LOCK_PKS, readLedger } from '../../support/guard-ledger';
import { anAct, GuardModel, rounds } from '../../support/guard-model';
import { anyAct, checkHolders, WorkModel } from '../../support/guard-work-model';

let emulator: Emulator;
let made = 0;
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

  it('never lets two hold a thing while rollouts, a sweep and quarantines act at the same time', async () => {
    const seen = { leased: 0, busy: 0, kept: 0, over: 0 };
    await fc.assert(
      fc.asyncProperty(rounds(anyAct, { rounds: 3, acts: 6 }), async (plan) => {
        made += 1;
        const model = new WorkModel(await makeDynamoTable(dynamo, `model-${made}`));
        await model.start(1_500);
        for (const { acts, passMs } of plan) {
          await Promise.all(acts.map((act) => model.playAny(act)));
          seen.over += await checkHolders(model);
          model.now += passMs;
        }
        for (const why of model.heldByOthers) expect(why).not.toMatch(/held by (ota|sweep)/);
        for (const key of ['leased', 'busy', 'kept'] as const) seen[key] += model.seen[key];
      }),
      { numRuns: 12, interruptAfterTimeLimit: 45_000 },
    );
    expect(seen.leased).toBeGreaterThan(0);
  }, 90_000);

  it('shares out 260 things between two rollouts that want them all at once, less what is contained', async () => {
    made += 1;
    const model = new WorkModel(await makeDynamoTable(dynamo, `model-${made}`));
    await model.start(1_500);
    const { guard } = model;
    const things = Array.from({ length: 260 }, (_, n) => `t-${n}`);
    const ask = (owner: string) => guard.leaseForWork({ owner, things, lifeMs: 60_000 });
    const request = { owner: 'run-1', workflowId: 'run-1', things: ['t-7'], targetHash: 'hash' };
    const [one, two, contained] = await Promise.all([
      ask('ota/1'),
      ask('ota/2'),
      guard.reserve(request),
    ]);
    expect(contained.granted).toBe(true);
    const keep = ({ lease }: typeof one) => guard.keepWork({ lease, things, lifeMs: 60_000 });
    const kept = [...(await keep(one)), ...(await keep(two))].sort();
    expect(kept).toEqual(things.filter((thing) => thing !== 't-7').sort());
    for (const { lease } of [one, two]) await guard.endWork(lease);
    expect((await ask('ota/3')).busy).toEqual([{ thing: 't-7', owner: 'run-1' }]);
  }, 60_000);
});
