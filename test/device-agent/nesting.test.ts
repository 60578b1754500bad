import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { parseJson } from '../../device-agent/errors';
import { parseJobDocument } from '../../device-agent/jobs/document';
import { Journal } from '../../device-agent/state/journal';
import { parseLine } from '../../device-agent/supervisor/protocol';
import { createSlotsInstaller } from '../../device-agent/update/installers/slots';
import { UpdateJournal } from '../../device-agent/update/update-journal';

/** Deep enough that to write it out as a text, as a schema's pattern does with what is no text, overflows the stack. */
const DEPTHS = [3_000, 6_000, 9_000, 12_000, 15_000];
const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'nesting-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

it.each(DEPTHS)('refuses a job document that is nested %d deep, with a reason', (depth) => {
  const install = { version: 1, requestedBy: 'x', operation: 'install' };
  const document = { ...install, target: JSON.parse(nested(depth)) as unknown };
  expect(parseJobDocument(document)).toEqual({ ok: false, reason: expect.any(String) });
  const probe = { ...install, operation: 'probe', nonce: document.target };
  expect(parseJobDocument(probe)).toEqual({ ok: false, reason: expect.any(String) });
  expect(parseJobDocument({ ...install, target: 'pump/1.tar' })).toMatchObject({ ok: true });
});

it.each(DEPTHS)('ignores a line of the application that is nested %d deep', (depth) => {
  const line = (payload: string) => `{"publish":{"topic":"dt/x","payload":${payload}}}`;
  expect(parseLine(line(nested(depth)), 'pump-1')).toMatchObject({ ok: false });
  expect(parseLine(line(nested(20)), 'pump-1')).toMatchObject({ ok: true });
});

it.each(DEPTHS)('takes a state file that is nested %d deep for a damaged one', async (depth) => {
  const deep = nested(depth);
  const target = `{"name":${deep},"sha256":${deep}}`;
  writeFileSync(join(dir, 'update.json'), `{"version":1,"current":{"target":${target}}}`);
  expect(new UpdateJournal(dir).damage).toEqual({ key: null });
  writeFileSync(join(dir, 'journal.json'), `{"containment":${deep}}`);
  expect(new Journal(dir).containment).toMatchObject({ requestedBy: 'agent' });
  const slots = join(dir, 'slots');
  mkdirSync(join(slots, 'a'), { recursive: true });
  writeFileSync(join(slots, 'a', 'release.json'), `{"sha256":${deep}}`);
  expect(await createSlotsInstaller({ dir: slots }).confirmed()).toEqual({
    name: 'a',
    installed: null,
  });
});

it('reads what is nested as ours is', () => {
  const ours = readFileSync('package.json', 'utf8');
  expect(parseJson(ours)).toEqual(JSON.parse(ours));
});
