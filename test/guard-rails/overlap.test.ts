import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createGuardTable } from '../../activities/aws/guard-table';
import { createGuard } from '../../activities/guard/guard';
import { initialiseGuard } from '../../activities/guard/initialise';
import type { Guard } from '../../domain/guard/types';
import type { Emulator } from '../../local/stack/emulator';
import { startEmulator } from '../../local/stack/emulator';
import { dynamoClient, makeDynamoTable } from '../support/dynamo-guard-table';

const TABLE = 'overlap';
const LIFE_MS = 60_000;
const BATCH = 8;
/** A run that waits for another one asks again; far more often than it takes. */
const MAX_ROUNDS = 400;

let emulator: Emulator;
const clients: DynamoDBClient[] = [];
beforeAll(async () => {
  emulator = await startEmulator();
  const table = await makeDynamoTable(dynamo(), TABLE);
  await initialiseGuard(table);
  await guardOfAWorker().setFleetSize(10_000);
}, 120_000);
afterAll(async () => {
  for (const client of clients) client.destroy();
  await emulator.stop();
});

function dynamo(): DynamoDBClient {
  const client = dynamoClient(emulator);
  clients.push(client);
  return client;
}

const guardOfAWorker = (): Guard =>
  createGuard({
    table: createGuardTable(dynamo(), TABLE),
    approverKeys: () => Promise.resolve([]),
    now: Date.now,
  });

/** Who is at work on which device, as the devices see it. */
class Devices {
  readonly visits: { thing: string; owner: string }[] = [];
  readonly collisions: string[] = [];
  private readonly contained = new Set<string>();
  private readonly jobs = new Map<string, { owner: string }>();

  /** False where the device is contained, or was meanwhile: a containment cancels what the device does. */
  async work(thing: string, owner: string): Promise<boolean> {
    if (this.contained.has(thing)) return false;
    const other = this.jobs.get(thing);
    if (other !== undefined) this.collisions.push(`${thing}: ${owner} while ${other.owner}`);
    const job = { owner };
    this.jobs.set(thing, job);
    await sleep(40 + Math.random() * 40);
    if (this.jobs.get(thing) !== job) return false;
    this.jobs.delete(thing);
    this.visits.push({ thing, owner });
    return true;
  }

  contain(thing: string): void {
    this.contained.add(thing);
    this.jobs.delete(thing);
  }

  release(thing: string): void {
    this.contained.delete(thing);
  }
}

/** Works once on each thing, as a rollout does: lease what is free, ask again before each batch, come back for the rest. */
async function rollOut(devices: Devices, owner: string, things: string[]): Promise<number> {
  const guard = guardOfAWorker();
  const left = new Set(things);
  let skipped = 0;
  for (let round = 0; left.size > 0; round += 1) {
    if (round === MAX_ROUNDS) throw new Error(`${owner} never gets ${[...left].join()}`);
    const { lease, leased, busy } = await guard.leaseForWork({
      owner,
      things: [...left],
      lifeMs: LIFE_MS,
    });
    skipped += busy.length;
    for (let from = 0; from < leased.length; from += BATCH) {
      const batch = leased.slice(from, from + BATCH);
      const kept = await guard.keepWork({ lease, things: batch, lifeMs: LIFE_MS });
      const done = await Promise.all(kept.map((thing) => devices.work(thing, owner)));
      kept.filter((_, n) => done[n]).forEach((thing) => left.delete(thing));
    }
    await guard.endWork(lease);
    await sleep(Math.random() * 5);
  }
  return skipped;
}

async function quarantine(devices: Devices, thing: string): Promise<void> {
  const guard = guardOfAWorker();
  const owner = `quarantine/${thing}`;
  await sleep(Math.random() * 300);
  const asked = { owner, workflowId: owner, things: [thing], targetHash: 'hash' };
  const result = await guard.reserve(asked);
  if (!result.granted) throw new Error(result.explanation);
  devices.contain(thing);
  await guard.confirm(result.lease);
  await sleep(20);
  await guard.assertMayAct(result.lease);
  devices.release(thing);
  await guard.giveBack(result.lease);
}

it('has one runbook at a time on a device while two rollouts, a sweep and quarantines want the same ones', async () => {
  const devices = new Devices();
  const all = Array.from({ length: 60 }, (_, n) => `d-${n}`);
  const runs = { 'ota/1': all, 'ota/2': all.slice(5), sweep: all.slice(0, 55) };
  const skipped = await Promise.all([
    ...Object.entries(runs).map(([owner, things]) => rollOut(devices, owner, things)),
    ...all.slice(20, 30).map((thing) => quarantine(devices, thing).then(() => 0)),
  ]);

  expect(devices.collisions).toEqual([]);
  for (const [owner, things] of Object.entries(runs)) {
    const visited = devices.visits.filter((visit) => visit.owner === owner);
    expect(visited.map(({ thing }) => thing).sort()).toEqual([...things].sort());
  }
  expect(Math.max(...skipped)).toBeGreaterThan(0);
  expect(await guardOfAWorker().status()).toMatchObject({ containedNow: 0, leases: [], work: [] });
}, 60_000);
