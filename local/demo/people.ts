import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { childEnv } from '../stack/host';

const ROOT = resolve(__dirname, '..', '..');
const GUARD = join(ROOT, 'triggers', 'cli', 'guard', 'main.ts');
const approval = z.object({ token: z.string().min(1) });

/** People who may approve, by the same commands that they would type. */
export interface People {
  names: string[];
  /** Signs what the run waits for; the token is the input of its Update `approve`. */
  approve(name: string, workflowId: string): Promise<string>;
}

export async function createPeople(env: Record<string, string>, names: string[]): Promise<People> {
  const guard = async (...args: string[]): Promise<string> => {
    const command = ['--import', 'tsx', GUARD, ...args];
    const options = { cwd: ROOT, env: childEnv(env) };
    return (await promisify(execFile)(process.execPath, command, options)).stdout;
  };
  for (const name of names) await guard('approver', 'add', name);
  return {
    names,
    approve: async (name, workflowId) => {
      const out = await guard('approve', workflowId, '--as', name, '--json');
      const last = out.trim().split('\n').at(-1) ?? '';
      return approval.parse(JSON.parse(last)).token;
    },
  };
}
