import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { parse } from 'yaml';

import { listIssues } from '../domain/issues';
import type { RunbookName, Runbooks } from '../domain/runbook';
import { RUNBOOK_SCHEMAS } from '../domain/runbook.schema';

/** A runbook's YAML can't be used. Its message lists every wrong field with its path. */
export class RunbookFileError extends Error {
  override readonly name = 'RunbookFileError';
}

/** Reads `<folder>/<name>.yaml`. Throws one `RunbookFileError` that lists all that is wrong. */
export function loadRunbook<Name extends RunbookName>(folder: string, name: Name): Runbooks[Name] {
  const file = join(folder, `${name}.yaml`);
  const parsed = RUNBOOK_SCHEMAS[name].safeParse(readYaml(file));
  if (parsed.success) return parsed.data;
  const lines = listIssues(parsed.error, 'file').map(
    ({ field, problem }) => `  ${field}: ${problem}`,
  );
  throw new RunbookFileError([`${file} is not a usable runbook:`, ...lines].join('\n'));
}

/** No aliases: nothing here needs them, and a file of nested ones can grow without bound. */
function readYaml(file: string): unknown {
  try {
    return parse(readFileSync(file, 'utf8'), { maxAliasCount: 0, uniqueKeys: true });
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new RunbookFileError(`${file} can't be read: ${problem}`);
  }
}
