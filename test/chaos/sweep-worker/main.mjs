// A worker for the sweep's own test: takes the subject from a file, makes two AWS calls for it, says so in a file.
// Usage: node sweep-worker/main.mjs ENDPOINT FOLDER MODE
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const [endpoint, folder, mode] = process.argv.slice(2);
const authorization =
  'AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/iot/aws4_request, Signature=0';

async function put(path, body) {
  await globalThis.fetch(`${endpoint}${path}`, {
    method: 'PUT',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

async function work(subject) {
  const begun = join(folder, `${subject}.begun`);
  const again = existsSync(begun);
  writeFileSync(begun, '');
  if (mode === 'forgetful' && again) return;
  const jobId = mode === 'careless' ? `contain-${randomUUID()}` : `contain-${subject}`;
  await put(`/jobs/${jobId}`, { targets: [subject], document: '{"operation":"contain"}' });
  if (mode !== 'hasty' || !again) {
    await put('/thing-groups/addThingToThingGroup', {
      thingName: subject,
      thingGroupName: 'held',
    });
  }
  writeFileSync(join(folder, `${subject}.done`), '');
}

let last = '';
for (;;) {
  const file = join(folder, 'subject');
  const subject = existsSync(file) ? readFileSync(file, 'utf8') : '';
  if (subject !== last && !existsSync(join(folder, `${subject}.done`))) await work(subject);
  last = subject;
  await sleep(5);
}
