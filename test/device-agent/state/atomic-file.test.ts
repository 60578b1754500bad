import { afterEach, expect, it, jest } from '@jest/globals';
import fs from 'node:fs';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeFileAtomically } from '../../../device-agent/state/atomic-file';

const path = join(mkdtempSync(join(tmpdir(), 'atomic-')), 'journal.json');
const { writeSync } = fs;

afterEach(() => {
  jest.restoreAllMocks();
});

/** A disk with room for so many bytes: a write takes what fits, as write(2) does, and the next one fails. */
function leaveRoomFor(bytes: number): void {
  let room = bytes;
  const write = (file: number, content: Buffer | string, at = 0): number => {
    const taken = Buffer.from(content).subarray(at, at + room);
    if (taken.length === 0) throw Object.assign(new Error('ENOSPC: full'), { code: 'ENOSPC' });
    room -= taken.length;
    return writeSync(file, taken);
  };
  jest.spyOn(fs, 'writeSync').mockImplementation(write as typeof writeSync);
}

it('keeps the old content where only a part of the new fits on the disk', () => {
  writeFileAtomically(path, '{"old":true}');
  leaveRoomFor(100);
  expect(() => writeFileAtomically(path, 'x'.repeat(1_000))).toThrow('ENOSPC');
  expect(readFileSync(path, 'utf8')).toBe('{"old":true}');
});

it('writes all of what the disk takes in parts', () => {
  let calls = 0;
  const inParts = (file: number, content: Buffer, at: number): number => {
    calls += 1;
    return writeSync(file, content.subarray(at, at + 7));
  };
  jest.spyOn(fs, 'writeSync').mockImplementation(inParts as typeof writeSync);
  writeFileAtomically(path, 'déjà vu, several times');
  expect(readFileSync(path, 'utf8')).toBe('déjà vu, several times');
  expect(calls).toBe(4);
});
