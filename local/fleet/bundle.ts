import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const ENTRY = resolve(__dirname, '..', '..', 'device-agent', 'main.ts');

/** One file that Node runs as it is: twelve processes that each compile TypeScript would take the machine for seconds. */
export async function bundleAgent(dir: string): Promise<string> {
  const outfile = join(dir, 'device-agent.cjs');
  await build({
    entryPoints: [ENTRY],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    logLevel: 'error',
  });
  return outfile;
}
