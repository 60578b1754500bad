import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const AGENT = resolve(__dirname, '..', '..', 'device-agent');
/** One agent, or the many of a host file. */
const ENTRIES = { agent: join(AGENT, 'main.ts'), host: join(AGENT, 'host', 'main.ts') };

/** One file that Node runs as it is: twelve processes that each compile TypeScript would take the machine for seconds. */
export async function bundleAgent(
  dir: string,
  entry: keyof typeof ENTRIES = 'agent',
): Promise<string> {
  const outfile = join(dir, `device-${entry}.cjs`);
  await build({
    entryPoints: [ENTRIES[entry]],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    logLevel: 'error',
  });
  return outfile;
}
