import { describe, expect, it } from '@jest/globals';
import { causeOf } from '../../domain/rollout/cause';
import { readReported } from '../../domain/rollout/reported.schema';

const said = (outcome: string, reason: string) => readReported({ update: { outcome, reason } });

describe('the cause of a failed installation', () => {
  it.each([
    ['fetching', 'no further than 100 bytes for 60000 ms: socket hang up', 'network'],
    ['fetching', 'the disk is full: the update x needs 9 bytes in /d, 1 are free', 'install'],
    ['installing', 'tar: unexpected end', 'install'],
    ['installed', 'not switched at the commit gate: the device was offline', 'network'],
    ['installed', 'not switched at the commit gate: the Jobs service gave no answer', 'network'],
    ['installed', 'not switched at the commit gate: the job was cancelled', 'refused'],
    ['installed', 'not switched at the commit gate: the job timed out', 'refused'],
    ['installed', 'the job was cancelled, timed out or deleted', 'refused'],
    ['activating', 'EIO: i/o error', 'install'],
    ['activating', 'interrupted too often, in 28 steps', 'health'],
    ['rebooting', 'the device did not restart within 600 s', 'health'],
    ['starting', 'the application can’t be started: ENOENT', 'health'],
    ['confirming', 'the application ended: exit code 1', 'health'],
    ['confirming', 'no connection to the cloud for 120 s since the new release started', 'health'],
    ['committing', 'another slot is confirmed, not the new release', 'install'],
    ['constructor', 'odd', 'health'],
    ['__proto__', 'odd', 'health'],
    ['some step of a later agent', 'odd', 'health'],
  ])('in the step %s, with %j, is %s', (step, reason, cause) => {
    expect(causeOf({ status: 'FAILED', details: { step, reason } })).toBe(cause);
  });

  it('is a refusal where the device refuses, whatever else it says', () => {
    expect(causeOf({ status: 'REJECTED', details: { step: 'fetching', reason: 'x' } })).toBe(
      'refused',
    );
    const reported = said('REJECTED', '1.4.0 is release 14, not above 15');
    expect(causeOf({ status: 'TIMED_OUT', details: {}, reported })).toBe('refused');
  });

  it('is the network where the release repository could not be read', () => {
    const details = { target: 'pump/1.4.0.tar', reason: 'connect ECONNREFUSED 10.0.0.1:443' };
    expect(causeOf({ status: 'FAILED', details })).toBe('network');
  });

  it('is taken from the shadow where the execution tells nothing', () => {
    const offline = said('FAILED', 'not switched at the commit gate: the device was offline');
    expect(causeOf({ status: 'TIMED_OUT', details: {}, reported: offline })).toBe('network');
    const crashed = said('FAILED', 'the application ended: exit code 1');
    expect(causeOf({ status: 'TIMED_OUT', details: {}, reported: crashed })).toBe('health');
  });

  it('is the step that it was in last, where it fell silent', () => {
    expect(causeOf({ status: 'TIMED_OUT', details: { step: 'fetching' } })).toBe('network');
    expect(causeOf({ status: 'TIMED_OUT', details: { step: 'confirming' } })).toBe('health');
  });

  it('counts as health, which is not tried again, where nobody tells', () => {
    expect(causeOf({ status: 'TIMED_OUT', details: {} })).toBe('health');
    expect(causeOf({ status: 'FAILED', details: {}, reported: null })).toBe('health');
    const damaged = { reason: 'the state of the update was damaged' };
    expect(causeOf({ status: 'FAILED', details: damaged })).toBe('health');
  });
});
