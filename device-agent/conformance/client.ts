import {
  copyFileSync,
  createReadStream,
  mkdirSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { Backoff } from '../connection/backoff';
import { MetadataFetcher } from '../trust/metadata-fetcher';
import { artifactUrl, prefixed } from '../trust/trust';
import {
  LIMITS,
  refreshed,
  type Refreshed,
  type RefreshOptions,
  type SignedTarget,
} from '../trust/updater';
import { fetchArtifact } from '../update/download';
import { UpdateRefusedError } from '../update/types';

/**
 * The command line of the TUF conformance suite's client under test, through the agent's own store, updater and
 * downloader: https://github.com/theupdateframework/tuf-conformance/blob/main/CLIENT-CLI.md
 */
export const USAGE = `The agent's update client as the TUF conformance suite drives it.

  --metadata-dir DIR init TRUSTED_ROOT
  --metadata-dir DIR --metadata-url URL refresh
  --metadata-dir DIR --metadata-url URL --target-name NAME… --target-base-url URL --target-dir DIR download`;

const httpUrl = z.url({ protocol: /^https?$/ });
const text = z.string().min(1);
const command = z.discriminatedUnion('command', [
  z.strictObject({ command: z.literal('init'), 'metadata-dir': text, trustedRoot: text }),
  z.strictObject({
    command: z.literal('refresh'),
    'metadata-dir': text,
    'metadata-url': httpUrl,
  }),
  z.strictObject({
    command: z.literal('download'),
    'metadata-dir': text,
    'metadata-url': httpUrl,
    'target-name': z.array(text).min(1),
    'target-base-url': httpUrl,
    'target-dir': text,
  }),
]);
type Command = z.infer<typeof command>;

/** Rejects where any part failed. */
export async function run(args: string[]): Promise<void> {
  const asked = parse(args);
  const store = storeOf(asked['metadata-dir']);
  if (asked.command === 'init') {
    mkdirSync(store.dir, { recursive: true });
    copyFileSync(asked.trustedRoot, store.rootFile);
    return;
  }
  const options: RefreshOptions = {
    ...store,
    metadataUrl: asked['metadata-url'],
    now: () => new Date(),
    limits: { retryDelayMs: 100 },
  };
  await refreshed(options, async (repository) => {
    if (asked.command === 'download')
      for (const name of asked['target-name']) await download(name, repository, asked, store.dir);
  });
}

function parse(args: string[]): Command {
  const single = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      'metadata-dir': single,
      'metadata-url': single,
      'target-name': { type: 'string', multiple: true },
      'target-base-url': single,
      'target-dir': single,
    },
  });
  const [name, trustedRoot, ...rest] = positionals;
  if (rest.length > 0) throw new Error(`what is ${rest.join(' ')}?\n${USAGE}`);
  const given = { command: name, ...values, ...(trustedRoot === undefined ? {} : { trustedRoot }) };
  const parsed = command.safeParse(given);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new Error(`${problems.join('; ')}\n${USAGE}`);
}

/** The suite reads the trusted files at `--metadata-dir`, which is where the store has its symlink. */
function storeOf(metadataDir: string): { dir: string; name: string; rootFile: string } {
  const path = resolve(metadataDir);
  return { dir: dirname(path), name: basename(path), rootFile: `${path}-shipped-root.json` };
}

async function download(
  name: string,
  repository: Refreshed,
  asked: Extract<Command, { command: 'download' }>,
  scratchDir: string,
): Promise<void> {
  const target = await repository.find(name);
  if (target === undefined) throw new UpdateRefusedError(`${name} is not in the signed targets`);
  const path = join(asked['target-dir'], encodeURIComponent(name));
  if (await isVerified(path, target)) return;
  const hash = target.hashes['sha256'] ?? Object.values(target.hashes)[0] ?? '';
  const file = repository.hashPrefixed ? prefixed(name, hash) : name;
  const part = join(scratchDir, `download-${process.pid}`);
  await fetchTo(part, artifactUrl(asked['target-base-url'], file), name, target);
  if (!(await isVerified(part, target))) {
    unlinkSync(part);
    throw new UpdateRefusedError(`${name} is not as signed`);
  }
  mkdirSync(asked['target-dir'], { recursive: true });
  renameSync(part, path);
}

/** The suite has targets without SHA-256, too, which an update of the agent must have. */
async function fetchTo(
  path: string,
  url: string,
  name: string,
  { length, hashes }: SignedTarget,
): Promise<void> {
  const sha256 = hashes['sha256'];
  if (sha256 === undefined) {
    const fetcher = new MetadataFetcher({ ...LIMITS, maxBytes: length });
    writeFileSync(path, await fetcher.downloadBytes(url, length));
    return;
  }
  const target = { name, length, sha256, url };
  const backoff = new Backoff({ baseMs: 50, capMs: 200 });
  await fetchArtifact({ target, path, backoff, bytesPerSecond: null, stalledMs: 5_000 });
}

async function isVerified(path: string, target: SignedTarget): Promise<boolean> {
  try {
    await target.verify(createReadStream(path));
    return true;
  } catch {
    return false;
  }
}
