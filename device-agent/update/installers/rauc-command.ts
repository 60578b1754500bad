import { execFile } from 'node:child_process';
import { z } from 'zod';
import { codeOf, messageOf, parseJson } from '../../errors';

const OUTPUT_BYTES = 4 * 1024 * 1024;
const QUERY_MS = 60_000;

const slotStatus = z.object({
  checksum: z.object({ sha256: z.string(), size: z.number() }).optional(),
  installed: z.object({ count: z.number() }).optional(),
  status: z.string().optional(),
});

const slot = z.object({
  bootname: z.string().nullable(),
  state: z.string(),
  slot_status: slotStatus.optional(),
});

/** `rauc status --detailed --output-format=json`, RAUC 1.8; of each slot, an object with its name as only key. */
const status = z.object({
  booted: z.string().nullable(),
  boot_primary: z.string().nullable(),
  slots: z.array(z.record(z.string(), slot)),
});

export interface RaucSlot {
  /** Such as `rootfs.0`. */
  name: string;
  booted: boolean;
  /** What RAUC wrote in it last, and how often it did; null where it never finished. */
  content: { sha256: string; count: number } | null;
}

export interface RaucStatus {
  /** The slots that the boot loader chooses between. */
  slots: RaucSlot[];
  /** Name of the slot that the boot loader starts next; null where it does not say. */
  primary: string | null;
}

export async function readStatus(command: string): Promise<RaucStatus> {
  const output = await runRauc(command, ['status', '--detailed', '--output-format=json'], QUERY_MS);
  const { data, error } = status.safeParse(parseJson(output));
  if (data === undefined)
    throw new Error(`rauc status is not what RAUC 1.8 prints: ${z.prettifyError(error)}`);
  const slots = data.slots.flatMap((entry) => Object.entries(entry));
  return {
    primary: data.boot_primary,
    slots: slots
      .filter(([, { bootname }]) => bootname !== null)
      .map(([name, { state, slot_status }]) => ({
        name,
        booted: state === 'booted',
        content: contentOf(slot_status),
      })),
  };
}

function contentOf(written: z.infer<typeof slotStatus> | undefined): RaucSlot['content'] {
  if (written?.status !== 'ok' || written.checksum === undefined) return null;
  return { sha256: written.checksum.sha256, count: written.installed?.count ?? 0 };
}

export async function markSlot(
  command: string,
  mark: 'good' | 'bad' | 'active',
  name: string,
): Promise<void> {
  await runRauc(command, ['status', `mark-${mark}`, name], QUERY_MS);
}

/** Standard output. No shell; a failure says what RAUC said last. */
export function runRauc(command: string, args: string[], timeoutMs: number): Promise<string> {
  const options = { timeout: timeoutMs, maxBuffer: OUTPUT_BYTES, killSignal: 'SIGKILL' as const };
  return new Promise((resolve, reject) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error === null) {
        resolve(stdout);
        return;
      }
      const cause = error.killed === true ? `no end in ${timeoutMs} ms` : lastWords(stdout, stderr);
      const reason = cause ?? codeOf(error) ?? messageOf(error);
      reject(new Error(`rauc ${args.slice(0, 2).join(' ')}: ${reason}`));
    });
  });
}

/** RAUC's service names its error on a line of its own, before the client says only that it failed. */
function lastWords(stdout: string, stderr: string): string | undefined {
  const lines = `${stdout}\n${stderr}`.split('\n').map((line) => line.trim());
  const named = lines.findLast((line) => line.startsWith('LastError:'));
  return named?.slice('LastError:'.length).trim() ?? lines.findLast((line) => line !== '');
}
