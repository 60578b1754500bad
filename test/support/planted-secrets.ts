/** Secrets of every kind that a device may hold, each in a text as devices write it, for tests of redaction. */
export interface PlantedSecret {
  kind: string;
  /** What must not leave the device; every part of it for a key of several lines. */
  parts: string[];
  /** One or more lines that hold it. */
  text: string;
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const ALPHANUMERIC = `${LETTERS}${LETTERS.toLowerCase()}0123456789`;
const BASE64 = `${ALPHANUMERIC}+/`;
const URL_SAFE = `${ALPHANUMERIC}-_`;
const HEX = '0123456789abcdef';
const PASSWORD = `${ALPHANUMERIC}!#$%*.:~^?_-`;

/** Numbers from 0 up to but not including 1, the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

class Maker {
  constructor(readonly random: () => number) {}

  pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.random() * choices.length)] as T;
  }

  text(alphabet: string, length: number): string {
    let made = '';
    for (let i = 0; i < length; i += 1)
      made += alphabet.charAt(Math.floor(this.random() * alphabet.length));
    return made;
  }

  password(): string {
    return `${this.text(LETTERS.toLowerCase(), 3)}${this.text(PASSWORD, 7 + Math.floor(this.random() * 20))}7`;
  }
}

type Make = (maker: Maker) => Omit<PlantedSecret, 'kind'>;
const one = (secret: string, text: string): Omit<PlantedSecret, 'kind'> => ({
  parts: [secret],
  text,
});

const NAMES = [
  'password',
  'passwd',
  'DB_PASSWORD',
  'mqttPassword',
  'api_key',
  'apiKey',
  'X-Api-Key',
  'client_secret',
  'auth_token',
  'refreshToken',
  'passphrase',
  'sharedAccessKey',
  'private_key',
] as const;

const pairs =
  (write: (name: string, value: string) => string): Make =>
  (maker) => {
    const value = maker.password();
    return one(value, write(maker.pick(NAMES), value));
  };
const token =
  (prefix: string, length: number, alphabet = ALPHANUMERIC): Make =>
  (maker) => {
    const secret = `${prefix}${maker.text(alphabet, length)}`;
    return one(
      secret,
      maker.pick([`using ${secret}`, `{"v":"${secret}"}`, `curl -H x:${secret} http://h/`]),
    );
  };

const KINDS: Record<string, Make> = {
  'json pair': pairs((name, value) => `{"level":"info","${name}":"${value}","next":1}`),
  'json in json': pairs((name, value) =>
    JSON.stringify({ msg: JSON.stringify({ user: 'a', [name]: value, b: 2 }) }),
  ),
  'yaml pair': pairs((name, value) => `  ${name}: ${value}`),
  'yaml words': (maker) => {
    const value = `${maker.password()} ${maker.password()}`;
    return { parts: value.split(' '), text: `password: ${value}` };
  },
  'env pair': pairs((name, value) => `export ${name}=${value}`),
  'log pair': pairs(
    (name, value) => `2026-11-25T02:00:00Z debug: connect ${name}=${value} retry=3`,
  ),
  'query pair': pairs((name, value) => `GET /v1?x=1&${name}=${value}&y=2`),
  'xml element': pairs((name, value) => `<${name}>${value}</${name}>`),
  'name and value': pairs((name, value) => `{"name":"${name}","value":"${value}"}`),
  'command flag': pairs((_, value) => `/usr/bin/app --db-password ${value} --port 80`),
  'command option': pairs((_, value) => `/usr/bin/app --token=${value} -v`),
  'curl user': pairs((_, value) => `curl -u admin:${value} http://host/`),
  'url password': (maker) => {
    const value = maker.text(URL_SAFE, 12);
    return one(value, `connecting to postgres://app:${value}@db.local:5432/x`);
  },
  'aws key id': (maker) => {
    const secret = `${maker.pick(['AKIA', 'ASIA'])}${maker.text(`${LETTERS}234567`, 16)}`;
    return one(secret, `caller is ${secret} in eu-west-1`);
  },
  'aws secret': (maker) => {
    const secret = `aB3${maker.text(BASE64, 37)}`;
    return one(
      secret,
      maker.pick([`aws_secret_access_key = ${secret}`, `SecretAccessKey: "${secret}"`]),
    );
  },
  'bearer header': (maker) => {
    const secret = `${maker.text(URL_SAFE, 30)}1`;
    return one(
      secret,
      maker.pick([`Authorization: Bearer ${secret}`, `sent bearer ${secret} to hub`]),
    );
  },
  'basic header': (maker) => {
    const secret = Buffer.from(`admin:${maker.password()}`).toString('base64');
    return one(
      secret,
      maker.pick([`"Authorization": "Basic ${secret}"`, `authorization=Basic ${secret}`]),
    );
  },
  cookie: (maker) => {
    const secret = maker.text(ALPHANUMERIC, 20);
    return one(secret, `Set-Cookie: sid=${secret}; Path=/`);
  },
  jwt: (maker) => {
    const part = (length: number) => maker.text(URL_SAFE, length);
    const secret = `eyJ${part(20)}.eyJ${part(60)}.${part(43)}`;
    return { parts: secret.split('.'), text: `session ${secret} opened` };
  },
  'presigned url': (maker) => {
    const signature = maker.text(HEX, 64);
    const session = maker.text(ALPHANUMERIC, 200);
    const url = `https://b.s3.amazonaws.com/k?X-Amz-Security-Token=${session}&X-Amz-Signature=${signature}`;
    return { parts: [signature, session], text: `PUT ${url} 200` };
  },
  'wi-fi key': (maker) => {
    const psk = maker.pick([maker.text(HEX, 64), maker.text(ALPHANUMERIC, 14)]);
    return one(
      psk,
      maker.pick([`\tpsk="${psk}"`, `wpa-psk ${psk}`, `WIFI:T:WPA;S:net;P:${psk};;`]),
    );
  },
  'private key': privateKey,
  'private key on one line': (maker) => {
    const key = privateKey(maker);
    return { parts: key.parts, text: JSON.stringify({ key: key.text }) };
  },
  'key blob': (maker) => {
    const secret = maker.pick([maker.text(HEX, 64), maker.text(BASE64, 44)]);
    return one(secret, maker.pick([`device key loaded: ${secret}`, `hmac with ${secret} done`]));
  },
  'yaml block': pairs((name, value) => `  ${name}: |\n    ${value}\n`),
  'wrapped pair': pairs((name, value) => `{"${name}":\n  "${value}"}`),
  'pair in a list': pairs((name, value) => `{"${name}": ["${value}", "x"]}`),
  'short pair': pairs((_, value) => `{"pass": "${value}"}`),
  'docker auth': (maker) => {
    const secret = Buffer.from(`a:${maker.password().slice(0, 10)}`).toString('base64');
    return one(secret, `{"auths":{"registry.example":{"auth":"${secret}"}}}`);
  },
  'openssl password': pairs((_, value) => `openssl rsa -passin pass:${value} -in key.pem`),
  'client password': (maker) => {
    const secret = `q7${maker.text(ALPHANUMERIC, 10)}`;
    const said = [`mysql -u root -p${secret} db`, `redis-cli -h db -a ${secret}`, `PASS ${secret}`];
    return one(secret, maker.pick(said));
  },
  'told password': (maker) => {
    const secret = `q7${maker.text(ALPHANUMERIC, 10)}`;
    const said = [`password for root is ${secret}`, `passwd ${secret}`, `got token ${secret}`];
    return one(secret, maker.pick(said));
  },
  'password hash': (maker) => {
    const hash = maker.text(ALPHANUMERIC, 43);
    return one(
      hash,
      maker.pick([`root:$6$salt$${hash}:19000:`, `$2b$12$${hash}`, `$y$j9T$${hash}`]),
    );
  },
  'xml with attributes': pairs((name, value) => `<${name} type="text">${value}</${name}>`),
  'putty key': (maker) => {
    const parts = [maker.text(BASE64, 64), maker.text(BASE64, 64)];
    return { parts, text: `Private-Lines: 2\n${parts.join('\n')}\nPrivate-MAC: 0` };
  },
  github: token('ghp_', 36),
  'github pat': token('github_pat_', 60, `${ALPHANUMERIC}_`),
  gitlab: token('glpat-7', 20, URL_SAFE),
  slack: token('xoxb-1', 40),
  google: token('AIzaSy7', 33, URL_SAFE),
  stripe: token('sk_live_7', 24),
  npm: token('npm_7', 36),
};
export const SECRET_KINDS: readonly string[] = Object.keys(KINDS);

function privateKey(maker: Maker): Omit<PlantedSecret, 'kind'> {
  const kind = maker.pick(['RSA ', 'EC ', '', 'ENCRYPTED ', 'OPENSSH ']);
  const parts = Array.from({ length: 3 + Math.floor(maker.random() * 30) }, () =>
    maker.text(BASE64, 64),
  );
  const lines = [
    `-----BEGIN ${kind}PRIVATE KEY-----`,
    ...parts,
    `-----END ${kind}PRIVATE KEY-----`,
  ];
  return { parts, text: lines.join('\n') };
}

/** The same for the same seed; every kind comes as often as every other. */
export function plantedSecrets(seed: number, count: number): PlantedSecret[] {
  const maker = new Maker(randomOf(seed));
  const kinds = Object.entries(KINDS);
  return Array.from({ length: count }, (_, index) => {
    const [kind, make] = kinds[index % kinds.length] as [string, Make];
    return { kind, ...make(maker) };
  });
}

/** Those of which any part is in the text, in clear or as JSON writes it. */
export function leaked(planted: readonly PlantedSecret[], text: string): PlantedSecret[] {
  return planted.filter(({ parts }) =>
    parts.some((part) => text.includes(part) || text.includes(JSON.stringify(part).slice(1, -1))),
  );
}
