import { describe, expect, it } from '@jest/globals';
import { updatesSettings } from '../../device-agent/settings';

const settings = {
  metadataUrl: 'https://updates.example/metadata',
  targetsUrl: 'https://updates.example/targets/',
  rootFile: __filename,
  dir: 'updates',
  installer: { kind: 'slots', dir: 'slots' },
};
const isTaken = (change: object): boolean =>
  updatesSettings.safeParse({ ...settings, ...change }).success;

describe('the settings of updates', () => {
  it('need no more than where things are', () => {
    expect(updatesSettings.parse(settings)).toMatchObject({
      health: { kind: 'exit' },
      confirmMs: 60_000,
      connectWithinMs: 600_000,
      maxStarts: 3,
      bytesPerSecond: null,
    });
  });

  it.each([
    'https://user:hunter2@updates.example/',
    'https://user@updates.example/',
    'https://updates.example/?sig=hunter2',
    'https://updates.example/#metadata',
    'ftp://updates.example/',
  ])('refuse %s, which is told wherever a download fails', (url) => {
    expect(isTaken({ metadataUrl: url })).toBe(false);
    expect(isTaken({ targetsUrl: url })).toBe(false);
  });

  it.each([
    ['http://127.0.0.1:8080/healthz', true],
    ['http://127.1/', true],
    ['http://[::1]/', true],
    ['http://localhost/', true],
    ['http://127.0.0.1.evil.example/', false],
    ['http://127.evil.example/', false],
    ['http://10.0.0.1/', false],
  ])('ask %s for health: %s', (url, taken) => {
    expect(isTaken({ health: { kind: 'http', url } })).toBe(taken);
  });
});
