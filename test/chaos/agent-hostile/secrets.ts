import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { plantedSecrets, type PlantedSecret } from '../../support/planted-secrets';
import { createRepository } from '../../support/tuf-repository';
import { HostileCloud, type OfferedJob } from './cloud';
import { agentSettings } from './device';
import { DeviceDisk } from './disk';
import type { Finding } from './protocol';
import { Random } from './random';
import { Target } from './target';
import { startUploadServer, type UploadServer } from './upload-server';

export interface SecretsOptions {
  secrets: number;
  seed: number;
  dir: string;
  script: string;
  found: (finding: Finding) => void;
  /** Plants one that nobody could tell from other text, to show that a leak is noticed. */
  sabotage?: boolean;
}

export interface SecretsReport {
  planted: number;
  /** What was planted and found in what left the device, by kind. */
  leaked: PlantedSecret[];
  /** Harmless words beside the secrets that did arrive; all of them, or the search proves nothing. */
  arrived: string[];
}

/** One beside the secrets in each place. */
export const HARMLESS = ['harmless-line', 'harmless-argument', 'harmless-name', 'harmless-reason'];
const MAX_ARGUMENTS = 2_500;
const MAX_REASONS = 40;

/** Secrets wherever a device may keep some, and an agent that is asked for all it can give. */
export async function runSecrets(options: SecretsOptions): Promise<SecretsReport> {
  const { dir, seed, secrets, sabotage } = options;
  const disk = new DeviceDisk(join(dir, 'secrets'));
  const planted = plantedSecrets(seed, secrets);
  if (sabotage === true)
    planted.push({ kind: 'plain', parts: ['swordfish'], text: 'the word is swordfish today' });
  const processes = plant(disk, planted);
  const upload = await startUploadServer(true);
  try {
    const left = await everythingThatLeaves(options, disk, upload);
    return {
      planted: planted.length,
      leaked: planted.filter((secret) => isIn(left, secret)),
      arrived: HARMLESS.filter((word) => left.includes(word)),
    };
  } finally {
    for (const process of processes) process.kill('SIGKILL');
    await upload.close();
  }
}

/** In turn in the log of the application, in command lines, in names of files and in the agent's own records. */
function plant(disk: DeviceDisk, planted: readonly PlantedSecret[]): ChildProcess[] {
  const lines: string[] = ['harmless-line'];
  const lists: string[][] = [['harmless-argument']];
  const reasons: string[] = ['harmless-reason'];
  const names = join(disk.dir, 'names');
  mkdirSync(names);
  writeFileSync(join(names, 'harmless-name'), '');
  for (const [index, { kind, text }] of planted.entries()) {
    const place =
      kind === 'plain'
        ? 'log'
        : (['log', 'log', 'arguments', 'name', 'reason'] as const)[index % 5];
    if (place === 'arguments' && text.length < MAX_ARGUMENTS) {
      lists.push(kind.startsWith('command') ? text.split(' ') : [text]);
    } else if (place === 'name' && /^[^/]{1,200}$/.test(text)) {
      writeFileSync(join(names, text), text);
    } else if (place === 'reason' && reasons.length < MAX_REASONS) {
      reasons.push(text);
    } else lines.push(text);
  }
  appendFileSync(disk.log, `${lines.join('\n')}\n`);
  writeReasons(disk, reasons);
  return together(lists).map((list, index) => start(list, planted[index]?.text ?? ''));
}

/** As few processes as their command lines have room for. */
function together(lists: readonly string[][]): string[][] {
  const packed: string[][] = [[]];
  for (const list of lists) {
    const last = packed.at(-1) ?? [];
    const length = [...last, ...list].join(' ').length;
    if (length > MAX_ARGUMENTS) packed.push([...list]);
    else last.push(...list);
  }
  return packed;
}

/** Waits for its input, whatever its arguments are. */
function start(list: readonly string[], secret: string): ChildProcess {
  const env = { PATH: '/usr/bin:/bin', APP_SECRET: secret };
  return spawn('cat', ['--', '-', ...list], { env, stdio: ['pipe', 'ignore', 'ignore'] });
}

