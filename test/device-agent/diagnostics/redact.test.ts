import { describe, expect, it } from '@jest/globals';
import { printable } from '../../../device-agent/diagnostics/printable';
import { commandLine } from '../../../device-agent/diagnostics/processes';
import { RedactingText, redact } from '../../../device-agent/diagnostics/redact';
import { withoutSecretArguments } from '../../../device-agent/diagnostics/secrets';
import { SECRET_KINDS, leaked, plantedSecrets } from '../../support/planted-secrets';

const PLANTED = plantedSecrets(11, 2_000);
/** Every kind a dozen times. */
const SOME = PLANTED.slice(0, 500);

/** Ordinary lines of every kind of thing that diagnostics hold. */
const ORDINARY = [
  '2026-11-25T02:00:00.000Z info: sensor 17 reading 21.5 C, 3 retries',
  '{"level":30,"event":"job ended","jobId":"contain-7f3a","status":"SUCCEEDED"}',
  'sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 of pump-1.4.0.tar',
  'connected to mqtts://a1b2c3-ats.iot.eu-west-1.amazonaws.com:8883 as pump-17',
  '/usr/lib/x86_64-linux-gnu/libssl.so.3 0755 root 667864',
  'GET http://127.0.0.1:8080/health?verbose=1 200 in 3 ms',
  'commit 4602306c8a1f0e2b7d9c5e6f1a2b3c4d5e6f7a8b by builder',
  '-----BEGIN CERTIFICATE-----',
  'arn:aws:iot:eu-west-1:123456789012:thing/pump-17',
  '550e8400-e29b-41d4-a716-446655440000 started',
  'basic settings loaded; bearer is down; the password is required',
  'disk /dev/mmcblk0p2 ext4 rw,noatime 61% used, inodes 4%',
  'temperature: 21.5, humidity: 40, pressure: 1013',
  'node --enable-source-maps /opt/app/main.js --port 8080 --log-level debug',
  'the token bucket is empty, the secret is safe, author: Bob, PASS test/file.ts',
  'TypeError: Cannot read properties of undefined (reading "length") at main.ts:41:7',
];

function inChunks(text: string, size: number, skip = 0, cut = false): string {
  const redacting = new RedactingText(skip);
  let out = '';
  for (let at = 0; at < text.length; at += size) out += redacting.push(text.slice(at, at + size));
  return out + redacting.end(cut);
}

const withNoise = (texts: readonly string[]): string =>
  texts.map((text, index) => `${ORDINARY[index % ORDINARY.length] ?? ''}\n${text}\n`).join('');

