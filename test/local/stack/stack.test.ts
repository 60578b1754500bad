import { createServer } from 'node:net';
import { randomUUID } from 'node:crypto';
import { ListThingsCommand } from '@aws-sdk/client-iot';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Connection } from '@temporalio/client';
import { createAwsClients } from '../../../activities/aws/clients';
import { SEARCH_ATTRIBUTES } from '../../../domain/temporal';
import { startStack, type Stack } from '../../../local/stack';
import { freePort } from '../../../local/stack/free-port';
import { isServing } from '../../../local/stack/grpc-health';
import { endLeftovers, MARK_VARIABLE, processesWith } from '../../support/leftovers';
import { eventually, isAlive, runNode } from './processes';

describe('two stacks side by side', () => {
  let stacks: Stack[];
  let progress: string[];

  beforeAll(async () => {
    progress = [];
    stacks = await Promise.all([startStack({ log: (line) => progress.push(line) }), startStack()]);
  }, 120_000);

  afterAll(async () => {
    await Promise.all(stacks.map((stack) => stack.stop()));
  });

  it('both serve Temporal, its UI and AWS, each on its own ports', async () => {
    for (const { temporal, emulator } of stacks) {
      expect(await isServing(temporal.address)).toBe(true);
      expect((await fetch(temporal.uiUrl)).status).toBe(200);
      const { things } = await createAwsClients(emulator).iot.send(new ListThingsCommand({}));
      expect(things).toEqual([]);
    }
    const endpoints = stacks.flatMap(({ temporal, emulator }) => [
      temporal.address,
      temporal.uiUrl,
      emulator.endpoint,
      emulator.mqtt.port,
      emulator.https.port,
      emulator.sns.signingHost,
    ]);
    expect(new Set(endpoints).size).toBe(12);
  });

  it('listen on the loopback interface alone', () => {
    for (const { temporal, emulator } of stacks) {
      expect([temporal.address, emulator.endpoint]).toEqual([
        expect.stringMatching(/^127\.0\.0\.1:\d+$/),
        expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      ]);
    }
  });

  it('know the search attributes of the runbooks as keywords', async () => {
    const [stack] = stacks;
    const connection = await Connection.connect({ address: stack?.temporal.address ?? '' });
    const { customAttributes } = await connection.operatorService.listSearchAttributes({
      namespace: 'default',
    });
    await connection.close();
    const KEYWORD = 2;
    expect(customAttributes).toMatchObject(
      Object.fromEntries(SEARCH_ATTRIBUTES.map((name) => [name, KEYWORD])),
    );
  });

  it('say where they serve', () => {
    expect(progress.join('\n')).toMatch(
      /Temporal serves at .*\n?.*The AWS emulator serves at|The AWS emulator serves at [^]*Temporal serves at/,
    );
  });

  it('stop with all their processes, and only their own', async () => {
    const third = await startStack();
    await Promise.all([third.stop(), third.stop()]);
    expect([third.temporal.pid, third.emulator.pid].filter(isAlive)).toEqual([]);
    expect(await isServing(third.temporal.address)).toBe(false);
    expect(stacks.map(({ temporal }) => isAlive(temporal.pid))).toEqual([true, true]);
  });
});

describe('a stack whose parent is killed with SIGKILL', () => {
  it('ends with all its processes and leaves the way free for the next', async () => {
    const mark = randomUUID();
    const parent = runNode(['--import', 'tsx', 'test/local/stack/hold-stack/main.ts'], {
      [MARK_VARIABLE]: mark,
    });
    const { pids } = JSON.parse(await parent.firstLine) as { pids: number[] };
    expect(pids.map(isAlive)).toEqual([true, true]);
    expect((await processesWith(mark)).size).toBeGreaterThanOrEqual(3);

    parent.process.kill('SIGKILL');

    expect(await parent.ended).toBe('SIGKILL');
    expect(await eventually(() => pids.every((pid) => !isAlive(pid)))).toBe(true);
    expect(await endLeftovers(mark)).toEqual([]);
  }, 60_000);
});

describe('the question whether Temporal serves', () => {
  it('is answered no where nothing listens', async () => {
    expect(await isServing(`127.0.0.1:${await freePort()}`)).toBe(false);
  });

  it('is answered no by a listener that stays silent', async () => {
    const silent = createServer();
    const port = await freePort();
    await new Promise<void>((done) => silent.listen(port, '127.0.0.1', done));
    expect(await isServing(`127.0.0.1:${port}`, 200)).toBe(false);
    silent.close();
  });
});
