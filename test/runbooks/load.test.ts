import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { loadRunbook } from '../../runbooks/load';

const REPOSITORY = join(__dirname, '../..');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'runbooks-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const SETTING = '{ default: 10 minutes, min: 1 second, max: 1 hour }';
const ROUTE = '{ alarm: iot/a/*, accounts: any, regions: any, subject: ThingName, severity: high }';
const yaml = (changes: { route?: string; holdFor?: string; extra?: string } = {}): string => `
routes:
  - ${changes.route ?? ROUTE}
settings:
  stepTimeout: ${SETTING}
  approveWithin: ${SETTING}
  propagation: ${SETTING}
  proveWithin: ${SETTING}
  debugLogsFor: ${SETTING}
  holdFor: ${changes.holdFor ?? SETTING}
  probation: ${SETTING}
${changes.extra ?? ''}`;

function load(text: string) {
  writeFileSync(join(folder, 'quarantine.yaml'), text);
  return loadRunbook(folder, 'quarantine');
}

describe('a runbook file', () => {
  it('is loaded with its durations in milliseconds', () => {
    expect(load(yaml())).toEqual({
      name: 'quarantine',
      routes: [
        {
          alarm: 'iot/a/*',
          sources: ['cloudwatch'],
          verify: 'source',
          accounts: 'any',
          regions: 'any',
          subject: 'ThingName',
          severity: 'high',
        },
      ],
      settings: Object.fromEntries(
        [
          'stepTimeout',
          'approveWithin',
          'propagation',
          'proveWithin',
          'debugLogsFor',
          'holdFor',
          'probation',
        ].map((name) => [name, { defaultMs: 600_000, minMs: 1_000, maxMs: 3_600_000 }]),
      ),
    });
  });

  it.each([
    ['an extra field', yaml({ extra: 'colour: red' }), 'colour'],
    ['a misspelt setting', yaml({ extra: '  holdfor: 1 hour' }), 'settings.holdfor'],
    [
      'a default above its max',
      yaml({ holdFor: '{ default: 2 hours, min: 1 second, max: 1 hour }' }),
      'settings.holdFor.default',
    ],
    [
      'a min above its max',
      yaml({ holdFor: '{ default: 2 hours, min: 3 hours, max: 1 hour }' }),
      'settings.holdFor.min',
    ],
    [
      'a number as a duration',
      yaml({ holdFor: '{ default: 10, min: 1 second, max: 1 hour }' }),
      'settings.holdFor.default',
    ],
    [
      'a missing limit',
      yaml({ holdFor: '{ default: 10 minutes, min: 1 second }' }),
      'settings.holdFor.max',
    ],
    ['a route for every alarm', yaml({ route: ROUTE.replace('iot/a/*', "'*'") }), 'routes.0.alarm'],
    [
      'an account that lost its zeros',
      yaml({ route: ROUTE.replace('accounts: any', 'accounts: [12]') }),
      'routes.0.accounts',
    ],
    [
      'an unknown source',
      yaml({ route: ROUTE.replace('accounts', 'sources: [x], accounts') }),
      'routes.0.sources.0',
    ],
    [
      'no source',
      yaml({ route: ROUTE.replace('accounts', 'sources: [], accounts') }),
      'routes.0.sources',
    ],
    [
      'an unknown proof',
      yaml({ route: ROUTE.replace('accounts', 'verify: no, accounts') }),
      'routes.0.verify',
    ],
    ['an unknown severity', yaml({ route: ROUTE.replace('high', 'urgent') }), 'routes.0.severity'],
    ['a list', '- a', 'file'],
    ['nothing', '', 'file'],
  ])('with %s is refused by the field', (_case, text, field) => {
    expect(() => load(text)).toThrow(`\n  ${field}: `);
  });

  it('with several faults names them all in one error', () => {
    const bad = yaml({ route: ROUTE.replace('high', 'urgent'), holdFor: '1 hour', extra: 'x: 1' });
    for (const field of ['routes.0.severity', 'settings.holdFor', 'x']) {
      expect(() => load(bad)).toThrow(`  ${field}: `);
    }
  });

  it.each([
    ['is missing', null],
    ['is not YAML', 'routes: ['],
    ['names a field twice', `${yaml()}\nroutes: []`],
    ['uses aliases', 'routes: &a []\nsettings: *a'],
  ])('that %s is refused with its path', (_case, text) => {
    const file = join(folder, 'quarantine.yaml');
    if (text !== null) writeFileSync(file, text);
    expect(() => loadRunbook(folder, 'quarantine')).toThrow(`${file} can't be read`);
  });
});

describe('the runbooks of this repository', () => {
  const home = join(REPOSITORY, 'runbooks');

  it('load, with the documented defaults', () => {
    const { settings } = loadRunbook(home, 'quarantine');
    const minutes = Object.entries(settings).map(([name, { defaultMs }]) => [
      name,
      defaultMs / 60_000,
    ]);
    expect(Object.fromEntries(minutes)).toEqual({
      stepTimeout: 0.5,
      approveWithin: 60,
      propagation: 8,
      proveWithin: 10,
      debugLogsFor: 240,
      holdFor: 1_440,
      probation: 60,
    });
  });

  it('are all in the index', () => {
    const index = readFileSync(join(home, 'README.md'), 'utf8');
    const files = readdirSync(home).filter((file) => file.endsWith('.yaml'));
    expect(files).toContain('quarantine.yaml');
    expect(files.filter((file) => !index.includes(`(${file})`))).toEqual([]);
  });
});
