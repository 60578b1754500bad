import { describe, expect, it } from '@jest/globals';
import { parseJobDocument } from '../../device-agent/jobs/document';

const resume = { version: 1, requestedBy: 'quarantine/pump', operation: 'resume' };

describe('a job document', () => {
  it('is taken as the protocol has it', () => {
    expect(parseJobDocument(resume)).toEqual({ ok: true, document: resume });
  });

  let deep: unknown = 1;
  for (let level = 0; level < 100_000; level += 1) deep = [deep];

  it.each([
    ['none', undefined, 'the job has no document'],
    ['null', null, 'the job has no document'],
    ['text', 'resume', /^document: /],
    ['a number', 7, /^document: /],
    ['over the limit', { ...resume, padding: 'x'.repeat(32_768) }, /at most 32768/],
    ['nested without end', deep, /at most 32768/],
    ['an unknown operation', { ...resume, operation: 'reboot' }, /^operation: /],
    ['a field too many', { ...resume, force: true }, /force/],
  ])('is refused with the reason: %s', (_name, document, reason) => {
    const parsed = parseJobDocument(document);
    expect(parsed.ok ? 'taken' : parsed.reason).toMatch(reason);
  });
});
