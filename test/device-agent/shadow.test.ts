import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { agentConfig } from '../../device-agent/config';
import { Condition } from '../../device-agent/reporter/condition';
import { ShadowSchedule } from '../../device-agent/reporter/shadow-schedule';
import type { ReportedState } from '../../domain/device-protocol/telemetry';

const MINUTE = 60_000;

function condition(texts: { version?: string } = {}) {
  const { version = '1.0.0' } = texts;
  const config = agentConfig.parse({
    thing: 'pump',
    host: 'localhost',
    caFile: __filename,
    certFile: __filename,
    keyFile: __filename,
    stateDir: mkdtempSync(join(tmpdir(), 'shadow-')),
    firmwareVersion: version,
    hardwareVersion: version,
  });
  return new Condition(config, () => undefined);
}

const software: Parameters<Condition['reported']>[0] = {
  version: '1.0.0',
  status: 'running',
  health: 'healthy',
  slot: 'a',
  update: null,
  updates: [],
};

describe('what a shadow holds', () => {
  it('carries how the device has been doing', () => {
    const device = condition();
    device.lifetime.begin();
    device.lifetime.countRestart();
    device.lifetime.noteError('application ended: exit code 3');
    const at = '2026-11-25T00:00:00.000Z';
    const updates = Array.from({ length: 7 }, (_, count) => ({
      version: `1.${count}.0`,
      outcome: 'SUCCEEDED' as const,
      at,
    }));
    expect(device.reported({ ...software, updates: [...updates] })).toMatchObject({
      application: { status: 'running', restarts: 1 },
      agent: { starts: 1, lastError: { what: 'application ended: exit code 3' } },
      disk: 'ok',
      updates: [{ version: '1.2.0' }, {}, {}, {}, { version: '1.6.0', outcome: 'SUCCEEDED', at }],
    });
    expect(device.reported(software).agent.memoryMiB % 8).toBe(0);
  });

  it.each([
    ['control characters', '\u0001'],
    ['wide characters', '\uFFEE'],
    ['emoji', '\u{1F600}'],
    ['quotes', '"'],
    ['backslashes', '\\'],
    ['halves of characters', '\uD800'],
  ])('stays within 8 KB where every text is long and made of %s', (_name, character) => {
    const hostile = `${character.repeat(9)} `.repeat(2_000);
    const device = condition({ version: character.repeat(32) });
    device.lifetime.noteError(hostile);
    const past = { version: hostile, outcome: 'FAILED' as const, at: hostile };
    const state = device.reported({
      ...software,
      version: hostile.slice(0, 64),
      slot: hostile,
      update: {
        state: 'reverting',
        target: hostile,
        version: hostile,
        release: Number.MAX_SAFE_INTEGER,
        outcome: 'FAILED',
        reason: hostile,
        at: hostile,
      },
      updates: Array.from({ length: 10 }, () => past),
    });
    const bytes = Buffer.byteLength(JSON.stringify({ state: { reported: state } }));
    expect(bytes).toBeLessThan(8_000);
    expect(bytes).toBeGreaterThan(1_000);
  });

  it('holds no secret that the reason of an update names', () => {
    const reason = 'GET https://pump:hunter2secret@updates.example/x failed';
    const update = { state: 'idle', target: null, version: null, release: null } as const;
    const told = condition().reported({
      ...software,
      update: { ...update, outcome: 'FAILED', reason, at: null },
    });
    expect(told.update?.reason).toMatch(/updates\.example\/x failed/);
    expect(JSON.stringify(told)).not.toContain('hunter2secret');
  });
});

describe('when a shadow is sent', () => {
  const state = condition().reported(software);
  let at = 0;

  function sent(): ShadowSchedule {
    at = 0;
    const schedule = new ShadowSchedule(() => at);
    expect(schedule.isDue(state)).toBe(true);
    schedule.onSent(state);
    return schedule;
  }

  const withAgent = (agent: Partial<ReportedState['agent']>): ReportedState => ({
    ...state,
    agent: { ...state.agent, ...agent },
  });
  const error = { at: '2026-11-25T00:00:00.000Z', what: 'a' };

  it('is not, while nothing changes, however long that is', () => {
    const schedule = sent();
    at = 1_000 * MINUTE;
    expect(schedule.isDue({ ...state })).toBe(false);
  });

  it.each<[string, ReportedState]>([
    ['health', { ...state, health: 'degraded' }],
    ['status', { ...state, application: { ...state.application, status: 'failed' } }],
    ['disk', { ...state, disk: 'full' }],
    ['slot', { ...state, slot: 'b' }],
    ['agent', withAgent({ version: '9.9.9' })],
  ])('is at once for a change of %s', (_name, changed) => {
    expect(sent().isDue(changed)).toBe(true);
  });

  it.each<[string, ReportedState]>([
    ['memory', withAgent({ memoryMiB: 4_096 })],
    ['a count of restarts', { ...state, application: { status: 'running', restarts: 99 } }],
  ])('is once an hour for %s alone', (_name, changed) => {
    const schedule = sent();
    at = 59 * MINUTE;
    expect(schedule.isDue(changed)).toBe(false);
    at = 60 * MINUTE;
    expect(schedule.isDue(changed)).toBe(true);
  });

  it('is a few minutes after the last for another error, and not for the same again', () => {
    const schedule = sent();
    at = 4 * MINUTE;
    expect(schedule.isDue(withAgent({ lastError: error }))).toBe(false);
    at = 5 * MINUTE;
    expect(schedule.isDue(withAgent({ lastError: error }))).toBe(true);
    schedule.onSent(withAgent({ lastError: error }));
    at = 20 * MINUTE;
    const again = { ...error, at: '2026-11-25T00:15:00.000Z' };
    expect(schedule.isDue(withAgent({ lastError: again }))).toBe(false);
    expect(schedule.isDue(withAgent({ lastError: { ...again, what: 'b' } }))).toBe(true);
  });
});