function writeReasons(disk: DeviceDisk, reasons: readonly string[]): void {
  const outcome = (reason: string): object => ({ status: 'FAILED', details: { reason } });
  const executions = reasons.map((reason, at) => ({
    key: `old-${at}#1`,
    outcome: outcome(reason),
  }));
  const at = '2026-11-25T00:00:00.000Z';
  const past = { target: 'x', version: '1', release: 1, at };
  const history = reasons.slice(-5).map((reason, number) => ({
    ...past,
    key: `past-${number}#1`,
    outcome: outcome(reason),
  }));
  const update = { version: 1, floor: { release: 1, securityEpoch: 0 }, current: null, history };
  writeFileSync(
    join(disk.state, 'journal.json'),
    JSON.stringify({ containment: null, executions }),
  );
  writeFileSync(join(disk.updates, 'update.json'), JSON.stringify(update));
}

async function everythingThatLeaves(
  { dir, seed, script, found }: SecretsOptions,
  disk: DeviceDisk,
  upload: UploadServer,
): Promise<string> {
  const repository = createRepository(join(dir, 'secrets-repository'));
  repository.publish();
  const left: string[] = [];
  const cloud = new HostileCloud(new Random(seed), (topic, payload) =>
    target.send({ kind: 'message', topic, payload }),
  );
  const settings = agentSettings({
    disk,
    metadataUrl: 'http://127.0.0.1:1/metadata',
    targetsUrl: 'http://127.0.0.1:1/targets',
    rootFile: repository.rootFile,
    uploadOrigin: upload.origin,
    logLevel: 'info',
  });
  const target = new Target(script, settings, {
    onPublish: (topic, payload) => {
      left.push(payload);
      cloud.receive(topic, payload);
    },
    onLog: (line) => left.push(line),
    onFinding: found,
    onCrash: (what) => found({ harm: 'crash', what }),
  });
  await target.when('ready');
  await cloud.offer(collectJobs(upload.origin));
  await target.stop();
  return [...left, ...upload.received.map((body) => gunzipSync(body).toString())].join('\n');
}

function collectJobs(origin: string): OfferedJob[] {
  const subject = { version: 1, requestedBy: 'hostile/1', operation: 'diagnostics' };
  const collect = (items: object[], path = 'upload'): object => ({
    ...subject,
    verb: 'collect',
    items,
    uploadUrl: `${origin}/${path}?X-Amz-Signature=0123456789abcdef`,
  });
  const log = { kind: 'applicationLog', maxBytes: 10_485_760 };
  const documents = [
    collect([
      { kind: 'system' },
      { kind: 'processes' },
      { kind: 'connections' },
      { kind: 'slots' },
    ]),
    collect([log]),
    collect([
      { kind: 'journal' },
      { kind: 'hashes', root: 'names' },
      { kind: 'hashes', root: 'state' },
    ]),
    // Cut anywhere.
    ...[1, 40, 999, 20_011].map((maxBytes) => collect([{ kind: 'applicationLog', maxBytes }])),
    { ...subject, verb: 'status' },
  ];
  return documents.map((document, index) => ({
    jobId: `collect-${index}`,
    document: JSON.stringify(document),
    cancelAfter: null,
  }));
}

/** Any part of it, as it is or in the ways that programs write it down. */
function isIn(text: string, { parts }: PlantedSecret): boolean {
  return parts.some((part) => waysToWrite(part).some((form) => text.includes(form)));
}

function waysToWrite(part: string): string[] {
  const json = JSON.stringify(part).slice(1, -1);
  const bytes = Buffer.from(part);
  // Without the last letters, which depend on what follows; from each of three offsets, on what comes before.
  const base64 = [0, 1, 2].map((skip) => {
    const whole = bytes.subarray(skip, skip + 3 * Math.floor((bytes.length - skip) / 3));
    return whole.toString('base64');
  });
  const hex = bytes.toString('hex');
  const forms = [json, JSON.stringify(json).slice(1, -1), hex, hex.toUpperCase(), ...base64];
  const url = [
    encodeURIComponent(part),
    ...base64.map((form) => form.replace(/\+/g, '-').replace(/\//g, '_')),
  ];
  return [part, ...forms, ...url];
}
