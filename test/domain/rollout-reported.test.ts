import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ReportedState } from '../../domain/device-protocol/telemetry';
import { readReported } from '../../domain/rollout/reported.schema';

const SAID: ReportedState = {
  firmware: { version: '1.4.0' },
  hardware: { version: 'pump-2' },
  application: { status: 'running', restarts: 0 },
  health: 'healthy',
  agent: { version: '0.1.0', starts: 1, memoryMiB: 64, lastError: null },
  boots: 3,
  disk: 'ok',
  slot: 'b',
  update: {
    state: 'idle',
    target: 'pump/1.4.0.tar',
    version: '1.4.0',
    release: 14,
    outcome: 'SUCCEEDED',
    reason: null,
    at: '2026-11-25T07:00:00.000Z',
  },
  updates: [{ version: '1.4.0', outcome: 'SUCCEEDED', at: '2026-11-25T07:00:00.000Z' }],
};

const NOTHING = {
  version: null,
  hardware: null,
  health: null,
  application: null,
  update: null,
  updates: [],
};

describe('what a device reports', () => {
  it('is read as an agent writes it', () => {
    expect(readReported(SAID)).toEqual({
      version: '1.4.0',
      hardware: 'pump-2',
      health: 'healthy',
      application: 'running',
      update: SAID.update,
      updates: SAID.updates,
    });
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'healthy'],
    ['a number', 7],
    ['a list', [SAID]],
  ])('is nothing where it is %s', (_what, state) => {
    expect(readReported(state)).toBeNull();
  });

  it('may be empty', () => {
    expect(readReported({})).toEqual(NOTHING);
  });

  it('counts by parts: one that makes no sense takes no other with it', () => {
    const state = {
      ...SAID,
      health: 'superb',
      application: 'running',
      update: { ...SAID.update, release: -1, outcome: 'GREAT', at: 'yesterday', target: '../x' },
    };
    expect(readReported(state)).toMatchObject({
      version: '1.4.0',
      health: null,
      application: null,
      update: {
        state: 'idle',
        target: null,
        version: '1.4.0',
        release: null,
        outcome: null,
        at: null,
      },
    });
  });

  it('keeps a reason to one bounded line', () => {
    const reason = `no\nway\u0000\u202e${'x'.repeat(10_000)}`;
    const read = readReported({ update: { ...SAID.update, reason } });
    expect(read?.update?.reason).toMatch(/^no way x+$/);
    expect(read?.update?.reason?.length).toBe(256);
  });

  it.each(['', 'a"OR 1', '1.0\n', 'x'.repeat(65), 'ä', '"', '*', '1.?', 'a\\b'])(
    'takes %j for no version',
    (version) => {
      expect(readReported({ firmware: { version } })?.version).toBeNull();
    },
  );

  it('hears the last few updates of a list without end, and only those that say how and when they ended', () => {
    const updates: unknown[] = Array.from({ length: 100_000 }, () => SAID.updates[0]);
    updates.push({ version: '1.5.0', outcome: 'FAILED' }, null, {
      ...SAID.updates[0],
      version: '1.5.1',
    });
    const read = readReported({ updates });
    expect(read?.updates).toHaveLength(18);
    expect(read?.updates.at(-1)?.version).toBe('1.5.1');
  });

  it.each(['1.0.0', '2.0.0-rc.1+build~3', 'v1/a:b'])('takes %j for a version', (version) => {
    expect(readReported({ firmware: { version } })?.version).toBe(version);
  });

  it('is read from a time with an offset', () => {
    const read = readReported({ update: { ...SAID.update, at: '2026-11-25T08:00:00+01:00' } });
    expect(read?.update?.at).toBe('2026-11-25T08:00:00+01:00');
  });

  it('is no way to reach a prototype', () => {
    const state: unknown = JSON.parse('{"__proto__":{"health":"healthy"},"constructor":1}');
    expect(readReported(state)).toEqual(NOTHING);
    expect(Object.getOwnPropertyDescriptor(Object.prototype, 'health')).toBeUndefined();
  });

  it('never throws, whatever it is', () => {
    const part = fc.oneof(fc.anything(), fc.object());
    const state = fc.record(
      Object.fromEntries(
        ['firmware', 'hardware', 'application', 'health', 'update', 'updates'].map((key) => [
          key,
          part,
        ]),
      ),
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(fc.anything(), state), (said) => {
        const read = readReported(said);
        expect(read === null || Array.isArray(read.updates)).toBe(true);
      }),
    );
  });
});
