import { describe, expect, it } from '@jest/globals';
import { BAD_BUILDS } from '../../../local/demo/firmware';
import { readOptions } from '../../../local/demo/options';

const BOTH = { takes: ['devices', 'badBuild'] } as const;

describe('the options of a demo', () => {
  it.each(BAD_BUILDS)('take the bad build %s and a number of devices', (badBuild) => {
    expect(readOptions('staged-ota', BOTH, { devices: '200', badBuild, once: true })).toEqual({
      devices: 200,
      badBuild,
    });
  });

  it('are none unless given', () => {
    expect(readOptions('staged-ota', BOTH, { json: true })).toEqual({});
  });

  it.each(['0', '11', '1001', '-20', '20.5', '1e2', '0x20', ' 20', '', '９９'])(
    'refuse %j devices, and say what would do',
    (devices) => {
      const problem = '--devices must be a whole number from 12 to 1000, not ';
      expect(() => readOptions('staged-ota', BOTH, { devices })).toThrow(problem);
    },
  );

  it.each(['Crash', 'crash ', 'toString', ''])('refuse the bad build %j', (badBuild) => {
    const problem = `--bad-build must be one of ${BAD_BUILDS.join(', ')}, not `;
    expect(() => readOptions('staged-ota', BOTH, { badBuild })).toThrow(problem);
  });

  it('are refused by a scenario that would ignore them', () => {
    const problem = 'the scenario quarantine takes no --devices';
    expect(() => readOptions('quarantine', {}, { devices: '20' })).toThrow(problem);
  });
});
