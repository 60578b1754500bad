import { describe, expect, it } from '@jest/globals';
import { answerEndlessly } from '../../support/tuf-server';
import { NAME, RELEASE, refusal, trustBed } from './trust-bed';

const PAST = new Date(Date.now() - 1_000);
const bed = trustBed();

describe('a sound repository', () => {
  it('gives what was signed of a target, and where it is', async () => {
    const { sha256, length } = bed.repository.addTarget('pump/2.tar', 'more', RELEASE);
    bed.repository.publish();
    expect(await bed.device().target('pump/2.tar')).toEqual({
      name: 'pump/2.tar',
      length,
      sha256,
      url: `${bed.server.targetsUrl}/pump/${sha256}.2.tar`,
      release: RELEASE,
    });
  });

  it('is followed through new keys of every role', async () => {
    const trust = bed.device();
    await trust.target(NAME);
    for (const role of ['root', 'timestamp', 'snapshot', 'targets'] as const) {
      bed.repository.rotateKeys(role);
      bed.repository.publish();
    }
    expect(await trust.target(NAME)).toMatchObject({ release: RELEASE });
    expect(bed.trustedVersion('root')).toBe(5);
  });

  it('is asked twice at once without one refresh spoiling the other', async () => {
    const trust = bed.device();
    const [a, b] = await Promise.all([trust.target(NAME), trust.target(NAME)]);
    expect(a).toEqual(b);
  });

  it('may delegate, in a circle, too', async () => {
    bed.repository.delegate('a', ['x/*']);
    bed.repository.delegate('b', ['x/*'], 'a');
    bed.repository.delegate('a', ['x/*'], 'b');
    bed.repository.addTarget('x/1.tar', 'delegated', RELEASE, 'b');
    bed.repository.publish();
    expect(await bed.device().target('x/1.tar')).toMatchObject({ release: RELEASE });
    expect(await refusal(bed.device().target('x/2.tar'))).toContain('not in the signed targets');
  });

  it('may have metadata without lengths and hashes in snapshot and timestamp', async () => {
    bed.repository.publish({ bare: true });
    expect(await bed.device().target(NAME)).toMatchObject({ release: RELEASE });
  });
});

describe('metadata that is refused', () => {
  const flip = (file: string) => () => {
    const text = bed.repository.read(file).toString();
    bed.repository.write(file, text.replace('"spec_version":"1.0.31"', '"spec_version":"1.0.30"'));
  };
  it.each<[string, () => unknown, RegExp]>([
    [
      'no signature',
      () => bed.repository.publish({ signatures: { timestamp: 0 } }),
      /timestamp was signed by 0\/1/,
    ],
    [
      'a root of too few',
      () => bed.repository.publish({ root: true, signatures: { root: 1 } }),
      /root was signed by 1\/2/,
    ],
    [
      'targets of too few',
      () => bed.repository.publish({ signatures: { targets: 1 } }),
      /targets was signed by 1\/2/,
    ],
    ['an edited timestamp', flip('timestamp.json'), /timestamp was signed by 0/],
    ['an edited snapshot', flip('1.snapshot.json'), /hash/],
    ['edited targets', flip('1.targets.json'), /hash/],
    [
      'an expired root',
      () => bed.repository.publish({ root: true, expires: { root: PAST } }),
      /root.json is expired/,
    ],
    [
      'an expired timestamp',
      () => bed.repository.publish({ expires: { timestamp: PAST } }),
      /timestamp.json is expired/,
    ],
    [
      'an expired snapshot',
      () => bed.repository.publish({ expires: { snapshot: PAST } }),
      /snapshot.json is expired/,
    ],
    [
      'expired targets',
      () => bed.repository.publish({ expires: { targets: PAST } }),
      /targets.json is expired/,
    ],
    [
      'a date of expiry that is none',
      () =>
        bed.repository.publish({
          change: { snapshot: (signed) => ({ ...signed, expires: 'never' }) },
        }),
      /snapshot metadata expires at never/,
    ],
    [
      'a skipped root version',
      () => {
        bed.repository.publish({ root: true, versions: { root: 7 } });
        bed.repository.write('2.root.json', bed.repository.read('7.root.json'));
      },
      /Expected version 2, got 7/,
    ],
    [
      'a mixed snapshot',
      () => {
        bed.repository.publish();
        bed.repository.publish();
        bed.repository.write('3.snapshot.json', bed.repository.read('2.snapshot.json'));
      },
      /hash|length/,
    ],
    ['HTML', () => bed.repository.write('timestamp.json', '<html>sign in</html>'), /JSON/],
    ['nothing', () => bed.repository.write('timestamp.json', ''), /JSON/],
    [
      'deep JSON',
      () => bed.repository.write('timestamp.json', '['.repeat(8_000) + ']'.repeat(8_000)),
      /./,
    ],
    [
      'a signed field that is deep',
      () => {
        let deep: unknown = 0;
        for (let depth = 0; depth < 3_000; depth += 1) deep = [deep];
        const text = JSON.stringify({ signatures: [], signed: { _type: 'timestamp', deep } });
        bed.repository.write('timestamp.json', text);
      },
      /./,
    ],
    [
      'junk signatures by the thousand',
      () => {
        const { signed } = JSON.parse(bed.repository.read('1.root.json').toString()) as {
          signed: object;
        };
        const signatures = Array.from({ length: 5_000 }, (_, n) => ({ keyid: `${n}`, sig: 'ab' }));
        bed.repository.write(
          '2.root.json',
          JSON.stringify({ signatures, signed: { ...signed, version: 2 } }),
        );
      },
      /root was signed by 0\/2/,
    ],
    [
      'a timestamp over its limit',
      () => bed.repository.write('timestamp.json', ' '.repeat(20_000)),
      /longer than/,
    ],
    [
      'a target that is not listed',
      () => {
        bed.repository.removeTarget(NAME);
        bed.repository.publish();
      },
      /not in the signed targets/,
    ],
  ])('%s', async (_name, spoil, reason) => {
    spoil();
    expect(await refusal(bed.device().target(NAME))).toMatch(reason);
  });

  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'custom.version'],
    ['a field more', { ...RELEASE, shell: 'rm' }, 'shell'],
    ['no hardware', { ...RELEASE, hardware: [] }, 'custom.hardware'],
    ['a release that is no number', { ...RELEASE, release: '8' }, 'custom.release'],
  ])('custom of a target: %s', async (_name, custom, field) => {
    bed.repository.addTarget(NAME, 'the software', custom);
    bed.repository.publish();
    expect(await refusal(bed.device().target(NAME))).toContain(field);
  });

  it('a target without SHA-256', async () => {
    const hashes = { sha512: 'a'.repeat(128) };
    const targets = { [NAME]: { length: 5, hashes, custom: RELEASE } };
    bed.repository.publish({ change: { targets: (signed) => ({ ...signed, targets }) } });
    expect(await refusal(bed.device().target(NAME))).toContain('hashes.sha256');
  });

  it('cuts off a snapshot that a thief of the timestamp key says is enormous', async () => {
    const meta = { 'snapshot.json': { version: 1, length: 1e15 } };
    bed.repository.publish({ change: { timestamp: (signed) => ({ ...signed, meta }) } });
    bed.server.fault('snapshot', answerEndlessly);
    expect(await refusal(bed.device().target(NAME))).toContain('longer than the 5000000 bytes');
  });
});
