import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { codeOf, parseJson, problemOf } from '../errors';
import { writeFileAtomically } from './atomic-file';
import { makeFolder } from './make-folder';

const containment = z.object({
  /** ISO 8601. */
  since: z.string(),
  reason: z.string(),
  requestedBy: z.string(),
});
export type Containment = z.infer<typeof containment>;

const outcome = z.object({
  status: z.enum(['SUCCEEDED', 'FAILED', 'REJECTED']),
  details: z.record(z.string(), z.string()),
});
export type RecordedOutcome = z.infer<typeof outcome>;

const execution = z.object({
  /** Job id and execution number: a retry of a job is another execution. */
  key: z.string(),
  outcome: outcome.nullable(),
});
type Execution = z.infer<typeof execution>;

/** Each part falls back by itself: a damaged list of executions must not lift a containment. */
const journalFile = z.object({
  containment: containment.nullable(),
  executions: z.array(execution).catch([]),
});

/** More than the 10 pending jobs that AWS shows a device, so that none that may still be reported is forgotten. */
const MAX_EXECUTIONS = 64;

/**
 * What must survive a crash: whether the device is contained, which executions were started and how they ended.
 * A file that can't be read counts as contained: the way out, `resume`, stays open through Jobs, whereas starting
 * a contained application because its record was damaged can't be taken back. The damaged file is kept beside it.
 */
export class Journal {
  private containmentNow: Containment | null;
  private executions: Execution[];
  private readonly path: string;

  constructor(
    folder: string,
    now: () => Date = () => new Date(),
    private readonly write = writeFileAtomically,
  ) {
    this.path = join(folder, 'journal.json');
    // A disk that refuses says so again where something is to be written.
    problemOf(() => makeFolder(folder));
    const read = readJournal(this.path, now);
    this.containmentNow = read.containment;
    this.executions = read.executions;
  }

  get containment(): Containment | null {
    return this.containmentNow;
  }

  /** In effect at once, even where the disk refuses it: then it throws after the change. */
  setContainment(containment: Containment | null): void {
    this.containmentNow = containment;
    this.save();
  }

  /** Whether an execution was started before, and its outcome if it ended. */
  find(key: string): { started: boolean; outcome: RecordedOutcome | null } {
    const found = this.executions.find((entry) => entry.key === key);
    return { started: found !== undefined, outcome: found?.outcome ?? null };
  }

  recordStart(key: string): void {
    this.put({ key, outcome: null });
  }

  recordOutcome(key: string, outcome: RecordedOutcome): void {
    this.put({ key, outcome });
  }

  private put(entry: Execution): void {
    const others = this.executions.filter(({ key }) => key !== entry.key);
    this.executions = [...others, entry].slice(-MAX_EXECUTIONS);
    this.save();
  }

  private save(): void {
    const content = { containment: this.containmentNow, executions: this.executions };
    this.write(this.path, JSON.stringify(content));
  }
}

function readJournal(path: string, now: () => Date): z.infer<typeof journalFile> {
  let text: string | null = null;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { containment: null, executions: [] };
  }
  const parsed = journalFile.safeParse(text === null ? undefined : parseJson(text));
  if (parsed.success) return parsed.data;
  const damaged: Containment = {
    since: now().toISOString(),
    reason: 'the journal is damaged, so the device starts contained; a resume job lifts it',
    requestedBy: 'agent',
  };
  const content = { containment: damaged, executions: [] };
  // A disk that refuses has the agent find the same damage at its next start, which is better than no start.
  problemOf(() => {
    renameSync(path, `${path}.damaged`);
    writeFileAtomically(path, JSON.stringify(content));
  });
  return content;
}
