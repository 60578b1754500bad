import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundle } from '@temporalio/worker';

/** What a bundle is made of, besides the packages that the lock file pins. */
const SOURCES = ['workflows', 'domain'];

/**
 * The workflow bundle, built once per state of the sources and kept in `cacheFolder`, so that a worker that restarts is back
 * at once. Written under another name and renamed: two workers that start together don't read half a file.
 */
export async function workflowBundle(root: string, cacheFolder: string): Promise<WorkflowBundle> {
  const file = join(cacheFolder, `workflows-${fingerprint(root)}.js`);
  const cached = readIfThere(file);
  if (cached !== null) return { code: cached };
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(root, 'workflows'),
    logger: new DefaultLogger('WARN'),
  });
  mkdirSync(cacheFolder, { recursive: true });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, code);
  renameSync(draft, file);
  return { code };
}

function fingerprint(root: string): string {
  const hash = createHash('sha256').update(readFileSync(join(root, 'package.json')));
  for (const folder of SOURCES)
    for (const name of readdirSync(join(root, folder), {
      recursive: true,
      encoding: 'utf8',
    }).sort())
      if (name.endsWith('.ts')) hash.update(name).update(readFileSync(join(root, folder, name)));
  return hash.digest('hex').slice(0, 20);
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
