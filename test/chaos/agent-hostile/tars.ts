import { gzipSync } from 'node:zlib';
import { tarOf, type TarEntry } from '../../device-agent/update/tar';
import type { Random } from './random';

export interface HostileTar {
  what: string;
  bytes: Buffer;
  gzip?: boolean;
}

const file = (path: string, more: Partial<TarEntry> = {}): TarEntry => ({
  path,
  content: 'escaped\n',
  ...more,
});
const RUN = file('run', { content: 'hello\n' });

const PATHS = [
  '../escape',
  '../../escape',
  '../../../escape',
  '../../../../escape',
  'lib/../../../../escape',
  './../../../etc/passwd',
  'lib/./../../root/../../escape',
  '/escape',
  '//escape',
  '/etc/passwd',
  '..',
  '.',
  '',
  '/',
  'a\\..\\..\\escape',
  'C:\\escape',
  'C:/escape',
  '..\u2215escape',
  '\u2025/escape',
  'run\n../escape',
  'run/',
  '..././escape',
] as const;

/** Archives that the real keys signed, and that are not what a build makes. */
const MAKERS: Record<string, (random: Random, dir: string) => HostileTar['bytes']> = {
  path: (random) => tarOf([RUN, file(random.pick(PATHS))]),
  'path in an extended header': (random) => tarOf([RUN, file(random.pick(PATHS), { pax: true })]),
  'folder outside': (random) => tarOf([RUN, { path: `${random.pick(PATHS)}/`, type: '5' }]),
  'absolute path of this machine': (_, dir) => tarOf([file(`${dir}/escape`, { pax: true })]),
  link: (random, dir) =>
    tarOf([
      RUN,
      { path: 'out', type: '2', link: random.pick(['..', '../../..', '/', dir, '/etc']) },
      file('out/escape'),
    ]),
  'link over a file': (_, dir) =>
    tarOf([RUN, { path: 'out', type: '2', link: `${dir}/escape` }, file('out')]),
  'hard link': (random, dir) =>
    tarOf([
      RUN,
      { path: 'x', type: '1', link: random.pick([`${dir}/escape`, '../../../escape', 'run']) },
      file('x'),
    ]),
  device: (random) => tarOf([RUN, { path: 'disk', type: random.pick(['3', '4', '6', '7', '\0']) }]),
  'unknown type': (random) =>
    tarOf([RUN, file('x', { type: random.pick(['A', 'D', 'M', 'N', 'S', 'V', 'Z', 'g', 'x']) })]),
  'GNU long name': (random) =>
    tarOf([{ path: '././@LongLink', type: 'L', content: `${random.pick(PATHS)}\0` }, file('x')]),
  'GNU long link': () =>
    tarOf([
      { path: '././@LongLink', type: 'K', content: '../../../escape\0' },
      file('x', { type: '2' }),
    ]),
  'long name': (random) => tarOf([RUN, file('n'.repeat(200 + random.below(9_000)), { pax: true })]),
  'deep folders': (random) =>
    tarOf([
      RUN,
      file('d/'.repeat(10 + random.below(random.pick([150, 3_000]))).concat('x'), { pax: true }),
    ]),
  'many entries': (random) =>
    tarOf(
      Array.from({ length: 300 + random.below(1_500) }, (_, at) =>
        file(`many/${at}`, { content: '' }),
      ),
    ),
  'same entry twice': () => tarOf([RUN, RUN]),
  'file under a file': () => tarOf([RUN, file('run/x')]),
  'wrong size': (random) =>
    tarOf([RUN, file('x', { size: random.pick([1, 4_096, 1e6, 8 ** 11, 2 ** 53, 2 ** 62]) })]),
  'set-user-id': () => tarOf([file('run', { mode: 0o6777 })]),
  'without an end': () => tarOf([RUN, file('x')], false),
  'cut short': (random) => {
    const whole = tarOf([RUN, file('x'), file('y', { content: 'y'.repeat(5_000) })]);
    return whole.subarray(0, 1 + random.below(whole.length - 1));
  },
  'flipped bytes': (random) => {
    const bytes = Buffer.from(tarOf([RUN, file('lib/x'), file('lib/y')]));
    for (let flips = 1 + random.below(20); flips > 0; flips -= 1)
      bytes[random.below(bytes.length)] = random.below(256);
    return bytes;
  },
  noise: (random) => Buffer.from(Array.from({ length: 2_048 }, () => random.below(256))),
  empty: () => Buffer.alloc(1_024),
  'one byte': () => Buffer.from('x'),
  'compressed in secret': () => gzipSync(tarOf([RUN])),
  'zstandard in secret': () => Buffer.concat([Buffer.from('28b52ffd', 'hex'), tarOf([RUN])]),
};

const GZIPPED: Record<string, (random: Random) => Buffer> = {
  bomb: () => gzipSync(tarOf([RUN, file('zeros', { content: '\0'.repeat(24 * 1_048_576) })])),
  'escape in gzip': (random) => gzipSync(tarOf([RUN, file(random.pick(PATHS))])),
  'gzip cut short': (random) => {
    const whole = gzipSync(tarOf([RUN, file('x')]));
    return whole.subarray(0, 1 + random.below(whole.length - 1));
  },
  'gzip of noise': (random) => gzipSync(Buffer.from(`${random.next()}`.repeat(100))),
  'gzip and more': (random) =>
    Buffer.concat([gzipSync(tarOf([RUN])), Buffer.from(`${random.next()}`)]),
  'no gzip': () => tarOf([RUN]),
};

export function hostileTar(random: Random, dir: string): HostileTar {
  if (random.chance(0.12)) {
    const [what, make] = random.pick(Object.entries(GZIPPED));
    // A bomb costs this machine more than the agent.
    const bytes = what === 'bomb' && random.chance(0.8) ? tarOf([]) : make(random);
    return { what, bytes, gzip: true };
  }
  const [what, make] = random.pick(Object.entries(MAKERS));
  return { what, bytes: make(random, dir) };
}
