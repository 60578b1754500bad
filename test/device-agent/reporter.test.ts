import { afterEach, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { PublishOutcome } from '../../device-agent/connection/types';
import { Reporter } from '../../device-agent/reporter/reporter';
import type { ReportedState } from '../../domain/device-protocol/telemetry';
import { eventually } from '../support/devices';

const state = (version: string): ReportedState => ({
  firmware: { version },
  hardware: { version: 'b' },
  application: { status: 'running', restarts: 0 },
  health: 'healthy',
  agent: { version: '1', starts: 1, memoryMiB: 8, lastError: null },
  boots: null,
  disk: 'ok',
  slot: 'a',
  update: null,
  updates: [],
});

let reporter: Reporter | null = null;
afterEach(() => reporter?.stop());

it('tells what changed while the shadow waited for its answer, though that took longer than the gap', async () => {
  let version = '1.0.0';
  const shadows: string[] = [];
  const answers: (() => void)[] = [];
  const publish = (_channel: string, topic: string, payload: string): Promise<PublishOutcome> => {
    if (!topic.endsWith('/shadow/update')) return Promise.resolve({ kind: 'accepted' });
    const body = JSON.parse(payload) as { state: { reported: ReportedState } };
    shadows.push(body.state.reported.firmware.version);
    return new Promise((resolve) => answers.push(() => resolve({ kind: 'accepted' })));
  };
  const outbox = {
    publish,
    subscribe: () => Promise.resolve({ kind: 'granted' as const }),
    ready: () => true,
  };
  const counts = { refusedPublishes: 0, applicationRestarts: 0 };
  const sources = {
    state: () => state(version),
    takeCounts: () => counts,
    giveBackCounts: () => undefined,
  };
  const settings = { thing: 'pump', telemetryIntervalMs: 3_600_000, minGapMs: 5 };
  reporter = new Reporter(settings, outbox, sources, pino({ level: 'silent' }));
  reporter.open();
  const sent = (count: number) =>
    eventually(
      () => shadows.length,
      (length) => length === count,
    );
  await sent(1);
  version = '1.1.0';
  reporter.nudge();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(shadows).toEqual(['1.0.0']);
  answers[0]?.();
  await sent(2);
  answers[1]?.();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(shadows).toEqual(['1.0.0', '1.1.0']);
});
