import { join } from 'node:path';
import type { ReleaseTarget } from '../../../domain/device-protocol/release-target';
import { tarOf } from '../../device-agent/update/tar';
import {
  createRepository,
  type AddedTarget,
  type PublishOptions,
  type TufRepository,
} from '../../support/tuf-repository';
import {
  answerBody,
  answerEndlessly,
  answerStatus,
  answerTruncated,
  serveRepository,
  type RepositoryServer,
} from '../../support/tuf-server';
import type { Installed, Tree } from './disk';
import { mutate } from './fuzz/mutate';
import type { Random } from './random';
import { hostileTar } from './tars';

export const HARDWARE = 'b';
const PAST = new Date('2020-01-01T00:00:00Z');

/** What an install job may do at most. `may`: it is signed and the next release, and strange in what it holds. */
type Verdict = 'must' | 'may' | 'never';

export interface Attack {
  what: string;
  target: string;
  verdict: Verdict;
  signed: ReleaseTarget | null;
  /** Of the artifact; null where nobody can say how it unpacks. */
  tree: Tree | null;
}

type Position = Pick<Installed, 'release' | 'securityEpoch'>;

/** The update repository of one device, which can sign whatever it likes and serve whatever it likes. */
export class HostileRepository {
  private number = 0;
  private lastRelease = 1;

  private constructor(
    private readonly random: Random,
    private readonly dir: string,
    readonly repository: TufRepository,
    readonly server: RepositoryServer,
    /** Of somebody else's keys. */
    private readonly stranger: TufRepository,
  ) {}

  static async start(random: Random, dir: string): Promise<HostileRepository> {
    const repository = createRepository(join(dir, 'repository'));
    const stranger = createRepository(join(dir, 'stranger'));
    repository.publish();
    const server = await serveRepository(repository);
    return new HostileRepository(random, dir, repository, server, stranger);
  }

  /** Makes one attack ready; `clear` ends it. */
  prepare(running: Position): Attack {
    const { random } = this;
    if (this.number === 0 || random.chance(0.12)) return this.honest(running);
    if (random.chance(0.35)) return this.strangeArtifact(running);
    const [what, make] = random.pick(Object.entries(ATTACKS));
    this.number += 1;
    const target = `pump/h${this.number}.tar`;
    const given = make(this, { random, running, target });
    return { what, target, verdict: 'never', signed: null, tree: null, ...given };
  }

  /** A release as it should be: that it is installed shows that the others could have been. */
  honest(running: Position): Attack {
    this.number += 1;
    const tree = { run: `release ${this.number}\n`, 'lib/data.txt': `${this.random.next()}\n` };
    const target = `pump/h${this.number}.tar`;
    const release = this.above(running);
    const reverts = this.random.chance(0.2) && running.release > 0 ? running.release : undefined;
    const signed = { ...release, ...(reverts !== undefined && { reverts }) };
    this.list(
      target,
      tarOf(Object.entries(tree).map(([path, content]) => ({ path, content }))),
      signed,
    );
    const what = reverts === undefined ? 'honest' : 'honest revert';
    return { what, target, verdict: 'must', signed, tree };
  }

  clear(): void {
    this.server.clear();
    for (const name of this.listed.splice(0)) this.repository.removeTarget(name);
  }

  private readonly listed: string[] = [];

  /** The next release, higher than any before. */
  above({ release, securityEpoch }: Position): ReleaseTarget {
    this.lastRelease = Math.max(this.lastRelease, release) + 1 + this.random.below(3);
    const epoch = Math.max(5, securityEpoch) + (this.random.chance(0.1) ? 1 : 0);
    return {
      version: `1.${this.lastRelease}.0`,
      release: this.lastRelease,
      securityEpoch: epoch,
      hardware: [HARDWARE],
    };
  }

  list(name: string, content: Buffer, custom: unknown, options: PublishOptions = {}): AddedTarget {
    const added = this.repository.addTarget(name, content, custom);
    this.listed.push(name);
    this.repository.publish(options);
    return added;
  }

