import { accessSync, constants } from 'node:fs';
import { z } from 'zod';

export const readableFile = z.string().min(1).refine(isReadable, 'no readable file');
export const milliseconds = z.int().min(1).max(3_600_000);
const httpUrl = z.url({ protocol: /^https?$/ });
/** Of a repository: it is named in what a job reports and in logs, and has names appended. */
const repositoryUrl = httpUrl.refine(
  isPlain,
  'must hold no user name, password, query or fragment: it is told to the cloud where a download fails',
);
const folder = z.string().min(1);
const absolute = z.string().startsWith('/', 'must be an absolute path');

/** How it is seen that a new application is good; each is repeated until the confirmation time is over. */
const healthCheck = z.discriminatedUnion('kind', [
  /** It runs, without an exit, for the confirmation time. */
  z.strictObject({ kind: z.literal('exit') }),
  /** GET on this device answers 2xx. */
  z.strictObject({
    kind: z.literal('http'),
    url: httpUrl.refine(isLoopback, 'must be an address of this device, such as http://127.0.0.1'),
  }),
  /** A program of this device, no shell, exits with 0. */
  z.strictObject({
    kind: z.literal('command'),
    command: z.string().min(1),
    args: z.array(z.string()).default([]),
  }),
]);

export const updatesSettings = z.strictObject({
  /** The TUF repository: metadata below one URL, targets below another. */
  metadataUrl: repositoryUrl,
  targetsUrl: repositoryUrl,
  /** The root that was shipped with the device; what is trusted first, and again after damage. */
  rootFile: readableFile,
  /** Keeps the trusted metadata, the download and the state of an update. */
  dir: folder,
  installer: z.discriminatedUnion('kind', [
    /** Folders `a` and `b` below `dir`; `application.command` runs in the active one. */
    z.strictObject({ kind: z.literal('slots'), dir: folder }),
    /** `rauc` on the PATH, its `system.conf` with `activate-installed=false`. */
    z.strictObject({
      kind: z.literal('rauc'),
      command: z.string().min(1).default('rauc'),
      reboot: z.array(z.string()).min(1).default(['systemctl', 'reboot']),
    }),
  ]),
  health: healthCheck.prefault({ kind: 'exit' }),
  /** How long the new application must stay healthy before it is confirmed. */
  confirmMs: milliseconds.default(60_000),
  /** From its start: by then the agent must reach the cloud under it, or it is rolled back. */
  connectWithinMs: milliseconds.default(600_000),
  /** One check that takes longer has failed. */
  checkTimeoutMs: milliseconds.default(10_000),
  /** Starts of an unconfirmed slot, over restarts of the agent and the device, before it is rolled back. */
  maxStarts: z.int().min(1).max(10).default(3),
  bytesPerSecond: z.int().min(1_024).nullable().default(null),
  /** A download is given up after this long without a byte, over however many reconnects. */
  stalledMs: z.int().min(1).max(2_592_000_000).default(604_800_000),
});
export type UpdatesSettings = z.infer<typeof updatesSettings>;

/** The meanings are in watchdog.ts. */
export const watchdogSettings = z.strictObject({
  readEveryMs: milliseconds.default(3_600_000),
  staleMs: milliseconds.default(300_000),
  giveUpMs: milliseconds.default(3_600_000),
  /** Beside the grace of the application. */
  operationMs: milliseconds.default(900_000),
  /** An event loop that stands still for this long has its process killed. */
  blockedMs: milliseconds.min(1_000).default(120_000),
});

export const diagnosticsSettings = z.strictObject({
  /** Files below these folders may be hashed; by the name that a job uses. No symlink may be on the way to one. */
  hashRoots: z.record(z.string().regex(/^[a-z0-9-]{1,32}$/), absolute).default({}),
  /** Where the application writes its log, rotated files not included; null where it has none. No symlink either. */
  applicationLog: absolute.nullable().default(null),
  /** Bundles are uploaded to these origins and no others, such as https://evidence.s3.eu-west-1.amazonaws.com. */
  uploadOrigins: z.array(httpUrl.refine(isOrigin, 'must be an origin: no path')).default([]),
});
export type DiagnosticsSettings = z.infer<typeof diagnosticsSettings>;

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).href === `${new URL(text).origin}/`;
}

function isPlain(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { username, password } = new URL(text);
  return username === '' && password === '' && !/[?#]/.test(text);
}

function isLoopback(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { hostname } = new URL(text);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
