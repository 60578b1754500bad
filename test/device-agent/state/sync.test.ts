import { afterEach, expect, it, jest } from '@jest/globals';
import childProcess from 'node:child_process';
import fs, { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { syncTree } from '../../../device-agent/state/sync';

afterEach(() => {
  jest.restoreAllMocks();
});

function tree(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tree-'));
  mkdirSync(join(folder, 'deep'));
  writeFileSync(join(folder, 'deep/file'), 'content');
  return folder;
}

/** How `sync -f` ends, the first time and the second. */
function syncsEnding(first: Error | null, second: number): void {
  const runs = ((_command: string, _args: string[], done: (error: Error | null) => void) => {
    setImmediate(done, first);
  }) as unknown as typeof childProcess.execFile;
  jest.spyOn(childProcess, 'execFile').mockImplementation(runs);
  const ends = { status: second } as ReturnType<typeof childProcess.spawnSync>;
  jest.spyOn(childProcess, 'spawnSync').mockReturnValue(ends);
}

it('asks each file where the flush of the whole failed once', async () => {
  syncsEnding(new Error('sync: Input/output error'), 0);
  jest.spyOn(fs, 'fsyncSync').mockImplementationOnce(() => {
    throw new Error('EIO: i/o error, fsync');
  });
  await expect(syncTree(tree())).rejects.toThrow('EIO');
});

it('asks each file and folder where the system has no such flush', async () => {
  syncsEnding(new Error('sync: unrecognized option: f'), 1);
  const flushed = jest.spyOn(fs, 'fsyncSync');
  await syncTree(tree());
  expect(flushed).toHaveBeenCalledTimes(3);
});

it('leaves the files alone where the flush of the whole is done', async () => {
  syncsEnding(null, 0);
  const flushed = jest.spyOn(fs, 'fsyncSync');
  await syncTree(tree());
  expect(flushed).not.toHaveBeenCalled();
});
