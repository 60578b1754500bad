import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import { loadRunbook } from '../../../runbooks/load';
import { senderVariables } from '../../../triggers/webhook/sender-config';
import { CREDENTIALS, webhookHeaders } from '../../support/senders';
import { startTestSns } from '../../support/sns';
import { createTestWebhook, ROUTES } from './harness';

const ROOT = join(__dirname, '../../..');
const GUIDE = readFileSync(join(ROOT, 'docs/senders.md'), 'utf8');
const blocks = (language: string): string[] =>
  [...GUIDE.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))].map(
    ([, text = '']) => text,
  );
const asText = (value: unknown): string => JSON.stringify(value);

describe('docs/senders.md', () => {
  it('names every variable of a sender, and --help does too', async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', 'triggers/webhook/main.ts', '--help'],
      { cwd: ROOT },
    );
    const names = Object.keys(senderVariables.shape);
    expect(names.filter((name) => !GUIDE.includes(name))).toEqual([]);
    expect(names.filter((name) => !stdout.includes(name))).toEqual([]);
  }, 30_000);

  it('shows routes that load, and are those that the examples of the OpenAPI document assume', () => {
    const folder = mkdtempSync(join(tmpdir(), 'senders-doc-'));
    try {
      const yaml = readFileSync(join(ROOT, 'runbooks/quarantine.yaml'), 'utf8');
      const settings = yaml.slice(yaml.indexOf('\nsettings:'));
      writeFileSync(join(folder, 'quarantine.yaml'), `${blocks('yaml')[0] ?? ''}${settings}`);
      expect(loadRunbook(folder, 'quarantine').routes).toEqual(ROUTES);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('shows a receiver for Alertmanager that posts to its route with a token', () => {
    expect(parse(blocks('yaml')[1] ?? '')).toMatchObject({
      receivers: [
        {
          webhook_configs: [
            {
              url: expect.stringMatching(/\/alarms\/alertmanager$/),
              send_resolved: true,
              http_config: { authorization: { type: 'Bearer' } },
            },
          ],
        },
      ],
    });
  });

  it('shows an alarm of a tool, and a script, that are taken', async () => {
    const sns = await startTestSns();
    const webhook = await createTestWebhook(sns);
    try {
      const body = asText(JSON.parse(blocks('json')[0] ?? ''));
      const answer = await webhook.send('/alarms/webhook', body, webhookHeaders(body));
      expect(answer.body).toEqual({ code: 'started' });
      const { stdout } = await promisify(execFile)(
        'bash',
        ['-euo', 'pipefail', '-c', blocks('bash')[0] ?? ''],
        { env: { ...process.env, SECRET: CREDENTIALS.secrets[0], WEBHOOK: webhook.url } },
      );
      expect(JSON.parse(stdout)).toEqual({ code: 'started' });
      expect(webhook.started.map(({ route }) => route.thing)).toEqual(['pump-7', 'pump-7']);
    } finally {
      await webhook.app.close();
      await sns.close();
    }
  }, 30_000);
});
