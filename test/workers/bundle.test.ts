import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { workflowBundle } from '../../workers/bundle';

/** A project with one small workflow, which takes its answer from `domain/`. */
let root: string;
let cache: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'bundle-'));
  cache = join(root, 'cache');
  symlinkSync(join(__dirname, '../../node_modules'), join(root, 'node_modules'));
  for (const folder of ['workflows', 'domain']) mkdirSync(join(root, folder));
  writeFileSync(join(root, 'package.json'), '{"name":"small"}');
  writeFileSync(
    join(root, 'workflows', 'index.ts'),
    "import { ANSWER } from '../domain/answer';\nexport async function small(): Promise<string> { return ANSWER; }\n",
  );
  answer('first answer');
});
afterAll(() => rmSync(root, { recursive: true }));

const answer = (text: string): void =>
  writeFileSync(join(root, 'domain', 'answer.ts'), `export const ANSWER: string = '${text}';\n`);
const build = async (): Promise<string> => (await workflowBundle(root, cache)).code;

it('builds once where two start at the same time, and leaves no half-written file', async () => {
  const [one, two] = await Promise.all([build(), build()]);
  expect(one).toContain('first answer');
  expect(two).toContain('first answer');
  expect(readdirSync(cache)).toEqual([expect.stringMatching(/^workflows-[0-9a-f]+\.js$/)]);
}, 60_000);

it('takes the built one as long as no source changes', async () => {
  const [name = ''] = readdirSync(cache);
  writeFileSync(join(cache, name), 'from the cache');
  expect(await build()).toBe('from the cache');
});

it('builds again when a source that the workflows import has changed', async () => {
  answer('second answer');
  const code = await build();
  expect(code).toContain('second answer');
  expect(code).not.toContain('first answer');
}, 60_000);
