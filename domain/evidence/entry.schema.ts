import { z } from 'zod';
import { THING_NAME } from '../names';
import { INCIDENT } from './keys';
import type { ManifestEntry } from './types';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const text = z.string().min(1).max(512);
const time = z.iso.datetime({ precision: 3 });

/** Stored entries are read back from where others may write, too. */
export const manifestEntry: z.ZodType<ManifestEntry> = z.strictObject({
  version: z.literal(1),
  incident: z.string().regex(INCIDENT),
  sequence: z.int().min(1),
  by: z.strictObject({ workflowId: text, runId: text, step: text }),
  what: text,
  thing: z.string().regex(THING_NAME),
  key: z.string().min(1).max(1024).nullable(),
  bytes: z.int().min(0).nullable(),
  sha256: z.strictObject({ device: sha256.nullable(), receipt: sha256.nullable() }),
  at: z.strictObject({ device: time.nullable(), received: time }),
  partial: z.array(text).max(64),
  previous: sha256,
});

export const chainHead = z.strictObject({ sequence: z.int().min(1), hash: sha256 });
