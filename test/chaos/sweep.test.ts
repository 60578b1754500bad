import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startChild } from '../../local/stack/child';
import { samplePoints, type KillPoint } from './kill-points';
import { sweep, type Scenario, type SweepOptions } from './sweep';

type Mode = 'careful' | 'careless' | 'forgetful' | 'hasty';

const WORKER = join(__dirname, 'sweep-worker', 'main.mjs');

let folder: string;
let aws: Server;
let members: Set<string>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sweep-'));
  members = new Set();
  aws = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const { thingName } = JSON.parse(Buffer.concat(chunks).toString()) as { thingName?: string };
      if (thingName !== undefined) members.add(thingName);
      res.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => aws.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  aws.closeAllConnections();
  await new Promise((resolve) => aws.close(resolve));
  rmSync(folder, { recursive: true });
});

function scenario(mode: Mode): Scenario {
  return {
    startWorker: ({ awsEndpoint }) =>
      startChild({
        name: 'worker',
        command: process.execPath,
        args: [WORKER, awsEndpoint, folder, mode],
      }),
    prepare: (run) => {
      const subject = `subject-${run}`;
      return Promise.resolve({
        drive: async (signal) => {
          writeFileSync(join(folder, 'next'), subject);
          renameSync(join(folder, 'next'), join(folder, 'subject'));
          while (!existsSync(join(folder, `${subject}.done`))) {
            await sleep(5, undefined, { signal });
          }
        },
        verify: () => Promise.resolve(members.has(subject) ? [] : [`${subject} is not held`]),
        clear: () => Promise.resolve(),
      });
    },
  };
}

function swept(mode: Mode, more: Partial<SweepOptions> = {}) {
  const { port } = aws.address() as AddressInfo;
  // No Temporal here: nothing in this worker speaks to it.
  const upstream = { temporal: '127.0.0.1:1', aws: `http://127.0.0.1:${port}` };
  return sweep(scenario(mode), { upstream, runTimeoutMs: 20_000, ...more });
}

describe('a kill sweep', () => {
  it('finds nothing in a worker that does each step again under the same identity', async () => {
    const report = await swept('careful');
    expect(report).toMatchObject({ lost: 0, stuck: 0, duplicated: 0, notReached: 0 });
    expect(report.details.map(({ point }) => point)).toEqual([
      'none',
      'before aws iot.CreateJob #1',
      'after aws iot.CreateJob #1',
      'before aws iot.AddThingToThingGroup #1',
      'after aws iot.AddThingToThingGroup #1',
    ]);
    expect(report.killPoints).toBe(4);
  }, 60_000);

  it('counts a second job of a worker that makes up a new id for each attempt', async () => {
    const report = await swept('careless');
    // All but the kill before the first job was created.
    expect(report).toMatchObject({ killPoints: 4, lost: 0, stuck: 0, duplicated: 3 });
  }, 60_000);

  it('counts runs as lost when the end state is wrong', async () => {
    const report = await swept('hasty');
    expect(report).toMatchObject({ killPoints: 4, lost: 3, stuck: 0, duplicated: 0 });
    expect(report.details[1]?.problems).toEqual(['subject-1 is not held']);
  }, 60_000);

  it('counts a run as stuck when it does not end in time, and goes on', async () => {
    const report = await swept('forgetful', { runTimeoutMs: 2_000, sample: 2 });
    expect(report).toMatchObject({ killPoints: 2, lost: 0, stuck: 2, duplicated: 0 });
  }, 60_000);
});

describe('a sample of kill points', () => {
  const points = Array.from({ length: 50 }, (_, index): KillPoint => {
    return { layer: 'aws', call: 'iot.CreateJob', nth: index, side: 'before' };
  });

  it('is the same for the same seed and another for another', () => {
    expect(samplePoints(points, 5, 1)).toEqual(samplePoints(points, 5, 1));
    expect(samplePoints(points, 5, 1)).not.toEqual(samplePoints(points, 5, 2));
  });

  it('keeps the order in which the points came', () => {
    const chosen = samplePoints(points, 10, 3).map(({ nth }) => nth);
    expect(chosen).toHaveLength(10);
    expect(chosen).toEqual([...chosen].sort((a, b) => a - b));
  });
});
