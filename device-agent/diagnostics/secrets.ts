/**
 * What a secret looks like. Every rule is linear: it starts at a literal, each part before the secret is bounded,
 * and the secret itself is an open-ended class with nothing required after it, so that a long scan never fails and
 * is never repeated. The first group is the secret and ends where the match ends.
 */
export interface SecretRule {
  name: string;
  pattern: RegExp;
  /** A second look, where the shape alone would take ordinary words. */
  fits?: (secret: string) => boolean;
}

/** Separators of JSON, YAML, env files, query strings, JSON inside JSON and coloured logs. What is taken too much is only lost. */
const COLOUR = String.raw`(?:\x1b\[[0-9;]{0,16}m)?`;
const CLOSED_QUOTE = String.raw`\\{0,4}["'\x60]?${COLOUR}`;
const SEPARATOR = String.raw`[ \t]{0,8}(?:=>|->|:=|[:=]|%3[ADad])${COLOUR}[ \t]{0,8}${COLOUR}`;
/** Quoted to the closing quote, escapes included; otherwise up to what ends a word. Unclosed: up to the line's end. */
const VALUE = [
  String.raw`"((?:[^"\\\r\n]|\\[^\r\n])+)`,
  String.raw`'((?:[^'\\\r\n]|\\[^\r\n])+)`,
  String.raw`((?![{[]{1,8}(?:[\s"'\\]|$)|\\{1,16}["'])(?:[^\s"'\x60<>\\]|\\(?!["'nrt]))+)`,
];
const valueAfter = (before: string): string => `${before}(?:${VALUE.join('|')})`;

const NAMES = [
  'pass(?:word|wd|wort|phrase|code)',
  'pwd',
  'secret',
  'token',
  'api[-_ ]?key',
  'access[-_ ]?key',
  'account[-_ ]?key',
  'encryption[-_ ]?key',
  'signing[-_ ]?key',
  'shared[-_ ]?key',
  'master[-_ ]?key',
  'priv(?:ate)?[-_ ]?key',
  'psk',
  'credentials?',
  'session[-_ ]?id',
  'connection[-_ ]?string',
  'client[-_ ]?key[-_ ]?data',
].join('|');
/** A name that says of its value that it is a secret. */
const NAMED = String.raw`(?:${NAMES})[\w.-]{0,32}`;

/** Not a plain word: it has a digit, padding, or capitals within. */
const isNoWord = (secret: string): boolean => /[0-9=+/]|[a-z][A-Z]/.test(secret);
/** Neither a word nor a number, as what follows "token" or "secret" in a sentence mostly is. */
const isMixed = (secret: string): boolean => /[0-9]/.test(secret) && /[A-Za-z]/.test(secret);