  foreign(name: string, content: Buffer, custom: unknown, role: string): Buffer {
    this.stranger.addTarget(name, content, custom);
    const version = 10_000 + this.number;
    const versions = { targets: version, snapshot: version, timestamp: version };
    this.stranger.publish({ versions });
    this.stranger.removeTarget(name);
    return this.stranger.read(role === 'timestamp' ? 'timestamp.json' : `${version}.${role}.json`);
  }

  private strangeArtifact(running: Position): Attack {
    this.number += 1;
    const { what, bytes, gzip } = hostileTar(this.random, this.dir);
    const target = `pump/h${this.number}.${gzip === true ? 'tar.gz' : 'tar'}`;
    const signed = this.above(running);
    if (bytes.length > 0) this.list(target, bytes, signed);
    return { what: `tar: ${what}`, target, verdict: 'may', signed, tree: null };
  }
}

interface Context {
  random: Random;
  running: Position;
  target: string;
}

/** Prepares what must be refused, but for what it returns. */
type Prepare = (repository: HostileRepository, context: Context) => Partial<Attack> | undefined;

const NEVER = 'never to be run\n';
const ARTIFACT = tarOf([{ path: 'run', content: NEVER }]);

const wrong =
  (change: (signed: ReleaseTarget, context: Context) => unknown): Prepare =>
  (repository, context) => {
    const signed = repository.above(context.running);
    repository.list(context.target, ARTIFACT, change(signed, context));
    return undefined;
  };

const published =
  (options: (random: Random) => PublishOptions): Prepare =>
  (repository, { running, target, random }) => {
    repository.list(target, ARTIFACT, repository.above(running), options(random));
    return undefined;
  };

/** An honest listing, of which the server then answers something else. */
const served =
  (
    fault: (server: RepositoryServer, repository: HostileRepository, context: Context) => void,
  ): Prepare =>
  (repository, context) => {
    repository.list(context.target, ARTIFACT, repository.above(context.running));
    fault(repository.server, repository, context);
    return undefined;
  };

const TARGETS = '/targets/';
const METADATA = ['timestamp.json', 'snapshot.json', 'targets.json'] as const;

