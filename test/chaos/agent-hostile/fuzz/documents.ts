import { pino } from 'pino';
import { parseJson } from '../../../../device-agent/errors';
import { JobsClient } from '../../../../device-agent/jobs/client';
import { parseJobDocument } from '../../../../device-agent/jobs/document';
import { describeReply, pendingReply } from '../../../../device-agent/jobs/messages';
import { parseLine } from '../../../../device-agent/supervisor/protocol';
import { DOCUMENTS } from '../documents';
import type { Finding } from '../protocol';
import type { Random } from '../random';
import type { Fuzzer } from './fuzz';
import { mutate } from './mutate';

const THING = 'pump-1';
const SUMMARY = { jobId: 'x', queuedAt: 1, executionNumber: 1, versionNumber: 1 };
const REPLIES = [
  { clientToken: 'x', inProgressJobs: [SUMMARY], queuedJobs: [SUMMARY] },
  { clientToken: 'x', execution: { ...SUMMARY, status: 'QUEUED', jobDocument: DOCUMENTS[3] } },
  { clientToken: 'x', code: 'VersionMismatch', message: 'no' },
  { clientToken: 'x', executionState: { status: 'IN_PROGRESS', versionNumber: 2 } },
].map((reply) => JSON.stringify(reply));
const LINES = [
  { publish: { topic: 'dt/pump-1/x', payload: { a: [1] } } },
  { health: 'healthy' },
].map((line) => JSON.stringify(line));
const TEXTS = DOCUMENTS.map((document) => JSON.stringify(document));

/** Job documents, and what else comes in from outside: answers of the Jobs service, lines of the application. */
export function documentFuzzer(): Fuzzer {
  const connection = { publish: () => Promise.resolve({ kind: 'accepted' } as const) };
  const client = new JobsClient(THING, connection, 1_000, pino({ level: 'silent' }));
  return (random) => {
    if (random.chance(0.8)) return fuzzDocument(random);
    if (random.chance(0.8)) return fuzzReply(random, client);
    const line = parseLine(mutate(random, random.pick(LINES)), THING);
    const reserved =
      line.ok && 'publish' in line.message && line.message.publish.topic.startsWith('$');
    return reserved ? { harm: 'escape', what: 'an application reaches a reserved topic' } : null;
  };
}

function fuzzDocument(random: Random): Finding | null {
  const text = mutate(random, random.pick(TEXTS));
  const parsed = parseJobDocument(parseJson(text));
  if (!parsed.ok) {
    return parsed.reason === ''
      ? { harm: 'crash', what: `refused without a reason: ${text}` }
      : null;
  }
  const problem = problemOf({ ...parsed.document });
  return problem === null
    ? null
    : { harm: 'badInstall', what: `${problem}: ${text.slice(0, 300)}` };
}

const FIELDS: Record<string, readonly string[]> = {
  contain: ['reason'],
  resume: [],
  probe: ['nonce'],
  install: ['target'],
  diagnostics: ['verb', 'items', 'uploadUrl', 'level', 'forSeconds'],
};

/** Said here once more, in other words than the schema's. */
function problemOf(document: Record<string, unknown>): string | null {
  const { version, requestedBy, operation, target, ...rest } = document;
  const fields = FIELDS[String(operation)];
  if (typeof operation !== 'string' || fields === undefined) return 'an unknown operation is taken';
  if (version !== 1 || typeof requestedBy !== 'string') return 'an unknown version is taken';
  const extra = Object.keys(rest).find((field) => !fields.includes(field));
  if (extra !== undefined) return `an extra field is taken: ${extra}`;
  if (operation !== 'install') return target === undefined ? null : 'a target that is no install’s';
  const safe = typeof target === 'string' && /^[\w.-]+(\/[\w.-]+)*$/.test(target);
  const dots = String(target)
    .split('/')
    .some((segment) => segment.startsWith('.'));
  return safe && !dots ? null : 'an unsafe target is taken';
}

function fuzzReply(random: Random, client: JobsClient): Finding | null {
  const text = mutate(random, random.pick(REPLIES));
  const topic = random.pick(['get/accepted', 'x/get/rejected', 'x/update/accepted']);
  client.receive(`$aws/things/${THING}/jobs/${topic}`, Buffer.from(text));
  const value = parseJson(text);
  pendingReply.safeParse(value);
  const execution = describeReply.safeParse(value).data?.execution;
  if (execution !== undefined) parseJobDocument(execution.jobDocument);
  return null;
}
