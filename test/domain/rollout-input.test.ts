import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { resolveStagedOta } from '../../domain/rollout/input.schema';
import { loadRunbook } from '../../runbooks/load';

const runbook = loadRunbook(join(__dirname, '..', '..', 'runbooks'), 'stagedOta');
const ID = 'ota/pump/1.4.0.tar';
const GOOD = { release: 'pump/1.4.0.tar', selector: { sites: ['oslo'] }, reason: 'CVE-2026-1' };

const issuesOf = (input: unknown, id = ID): string[] => {
  const found = resolveStagedOta(input, id, runbook);
  return found.ok ? [] : found.issues.map(({ field, problem }) => `${field}: ${problem}`);
};

const names = (count: number) => Array.from({ length: count }, (_, index) => `n-${index}`);

describe('the input of a rollout', () => {
  it('is pinned with the runbook’s defaults', () => {
    expect(resolveStagedOta(GOOD, ID, runbook)).toMatchObject({
      ok: true,
      settings: {
        ...{ soakMs: 172_800_000, inFlight: 100, window: null, requestedBy: 'not stated' },
        ...{ waves: ['max(5, 1%)', '10%', '50%', '100%'], onAbort: 'rollback' },
      },
    });
  });

  it('soaks for half an hour in an emergency', () => {
    expect(resolveStagedOta({ ...GOOD, emergency: true }, ID, runbook)).toMatchObject({
      settings: { soakMs: 1_800_000, emergency: true },
    });
  });

  it.each([
    [{ selector: {} }, 'selector: must name devices: an empty selector means none'],
    [{ selector: { sites: [] } }, 'selector.sites: must not be empty'],
    [{ selector: { sites: ['*'] } }, 'selector.sites.0: must be a plain value'],
    [{ selector: { sites: ['a'], all: true } }, 'selector.all: is not a field here'],
    [{ reason: ' ' }, 'reason: must say why'],
    [{ release: '../etc' }, 'release: must be a target'],
    [{ wavse: [1] }, 'wavse: is not a field here'],
    [{ waves: ['10%'] }, 'waves: must end at 100%'],
    [{ waves: [0] }, 'waves: must be like'],
    [{ window: { from: '1:00', to: '02:00' } }, 'window.from: must be a time such as 01:30'],
    [{ window: { from: '01:00', to: '01:00' } }, 'window: never opens'],
    [{ window: { from: '01:00', to: '02:00', days: [] } }, 'window.days: must not be empty'],
    [{ settings: { soak: 'a while' } }, 'settings.soak: must be a duration'],
    [{ settings: { soak: '20 days' } }, 'settings.soak: must be within 0 milliseconds to 14 days'],
    [{ settings: { inFlight: 0 } }, 'settings.inFlight: must be a whole number from 1 to 10000'],
    [{ settings: { inFlight: 1.5 } }, 'settings.inFlight: must be a whole number'],
    [{ planHash: 'abc' }, 'planHash: must be the hash that a dry run returned'],
  ])('is refused with %j: %s', (more, problem) => {
    expect(issuesOf({ ...GOOD, ...more }).join('\n')).toContain(problem);
  });

  it('is refused where lists multiply to more queries than a plan may ask', () => {
    const selector = { things: names(5_000), versions: names(500) };
    expect(issuesOf({ ...GOOD, selector })).toEqual([
      expect.stringContaining('selector: needs 100000 queries of the fleet index, at most 5000'),
    ]);
    expect(issuesOf({ ...GOOD, selector: { things: names(5_000) } })).toEqual([]);
  });

  it('names every wrong field at once, and the right id', () => {
    const issues = issuesOf({ ...GOOD, reason: 7, selector: { hardware: ['?'] } }, 'ota/other');
    expect(issues).toHaveLength(3);
    expect(issues.join()).toContain('workflowId: must be `ota/pump/1.4.0.tar`');
  });

  it('never throws, whatever it is', () => {
    fc.assert(
      fc.property(fc.anything(), fc.string(), (input, id) => {
        expect(resolveStagedOta(input, id, runbook).ok).toBe(false);
      }),
    );
  });
});
