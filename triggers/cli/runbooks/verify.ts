import type { EvidenceDeps } from '../../../activities/evidence/deps';
import { verifyIncident } from '../../../activities/evidence/verify';
import { INCIDENT } from '../../../domain/evidence/keys';
import { sentence } from '../../../domain/evidence/text';
import type { ChainHead, ManifestEntry } from '../../../domain/evidence/types';
import { UsageError } from '../usage';

export type EvidenceCliDeps = Pick<EvidenceDeps, 'store' | 'heads'>;

/** `text` is for people; `data` is what `--json` prints. */
export interface CommandOutput {
  ok: boolean;
  text: string;
  data: Record<string, unknown>;
}

/** Reads only. What is stored may be anybody's: each line is stripped of what a terminal would obey. */
export async function verify(
  deps: EvidenceCliDeps,
  incident: string,
  options: { head?: string },
): Promise<CommandOutput> {
  if (!INCIDENT.test(incident))
    throw new UsageError('incident: must be up to four names with `/` between, as `device/pump-1`');
  const known = options.head === undefined ? null : readHead(options.head);
  const found = await verifyIncident(deps, incident, known);
  const { ok, entries, head, problems, objects, bytes } = found;
  const missing = entries.flatMap(({ what, partial }) => partial.map((why) => `${what}: ${why}`));
  const text = [
    ...entries.map(lineOf),
    ...missing.map((each) => `not had: ${each}`),
    ...problems.map((problem, at) => `${at === 0 ? 'FIRST BROKEN LINK' : 'also'}: ${problem}`),
    ok
      ? `Whole: ${entries.length} entries, ${objects} objects, ${bytes} bytes. Head ${head.sequence}:${head.hash}`
      : `NOT whole: ${entries.length} entries hold, of ${head.sequence}.`,
  ];
  const data = { incident, entries: entries.length, objects, bytes, head, missing, problems };
  return { ok, text: text.map(sentence).join('\n'), data };
}

/** As a run's result and its details tell it, `<sequence>:<hash>`. */
function readHead(text: string): ChainHead {
  const match = /^([1-9]\d{0,8}):([0-9a-f]{64})$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined)
    throw new UsageError('--head must be <sequence>:<64 hexadecimal digits>, as a run tells it');
  return { sequence: Number(match[1]), hash: match[2] };
}

const lineOf = ({ sequence, at, what, bytes, sha256, by }: ManifestEntry): string =>
  [
    `${sequence}  ${at.received}  ${what}  ${bytes ?? '-'} bytes`,
    `sha256 ${sha256.receipt ?? '-'}`,
    ...(at.device === null ? [] : [`device's clock ${at.device}`]),
    `by ${by.workflowId}`,
  ].join('  ');
