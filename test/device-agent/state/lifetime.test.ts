import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Disk } from '../../../device-agent/state/disk';
import { Lifetime } from '../../../device-agent/state/lifetime';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lifetime-'));
});

const failing = (code: string) => (): never => {
  throw Object.assign(new Error(`${code}: no`), { code });
};

describe('a lifetime', () => {
  /** One run of the agent. */
  function run(bootId: string | null, live: (lifetime: Lifetime) => void = () => undefined) {
    const lifetime = new Lifetime(folder, { bootId: () => bootId });
    lifetime.begin();
    live(lifetime);
    lifetime.end();
    return lifetime;
  }

  it('counts starts of the agent, boots and restarts of the application over its runs', () => {
    run('boot-1', (lifetime) => lifetime.countRestart());
    run('boot-1', (lifetime) => lifetime.noteError('application ended: exit code 3'));
    const { agentStarts, boots, applicationRestarts, lastError } = run('boot-2', (lifetime) =>
      lifetime.countRestart(),
    );
    expect({ agentStarts, boots, applicationRestarts, lastError }).toEqual({
      agentStarts: 3,
      boots: 2,
      applicationRestarts: 2,
      lastError: { at: expect.any(String), what: 'application ended: exit code 3' },
    });
  });

  it('knows the boot of this system, or says that it does not', () => {
    const real = new Lifetime(folder);
    real.begin();
    expect(real.boots).toBe(1);
    expect(run(null).boots).toBeNull();
  });

  it.each(['', '{"agentStarts":', '{"agentStarts":-1}', 'null'])(
    'begins anew where its file holds %j',
    (damage) => {
      run('boot-1');
      run('boot-1');
      writeFileSync(join(folder, 'lifetime.json'), damage);
      expect(run('boot-1').agentStarts).toBe(1);
      expect(run('boot-1').agentStarts).toBe(2);
    },
  );

  it('goes on in memory where the disk refuses it', () => {
    const lifetime = new Lifetime(folder, { write: failing('EROFS') });
    lifetime.begin();
    lifetime.countRestart();
    lifetime.end();
    expect(lifetime).toMatchObject({ agentStarts: 1, applicationRestarts: 1 });
  });

  it('writes once for any number of failures', () => {
    const written: string[] = [];
    const write = (_path: string, content: string): void => void written.push(content);
    const lifetime = new Lifetime(folder, { write });
    lifetime.begin();
    for (let count = 0; count < 1_000; count += 1) lifetime.countRestart();
    lifetime.end();
    lifetime.end();
    expect(written).toHaveLength(2);
    expect(JSON.parse(written[1] ?? '')).toMatchObject({ applicationRestarts: 1_000 });
  });

  it('keeps no secret of an error, wherever it would be cut, and no control character', () => {
    const secret = 'AKIAIOSFODNN7EXAMPLE';
    const { lastError } = run('boot', (lifetime) => {
      lifetime.noteError(`${'x '.repeat(95)}${secret}\u0000\nand more`);
    });
    expect(lastError?.what).not.toContain(secret.slice(0, 8));
    expect(lastError?.what).toContain('[redacted');
    const file = readFileSync(join(folder, 'lifetime.json'), 'utf8');
    expect(file).not.toContain(secret.slice(0, 8));
    run('boot', (lifetime) =>
      lifetime.noteError(`short\u0000\n\u{1F600}${'\u{1F600}'.repeat(300)}`),
    );
    expect(run('boot').lastError?.what).toMatch(/^short [^\p{C}]{1,200}$/u);
  });
});

describe('a disk', () => {
  const path = () => join(folder, 'file.json');
  let at: number;
  let changes: number;
  let fault: (() => never) | null;

  function disk(): Disk {
    at = 0;
    changes = 0;
    const write = (): void => fault?.();
    return new Disk(
      [folder],
      () => (changes += 1),
      () => at,
      write,
    );
  }

  it.each([
    ['ENOSPC', 'full'],
    ['EDQUOT', 'full'],
    ['EROFS', 'read-only'],
    ['EACCES', 'read-only'],
    ['EIO', 'failing'],
  ])('is told by a write that fails with %s to be %s, until one succeeds', (code, state) => {
    const watched = disk();
    fault = failing(code);
    expect(() => watched.write(path(), '1')).toThrow(code);
    expect(() => watched.write(path(), '2')).toThrow(code);
    expect({ state: watched.state, changes }).toEqual({ state, changes: 1 });
    fault = null;
    watched.write(join(folder, 'another.json'), '3');
    expect(watched.state).toBe(state);
    watched.write(path(), '4');
    expect({ state: watched.state, changes }).toEqual({ state: 'ok', changes: 2 });
  });

  it('is tried again by itself once a minute, and not while all is well', () => {
    let tries = 0;
    const watched = new Disk(
      [folder],
      () => undefined,
      () => at,
      (file, content) => {
        tries += 1;
        fault?.();
        writeFileSync(file, content);
      },
    );
    at = 1_000_000;
    expect({ state: watched.state, tries }).toEqual({ state: 'ok', tries: 0 });
    fault = failing('EIO');
    expect(() => watched.write(path(), '1')).toThrow('EIO');
    at += 59_000;
    expect({ state: watched.state, tries }).toEqual({ state: 'failing', tries: 1 });
    at += 1_000;
    expect({ state: watched.state, tries }).toEqual({ state: 'failing', tries: 2 });
    fault = null;
    at += 60_000;
    expect({ state: watched.state, tries }).toEqual({ state: 'ok', tries: 3 });
  });

  it('does not mind a folder that is not there yet', () => {
    const watched = new Disk([join(folder, 'later')], () => undefined);
    expect(watched.state).toBe('ok');
  });
});
