import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Journal } from '../../device-agent/state/journal';

const folder = () => mkdtempSync(join(tmpdir(), 'journal-'));
const containment = { since: '2026-01-01T00:00:00.000Z', reason: 'floods', requestedBy: 'test' };
const outcome = { status: 'SUCCEEDED' as const, details: { probe: 'refused' } };

describe('the journal', () => {
  it('starts empty and not contained', () => {
    const journal = new Journal(folder());
    expect(journal.containment).toBeNull();
    expect(journal.find('job#1')).toEqual({ started: false, outcome: null });
  });

  it('remembers containment and executions across a restart', () => {
    const dir = folder();
    const journal = new Journal(dir);
    journal.setContainment(containment);
    journal.recordStart('started#1');
    journal.recordOutcome('ended#1', outcome);
    const again = new Journal(dir);
    expect(again.containment).toEqual(containment);
    expect(again.find('started#1')).toEqual({ started: true, outcome: null });
    expect(again.find('ended#1')).toEqual({ started: true, outcome });
    expect(again.find('ended#2').started).toBe(false);
  });

  it('forgets the oldest executions, never the containment', () => {
    const dir = folder();
    const journal = new Journal(dir);
    journal.setContainment(containment);
    for (let job = 0; job < 100; job += 1) journal.recordOutcome(`job-${job}#1`, outcome);
    const again = new Journal(dir);
    expect(again.find('job-0#1').started).toBe(false);
    expect(again.find('job-99#1').started).toBe(true);
    expect(again.containment).toEqual(containment);
  });

  it.each([
    ['cut off', (text: string) => text.slice(0, -1)],
    ['empty', () => ''],
    ['of another form', () => '{"containment":"yes"}'],
  ])('counts as contained where the file is %s, and keeps the file', (_name, damage) => {
    const dir = folder();
    new Journal(dir).recordStart('job#1');
    const path = join(dir, 'journal.json');
    writeFileSync(path, damage(readFileSync(path, 'utf8')));
    expect(new Journal(dir).containment).toMatchObject({ requestedBy: 'agent' });
    expect(existsSync(`${path}.damaged`)).toBe(true);
    // And a resume lifts it for good.
    new Journal(dir).setContainment(null);
    expect(new Journal(dir).containment).toBeNull();
  });

  it('keeps the containment where only the list of executions is damaged', () => {
    const dir = folder();
    writeFileSync(join(dir, 'journal.json'), JSON.stringify({ containment, executions: [1] }));
    expect(new Journal(dir).containment).toEqual(containment);
  });

  it('does not mind what a write that was interrupted left beside it', () => {
    const dir = folder();
    new Journal(dir).setContainment(containment);
    writeFileSync(join(dir, 'journal.json.tmp'), '{"containm');
    expect(new Journal(dir).containment).toEqual(containment);
  });
});