describe('redaction', () => {
  it('has secrets of every kind to find, which are in the texts', () => {
    expect(SECRET_KINDS.length).toBeGreaterThan(25);
    expect(leaked(PLANTED, withNoise(PLANTED.map(({ text }) => text)))).toHaveLength(2_000);
  });

  it('takes every planted secret out of a text of its own', () => {
    expect(PLANTED.filter((planted) => leaked([planted], redact(planted.text)).length > 0)).toEqual(
      [],
    );
  });

  it.each([97, 4_096, 65_536])('takes them out of a log in chunks of %d', (size) => {
    const log = withNoise(PLANTED.map(({ text }) => text));
    const out = inChunks(log, size);
    expect(leaked(PLANTED, out)).toEqual([]);
    for (const line of ORDINARY) expect(out).toContain(`${line}\n`);
  });

  it('takes them out of a line without an end', () => {
    // Several words without quotes end only where their line does.
    const flat = PLANTED.filter(({ kind, text }) => kind !== 'yaml words' && !text.includes('\n'));
    const out = inChunks(flat.map(({ text }) => `${text} ${'on '.repeat(99)}`).join(' '), 5_000);
    expect(leaked(flat, out)).toEqual([]);
    expect(out).toContain(' on on on ');
  });

  it('takes out what is only seen from before the beginning, or goes on after the end', () => {
    for (const planted of PLANTED.slice(0, 200)) {
      const half = Math.floor(planted.text.length / 2);
      const begun = `ok\n${planted.text}\nok again\n`;
      const tail = inChunks(begun, 50, half + 3);
      const head = inChunks(begun.slice(0, half + 3), 50, 0, true);
      const halves = planted.parts.flatMap((part) => [part.slice(0, 8), part.slice(-8)]);
      expect(
        halves.filter((fragment) => tail.includes(fragment) || head.includes(fragment)),
      ).toEqual([]);
      expect(tail).toContain('ok again');
    }
  });

  it.each([1, 2, 3])('takes them out of JSON, strings within strings %d deep', (depth) => {
    let text = withNoise(SOME.map(({ text: each }) => each));
    for (let level = 0; level < depth; level += 1) text = JSON.stringify({ reason: text });
    const out = inChunks(text, 4_096);
    expect(leaked(SOME, out)).toEqual([]);
    expect(out).toContain('sensor 17 reading 21.5 C');
    expect(out).toContain('disk /dev/mmcblk0p2 ext4 rw,noatime 61% used, inodes 4%');
  });

  it('takes them out of records of their own, and of command lines and names', () => {
    for (const planted of SOME) {
      const record = JSON.stringify({ status: 'FAILED', details: { reason: planted.text } });
      expect(leaked([planted], redact(record))).toEqual([]);
      expect(leaked([planted], redact(redact(planted.text)))).toEqual([]);
      const out = commandLine(`app\0${planted.text.slice(0, 4_000)}\0-v\0`);
      expect(leaked([planted], printable(redact(out)))).toEqual([]);
    }
    expect(commandLine('app\0password:\n a1b2c3\0-v\0')).toBe(
      'app password:\\n [redacted:pair] -v',
    );
  });

  it.each(['\\n', '\\r\\n', '\\\\n', '\\u000a', '\\u{a}', '\\x0a'])(
    'knows %s for the end of a line',
    (end) => {
      expect(redact(`x${end}password: |${end}  hunter two${end}on`)).not.toContain('hunter two');
      expect(redact(`x${end}key: 7${end}password: hunter two${end}on`)).toBe(
        `x${end}key: 7${end}password: [redacted:pair]${end}on`,
      );
    },
  );

  it('leaves ordinary text as it is', () => {
    for (const line of [...ORDINARY, 'C:\\new\\table.txt is \\"there\\", \\u0041 too'])
      expect(redact(line)).toBe(line);
  });

  it('swallows a secret that is longer than what it looks at, and sees what follows', () => {
    const out = inChunks(`before\npassword=${'a1'.repeat(200_000)}\nafter\n`, 10_000);
    expect(out).toBe('before\npassword=[redacted:pair]\nafter\n');
  });

  it('sees names that a log has coloured', () => {
    expect(redact('\u001b[36mpassword\u001b[39m: \u001b[1mhunter2\u001b[0m')).not.toContain(
      'hunter2',
    );
  });

  it('says the same when it is done twice', () => {
    const once = redact(withNoise(PLANTED.slice(0, 300).map(({ text }) => text)));
    expect(leaked(PLANTED, redact(once))).toEqual([]);
    expect(redact(once).length).toBeLessThanOrEqual(once.length);
  });

  it('tells the value of an argument where arguments are apart', () => {
    const args = ['app', '--db-password', 'a b;c&"d', '--token=x y', '-v', 'file', 'API_KEY=q r'];
    expect(withoutSecretArguments(args)).toEqual([
      'app',
      '--db-password',
      '[redacted:flag]',
      '--token=[redacted:pair]',
      '-v',
      'file',
      'API_KEY=[redacted:pair]',
    ]);
  });

  // Quadratic on any of them would be hours; the test's time-out is the bound.
  it.each(
    [
      'eyJ',
      '://a',
      'password',
      'password=',
      'password="',
      'AKIA',
      '-----BEGIN PRIVATE KEY',
      '-',
    ].concat([
      '-----END PRIVATE KEY-----',
      '\\',
      '\\n',
      '\\\\n ',
      '\\"',
      '\\u{',
      'password:\\n ',
      ' ',
      '\n',
      'a',
      '--token ',
      'key ',
      'password: |\n  a\n',
      'password:\n ',
      'password is ',
      'mysql -',
      'PASS ',
      'auth=',
      '$6$a',
      'cookie:',
      '<token',
      '{',
    ]),
  )('takes linear time for half a megabyte of %j', (piece) => {
    const out = inChunks(piece.repeat(Math.ceil(500_000 / piece.length)), 65_536);
    expect(out.length).toBeLessThanOrEqual(3_000_000);
  });
});
