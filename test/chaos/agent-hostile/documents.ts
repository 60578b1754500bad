import { mutate } from './fuzz/mutate';
import type { Random } from './random';

const subject = { version: 1, requestedBy: 'hostile/1' };

/** A document of each operation that is as it should be. */
export const DOCUMENTS: readonly object[] = [
  { ...subject, operation: 'contain', reason: 'drill' },
  { ...subject, operation: 'resume' },
  { ...subject, operation: 'probe', nonce: 'abcdef-012345' },
  { ...subject, operation: 'install', target: 'pump/1.4.0.tar' },
  { ...subject, operation: 'diagnostics', verb: 'status' },
  { ...subject, operation: 'diagnostics', verb: 'logLevel', level: 'debug', forSeconds: 60 },
  {
    ...subject,
    operation: 'diagnostics',
    verb: 'collect',
    items: [{ kind: 'system' }, { kind: 'hashes', root: 'software' }, { kind: 'applicationLog' }],
    uploadUrl: 'http://127.0.0.1:1/upload',
  },
];

const OPERATIONS = [
  'shell',
  'exec',
  'Install',
  'install ',
  'contain\0',
  '__proto__',
  'constructor',
  'toString',
  '',
  ['install'],
  { toString: 'install' },
  1,
  null,
];
const TARGETS = [
  '../escape',
  '/etc/passwd',
  'pump/../../escape',
  'pump//x.tar',
  '.hidden',
  'pump/.x.tar',
  'http://evil.example/x.tar',
  'pump/x.tar?x=1',
  'pump/x.tar#x',
  'pump\\x.tar',
  'pump/%2e%2e/x',
  'x'.repeat(300),
  'pump/x.tar\n',
  '',
];
const URLS = [
  'file:///etc/passwd',
  'javascript:alert(1)',
  'http://169.254.169.254/latest/meta-data',
  'http://user:password@127.0.0.1/',
  'http://127.0.0.1:1/x',
  'gopher://127.0.0.1/',
  '//evil.example/x',
  '${aws:iot:s3-presigned-url-upload:x}',
  'http://[::1]:1/',
  'https://evil.example/',
];
const ROOTS = ['__proto__', 'constructor', '..', '/', 'nowhere', 'tostring', 'software/../..'];

export interface Upload {
  /** Allowed by the device's configuration. */
  origin: string;
}

type Make = (random: Random, upload: Upload) => object | string;
const collect = (items: unknown, uploadUrl: string): object => ({
  ...subject,
  operation: 'diagnostics',
  verb: 'collect',
  items,
  uploadUrl,
});

const KINDS: Record<string, Make> = {
  'unknown operation': (random) => ({ ...subject, operation: random.pick(OPERATIONS) }),
  'operation twice': (random) =>
    `{"version":1,"requestedBy":"x","operation":"install","target":"pump/x.tar",` +
    `"operation":"${random.pick(['resume', 'shell', 'contain'])}"}`,
  'extra field': (random) => ({
    ...random.pick(DOCUMENTS),
    [random.pick(['command', 'url', 'shell', 'path', '$where'])]: 'touch escape',
  }),
  prototype: () =>
    '{"__proto__":{"operation":"install","target":"pump/x.tar"},"version":1,"requestedBy":"x"}',
  'no object': (random) => random.pick(['null', '[]', '1', '"install"', 'true', '{}', '[[[]]]']),
  'target name': (random) => ({
    ...subject,
    operation: 'install',
    target: random.pick(TARGETS),
  }),
  'too long': (random) => ({
    ...subject,
    operation: 'contain',
    reason: 'x'.repeat(30_000 + random.below(30_000)),
  }),
  'too deep': (random) => {
    const depth = 100 + random.below(20_000);
    return `{"operation":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  },
  'upload elsewhere': (random) => collect([{ kind: 'system' }], random.pick(URLS)),
  'upload refused': (random, { origin }) =>
    collect([{ kind: 'slots' }], `${origin}/${random.pick(['refuse', 'redirect', 'close-late'])}`),
  'unknown root': (random, { origin }) =>
    collect([{ kind: 'hashes', root: random.pick(ROOTS) }], `${origin}/upload`),
  'item flood': (random, { origin }) =>
    collect(
      Array.from({ length: random.pick([8, 16, 17, 1_000]) }, () => ({ kind: 'slots' })),
      `${origin}/upload`,
    ),
  'whole log': (random, { origin }) =>
    collect(
      [{ kind: 'applicationLog', maxBytes: random.pick([1, 10_485_760, 10_485_761, 1e308, -1]) }],
      `${origin}/upload`,
    ),
  'log level': (random) => ({
    ...subject,
    operation: 'diagnostics',
    verb: 'logLevel',
    level: random.pick(['debug', 'info', 'warn', 'trace', 'silent']),
    forSeconds: random.pick([1, 60, 86_400, 86_401, 0, -1, 1e9]),
  }),
  status: () => ({ ...subject, operation: 'diagnostics', verb: 'status' }),
  contain: (random) => ({
    ...subject,
    operation: 'contain',
    reason: random.pick(['', 'drill', '\u202e\0', 'x'.repeat(512)]),
  }),
  resume: () => ({ ...subject, operation: 'resume' }),
  probe: (random) => ({
    ...subject,
    operation: 'probe',
    nonce: random.pick(['abcdef-012345', '', '../x', 'x'.repeat(64), 'x'.repeat(65)]),
  }),
};
/** These do what they say, and cost more than the others. */
const COSTLY: ReadonlySet<string> = new Set([
  'contain',
  'resume',
  'upload refused',
  'unknown root',
  'item flood',
  'whole log',
]);

/** The JSON of a document that asks for what is not to be had, or for too much, or for something at a bad time. */
export function hostileDocument(random: Random, upload: Upload): string {
  if (random.chance(0.35)) return validJson(random);
  let kind = random.pick(Object.keys(KINDS));
  if (COSTLY.has(kind) && random.chance(0.6)) kind = 'unknown operation';
  const made = KINDS[kind]?.(random, upload) ?? {};
  return typeof made === 'string' ? made : JSON.stringify(made);
}

/** A document that is not JSON is none that a Jobs service could send. */
function validJson(random: Random): string {
  const text = mutate(random, JSON.stringify(random.pick(DOCUMENTS)));
  try {
    JSON.parse(text);
    return text.length < 100_000 ? text : '{}';
  } catch {
    return JSON.stringify(text.slice(0, 5_000));
  }
}