export const SECRET_RULES: readonly SecretRule[] = [
  {
    // Several words, up to the end of the string that they are in.
    name: 'pair',
    pattern: new RegExp(
      String.raw`["'][ \t]{0,8}[\w.-]{0,64}?${NAMED}[ \t]{0,8}[:=][ \t]{0,8}([^\s"'{[|>\\][^\r\n"'\\]*)`,
      'gi',
    ),
  },
  { name: 'aws-key-id', pattern: /((?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16,})/g },
  {
    name: 'aws-secret',
    pattern: /(?<![A-Za-z0-9+/=_-])([A-Za-z0-9+/]{40})(?![A-Za-z0-9+/_-])/g,
    fits: looksRandom,
  },
  {
    name: 'token',
    pattern:
      /((?:gh[pousr]_|github_pat_|glpat-|npm_|dop_v1_|shpat_|hvs\.|ya29\.|GOCSPX-|AIza|whsec_|AGE-SECRET-KEY-1|xox[abeoprs]-|xapp-|(?:sk|rk|pk)_(?:live|test)_|sk-|SG\.)[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]+)?)/g,
    fits: isNoWord,
  },
  { name: 'token', pattern: /hooks\.slack\.com\/services\/([A-Za-z0-9/]{8,})/g },
  { name: 'token', pattern: /(?<![0-9])([0-9]{8,10}:AA[A-Za-z0-9_-]{30,})/g },
  { name: 'jwt', pattern: /(eyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*){0,4})/g },
  {
    name: 'authorization',
    pattern:
      /authorization\\{0,4}["']?[ \t]{0,8}[:=][ \t]{0,8}\\{0,4}["']?((?:aws4-hmac-sha256|digest|hawk|signature|oauth)[ \t][^\r\n]+)/gi,
  },
  {
    name: 'authorization',
    pattern:
      /authorization\\{0,4}["']?[ \t]{0,8}[:=][ \t]{0,8}\\{0,4}["']?(?:[A-Za-z0-9-]{1,24}[ \t]{1,8})?([^\s"'\\,;]{6,})/gi,
    fits: isNoWord,
  },
  {
    name: 'authorization',
    pattern: /\b(?:bearer|basic)[ \t]{1,8}([A-Za-z0-9._~+/=-]{8,})/gi,
    fits: isNoWord,
  },
  { name: 'cookie', pattern: /cookie\\{0,4}["']?[ \t]{0,8}[:=][ \t]{0,8}([^\r\n"']+)/gi },
  { name: 'url-password', pattern: /:\/\/[^\s/?#@:"']{0,256}:([^\s/?#"']{1,256})(?=@)/g },
  { name: 'url-password', pattern: /:\/\/([^\s/?#@:"']{16,256})(?=@)/g },
  {
    name: 'presigned',
    pattern:
      /x-amz-(?:signature|credential|security-token)(?:=|%3D|["']?[ \t]{0,4}:[ \t]{0,4}["']?)([^&\s"'\\<>]+)/gi,
  },
  {
    name: 'query',
    pattern: /(?:[?&]|%26|&amp;)(?:sig|signature|key|auth|code|pass|sas)(?:=|%3D)([^&\s"'\\<>]+)/gi,
  },
  { name: 'pair', pattern: new RegExp(valueAfter(NAMED + CLOSED_QUOTE + SEPARATOR), 'gi') },
  {
    name: 'pair',
    pattern: new RegExp(
      String.raw`^[ \t]{0,64}(?:export[ \t]{1,8})?[\w.-]{0,64}?${NAMED}[ \t]{0,8}[:=][ \t]{0,8}([^\s"'{[|>][^\r\n]*)`,
      'gim',
    ),
  },
  {
    name: 'pair',
    pattern:
      /(?<![A-Za-z0-9])(?:pass|pw|otp)\\{0,4}["']?[ \t]{0,4}[:=][ \t]{0,4}\\{0,4}["']?([^\s"'\\,;&]+)/gi,
  },
  {
    name: 'authorization',
    pattern:
      /(?<![A-Za-z0-9])auth\\{0,4}["']?[ \t]{0,4}[:=][ \t]{0,4}\\{0,4}["']?([^\s"'\\,;&]{6,})/gi,
    fits: isNoWord,
  },
  {
    name: 'authorization',
    pattern: /\b(?:PASS|AUTH)[ \t]{1,4}(?:(?:PLAIN|LOGIN)[ \t]{1,4})?([^\s"']{4,})/g,
    fits: isMixed,
  },
  {
    // On the lines below: a block of YAML, or a value that was wrapped.
    name: 'pair',
    pattern: new RegExp(
      String.raw`${NAMED}${CLOSED_QUOTE}[ \t]{0,8}[:=][ \t]{0,8}[|>][-+0-9]{0,2}[ \t]{0,8}\r?\n((?:[ \t]+[^\r\n]+(?:\r?\n)?)+)`,
      'gi',
    ),
  },
  {
    name: 'pair',
    pattern: new RegExp(
      String.raw`${NAMED}${CLOSED_QUOTE}[ \t]{0,8}[:=][ \t]{0,8}\r?\n[ \t]{1,64}["']?([^\s"'][^\r\n"']*)`,
      'gi',
    ),
  },
  {
    name: 'pair',
    pattern: new RegExp(
      String.raw`${NAMED}${CLOSED_QUOTE}${SEPARATOR}\[[ \t]{0,4}([^\]\r\n]+)`,
      'gi',
    ),
  },
  {
    name: 'hash',
    pattern:
      /(\$(?:1|2[abxy]|5|6|7|y|apr1|argon2[id]{1,2}|scrypt|pbkdf2[\w-]{0,16})\$[\w./$=,+-]{16,})/g,
  },
  {
    name: 'flag',
    pattern: new RegExp(
      valueAfter(String.raw`(?<![\w-])--?[\w-]{0,64}?${NAMED}[ \t]{1,8}(?=[^\s-])`),
      'gi',
    ),
  },
  {
    name: 'pair',
    pattern: new RegExp(
      String.raw`<[\w:.-]{0,64}?${NAMED}(?:[ \t][^<>\r\n]{0,256})?>(?:<!\[CDATA\[)?([^<\]\r\n]+)`,
      'gi',
    ),
  },
  {
    name: 'pair',
    pattern: new RegExp(
      String.raw`${NAMED}\\{0,4}["'][ \t,]{1,4}\\{0,4}["']?value\\{0,4}["']?[ \t]{0,4}[:=][ \t]{0,4}\\{0,4}["']([^"'\r\n\\]+)`,
      'gi',
    ),
  },
  {
    name: 'pair',
    pattern:
      /pass(?:word|wd|phrase|code)[ \t]{1,4}(?:[\w-]{1,16}[ \t]{1,4}){0,3}(?:is|was|to)[: \t]{1,4}["']?([^\s"']+)/gi,
    fits: isNoWord,
  },
  {
    name: 'pair',
    pattern: /(?:pass(?:word|wd|phrase|code)|pwd|secret|token|psk)[ \t]{1,4}["']?([^\s"']{6,})/gi,
    fits: isMixed,
  },
  {
    name: 'flag',
    pattern: /(?<![\w-])--?(?:pass|pw|auth)(?:[ \t=]{1,8})["']?([^\s"'-][^\s"']*)/gi,
  },
  { name: 'flag', pattern: /\b(?:mysql|mariadb)[^\r\n]{0,128}?[ \t]-p([^\s"']+)/g },
  { name: 'flag', pattern: /\bredis-cli[^\r\n]{0,128}?[ \t]-a[ \t]{1,8}["']?([^\s"']+)/g },
  { name: 'flag', pattern: /sshpass[ \t]{1,8}-p[ \t]{0,8}["']?([^\s"']+)/g },
  {
    name: 'flag',
    pattern: /[ \t](?:-u|--user|--proxy-user)[ \t=]{1,8}["']?[^\s:"']{1,128}:([^\s"']+)/g,
  },
  {
    name: 'wifi',
    pattern: /(?:wpa[-_](?:psk|passphrase)|wireless-key)[ \t]{1,8}["']?([^\r\n"']+)/gi,
  },
  { name: 'wifi', pattern: /WIFI:[^\r\n]{0,128}?P:([^;\r\n]+)/g },
  {
    name: 'private-key',
    pattern: /Private-Lines:[ \t]{0,4}[0-9]{1,4}\r?\n((?:[A-Za-z0-9+/=]+(?:\r?\n)?)+)/g,
  },
  {
    name: 'private-key',
    pattern: /["']d\\{0,4}["'][ \t]{0,4}:[ \t]{0,4}\\{0,4}["']([A-Za-z0-9_-]{20,})/g,
  },
];

const SECRET_WORD = /secret|token|key|passw|psk|credential|auth|signature|private|cipher|hmac/i;

/** Long base64 or hex of no known kind is a secret where the 80 characters before it on its line say so. */
export const BLOB = /[A-Za-z0-9+/_=-]{32,}/g;
export function isSecretBlob(text: string, start: number, blob: string): boolean {
  const before = text.slice(Math.max(0, start - 80), start);
  const line = before.slice(before.lastIndexOf('\n') + 1);
  return SECRET_WORD.test(line) && entropyOf(blob.slice(0, 256)) >= 3;
}

function looksRandom(text: string): boolean {
  const mixed = /[a-z]/.test(text) && /[A-Z]/.test(text) && /[0-9]/.test(text);
  return mixed && entropyOf(text) >= 4.4;
}

/** Bits a character, after Shannon. */
function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values())
    bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

const NAMED_FLAG = new RegExp(String.raw`^--?(?:[\w-]{0,64}?${NAMED}|pass|pw|auth)$`, 'i');
const NAMED_OPTION = new RegExp(String.raw`^[\w.-]{0,64}?${NAMED}=`, 'i');

/** Where arguments are still apart, a value with odd characters in it can be told from what follows. */
export function withoutSecretArguments(args: readonly string[]): string[] {
  return args.map((arg, index) => {
    const option = NAMED_OPTION.exec(arg)?.[0];
    if (option !== undefined) return `${option}[redacted:pair]`;
    const flagged = NAMED_FLAG.test(args[index - 1] ?? '') && !/^--?[a-z]/i.test(arg);
    return flagged ? '[redacted:flag]' : arg;
  });
}
