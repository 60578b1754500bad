import type { Attack } from './attacks';
import { HARDWARE } from './attacks';
import type { EndedJob } from './cloud';
import { changes, FACTORY, type DeviceDisk, type Installed, type Tree } from './disk';
import type { Finding } from './protocol';

/** A job that asked for an install, and how it ended. */
export interface Tried {
  attack: Attack;
  job: EndedJob;
}

const NOTHING = { release: 0, securityEpoch: 0 };

/** Says, without asking the agent or its code, whether what the device holds is what it may hold. */
export class Oracle {
  installs = 0;
  private release: Installed | null = null;
  private tree: Tree = FACTORY;
  private highest = NOTHING;
  private floor = NOTHING;
  private readonly around: Map<string, string>;
  private running: Map<string, string>;
  private readonly known = new Map<string, Attack>();

  constructor(
    private readonly disk: DeviceDisk,
    private readonly found: (finding: Finding) => void,
  ) {
    this.around = disk.manifest();
    this.running = disk.running();
  }

  get position(): { release: number; securityEpoch: number } {
    const { release, securityEpoch } = this.release ?? NOTHING;
    return { release, securityEpoch };
  }

  /** Before it is offered, for a cancelled one may still end later. */
  expect(attack: Attack): void {
    this.known.set(attack.target, attack);
  }

  /** After jobs have ended and no update is in hand. */
  check(tried: readonly Tried[]): void {
    const before = this.release;
    const { slot, release, tree } = this.disk.confirmed();
    if (release?.target !== before?.target || release?.sha256 !== before?.sha256) {
      this.judge(release, tree, tried);
    } else if (!sameTree(tree, this.tree)) {
      this.bad(`the running slot ${slot} was changed`);
    }
    if (this.disk.active() !== slot) this.bad(`slot ${this.disk.active()} is active unconfirmed`);
    this.checkFloor();
    for (const { attack, job } of tried) this.judgeEnd(attack, job);
  }

  /** What is around the slot that runs, and the slot itself. */
  checkAround(): void {
    const changed = changes(this.around, this.disk.manifest());
    const slot = changes(this.running, this.disk.running());
    for (const path of [...changed, ...slot]) {
      this.found({ harm: 'escape', what: `${path} was changed` });
    }
  }

  private judge(release: Installed | null, tree: Tree, tried: readonly Tried[]): void {
    const attack = release === null ? undefined : this.known.get(release.target);
    const problem = this.problemOf(release, attack, tree);
    if (problem !== null) this.bad(`${attack?.what ?? 'unknown'}: ${problem}`);
    const job = tried.find((each) => each.attack === attack)?.job;
    if (job?.gated === false) this.bad(`${attack?.what}: past a gate that was shut`);
    this.installs += 1;
    this.release = release;
    this.tree = tree;
    this.running = this.disk.running();
    const { highest, position } = this;
    this.highest = {
      release: Math.max(highest.release, position.release),
      securityEpoch: Math.max(highest.securityEpoch, position.securityEpoch),
    };
  }

  private problemOf(
    release: Installed | null,
    attack: Attack | undefined,
    tree: Tree,
  ): string | null {
    const signed = attack?.signed ?? null;
    if (release === null || attack === undefined || signed === null) return 'nobody signed it';
    if (attack.verdict === 'never') return 'it must never be taken';
    if (release.release !== signed.release) return `taken as release ${release.release}`;
    if (release.securityEpoch !== signed.securityEpoch) return 'taken with another epoch';
    if (!signed.hardware.includes(HARDWARE)) return 'for other hardware';
    if (signed.release <= this.highest.release) return `not above ${this.highest.release}`;
    if (signed.securityEpoch < this.highest.securityEpoch) return 'of a lower epoch';
    const { reverts } = signed;
    if (reverts !== undefined && reverts !== this.position.release) return 'reverts another';
    if (attack.tree !== null && !sameTree(tree, attack.tree)) return 'holds something else';
    const odd = Object.entries(tree).find(([, content]) => content.startsWith('('));
    return odd === undefined ? null : `holds ${odd[0]} ${odd[1]}`;
  }

  private judgeEnd({ verdict, what, target }: Attack, { status, details }: EndedJob): void {
    const succeeded = status === 'SUCCEEDED';
    if (verdict === 'never' && succeeded) this.bad(`${what}: reported as done`);
    if (verdict === 'must' && (!succeeded || this.release?.target !== target)) {
      // Or the others prove nothing.
      this.found({ harm: 'hang', what: `${what}: ${status} ${JSON.stringify(details)}` });
    }
  }

  private checkFloor(): void {
    const now = this.disk.floor();
    if (now === null) return;
    const fell = now.release < this.floor.release || now.securityEpoch < this.floor.securityEpoch;
    if (fell) this.bad(`the floor fell to ${JSON.stringify(now)}`);
    this.floor = now;
  }

  private bad(what: string): void {
    this.found({ harm: 'badInstall', what });
  }
}

function sameTree(a: Tree, b: Tree): boolean {
  const paths = Object.keys(a);
  return (
    paths.length === Object.keys(b).length &&
    paths.every((path) => Object.hasOwn(b, path) && a[path] === b[path])
  );
}