const ATTACKS: Record<string, Prepare> = {
  unlisted: () => undefined,
  'removed again': (repository, { running, target }) => {
    repository.list(target, ARTIFACT, repository.above(running));
    repository.clear();
    repository.repository.publish();
    return undefined;
  },
  'other hardware': wrong((signed, { random }) => ({
    ...signed,
    hardware: random.pick([['a'], ['B'], ['b '], ['bb', 'a'], ['*']]),
  })),
  'no hardware': wrong((signed) => ({ ...signed, hardware: [] })),
  'same release': wrong((signed, { running }) => ({
    ...signed,
    release: Math.max(1, running.release),
    ...(running.release === 0 && { hardware: ['a'] }),
  })),
  'older release': wrong((signed, { running, random }) => ({
    ...signed,
    release: 1 + random.below(Math.max(1, running.release)),
    ...(running.release === 0 && { hardware: ['a'] }),
  })),
  'lower epoch': wrong((signed, { running, random }) => ({
    ...signed,
    securityEpoch: random.below(Math.max(1, running.securityEpoch)),
    ...(running.securityEpoch === 0 && { hardware: ['a'] }),
  })),
  'reverts another': wrong((signed, { running, random }) => ({
    ...signed,
    reverts: running.release + 1 + random.below(5),
  })),
  'odd custom': wrong((signed, { random }) =>
    random.pick<unknown>([
      undefined,
      null,
      {},
      [],
      'x',
      { ...signed, extra: true },
      { ...signed, release: String(signed.release) },
      { ...signed, release: 1e300 },
      { ...signed, securityEpoch: -1 },
      { ...signed, hardware: HARDWARE },
      { ...signed, version: '../../x' },
      { ...signed, reverts: null },
    ]),
  ),
  tampered: served((server) => server.fault(TARGETS, answerBody(Buffer.alloc(ARTIFACT.length, 7)))),
  'one bit flipped': served((server, _, { random }) => {
    const bytes = Buffer.from(ARTIFACT);
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    server.fault(TARGETS, answerBody(bytes));
  }),
  truncated: served((server, _, { random }) =>
    server.fault(TARGETS, answerTruncated(ARTIFACT, 1 + random.below(ARTIFACT.length - 1))),
  ),
  oversized: served((server) =>
    server.fault(TARGETS, answerBody(Buffer.concat([ARTIFACT, ARTIFACT]))),
  ),
  endless: served((server) => server.fault(TARGETS, answerEndlessly)),
  redirected: served((server, _, { random }) =>
    server.fault(
      random.pick([TARGETS, ...METADATA]),
      answerStatus(302, { location: `${server.origin}/targets/elsewhere` }),
    ),
  ),
  missing: served((server) => server.fault(TARGETS, answerStatus(404))),
  'ranges that lie': served((server) =>
    server.fault(TARGETS, (_, response) =>
      response.writeHead(206, { 'content-range': 'bytes 900-1000/9000' }).end('x'),
    ),
  ),
  unsigned: published((random) => ({
    signatures: { [random.pick(['targets', 'snapshot', 'timestamp'])]: 0 },
  })),
  'too few signatures': published(() => ({ signatures: { targets: 1 } })),
  expired: published((random) => ({
    expires: { [random.pick(['targets', 'snapshot', 'timestamp'])]: PAST },
  })),
  'no date': published((random) => ({
    change: {
      [random.pick(['targets', 'snapshot', 'timestamp'])]: (signed) => ({
        ...signed,
        expires: random.pick(['never', '9999-99-99T00:00:00Z', '']),
      }),
    },
  })),
  'wrong type': published((random) => ({
    change: {
      [random.pick(['targets', 'snapshot', 'timestamp'])]: (signed) => ({
        ...signed,
        _type: random.pick(['root', 'mirrors', '__proto__', '']),
      }),
    },
  })),
  'snapshot that leaves out targets': published(() => ({
    change: { snapshot: (signed) => ({ ...signed, meta: {} }) },
  })),
  'strange keys': served((server, repository, { random, running, target }) => {
    const role = random.pick(['timestamp', 'snapshot', 'targets']);
    const bytes = repository.foreign(target, ARTIFACT, repository.above(running), role);
    server.fault(`${role}.json`, answerBody(bytes));
  }),
  'strange root': served((server, repository, { running, target }) =>
    server.fault(
      '.root.json',
      answerBody(repository.foreign(target, ARTIFACT, repository.above(running), 'targets')),
    ),
  ),
  'mutated metadata': (hostile, { random, running, target }) => {
    const signed = hostile.above(running);
    // Nobody else's bytes: where these run, a refused job for the same ones would count as done.
    const content = `${target} of changed metadata\n`;
    hostile.list(target, tarOf([{ path: 'run', content }]), signed);
    const role = random.pick(['timestamp', 'snapshot', 'targets'] as const);
    const changed = mutate(random, readNow(hostile.repository, role));
    hostile.server.fault(`${role}.json`, answerBody(changed));
    // Another spelling of what is signed is signed as well.
    return { verdict: 'may', signed, tree: { run: content } };
  },
  'mixed metadata': (repository, { random, running, target }) => {
    const role = random.pick(['snapshot', 'targets'] as const);
    const before = readNow(repository.repository, role);
    repository.list(target, ARTIFACT, repository.above(running));
    repository.server.fault(`.${role}.json`, answerBody(before));
    return undefined;
  },
  'huge metadata': served((server, _, { random }) =>
    server.fault(random.pick(METADATA), answerEndlessly),
  ),
  'nested metadata': served((server, _, { random }) =>
    server.fault(random.pick(METADATA), answerBody(`{"signed":${'['.repeat(20_000)}`)),
  ),
};

function readNow(repository: TufRepository, role: 'timestamp' | 'snapshot' | 'targets'): string {
  const timestamp = repository.read('timestamp.json').toString();
  if (role === 'timestamp') return timestamp;
  const version = versionIn(timestamp, 'snapshot.json');
  const snapshot = repository.read(`${version}.snapshot.json`).toString();
  if (role === 'snapshot') return snapshot;
  return repository.read(`${versionIn(snapshot, 'targets.json')}.targets.json`).toString();
}

function versionIn(text: string, file: string): number {
  const { signed } = JSON.parse(text) as { signed: { meta: Record<string, { version: number }> } };
  return signed.meta[file]?.version ?? 0;
}
