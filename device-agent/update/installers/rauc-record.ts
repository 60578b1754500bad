import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { codeOf, parseJson } from '../../errors';
import { writeFileAtomically } from '../../state/atomic-file';
import { installedRelease } from '../installed-release';
import type { InstalledRelease } from '../types';
import type { RaucSlot } from './rauc-command';

const content = z.strictObject({ sha256: z.string(), count: z.number() });

const recordSchema = z.strictObject({
  /** Name of the slot that was last proven good. */
  confirmed: z.string().nullable(),
  slots: z.record(z.string(), z.strictObject({ content, release: installedRelease })),
});
type RecordFile = z.infer<typeof recordSchema>;

/** What RAUC does not keep: which signed release a slot holds, and which slot was proven good. */
export class RaucRecord {
  constructor(private readonly path: string) {}

  /** A damaged file counts as none: a slot of which nothing is known is not activated. */
  private read(): RecordFile {
    try {
      const text = readFileSync(this.path, 'utf8');
      return recordSchema.safeParse(parseJson(text)).data ?? { confirmed: null, slots: {} };
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return { confirmed: null, slots: {} };
      throw error;
    }
  }

  private write(record: RecordFile): void {
    writeFileAtomically(this.path, JSON.stringify(record));
  }

  get confirmed(): string | null {
    return this.read().confirmed;
  }

  confirm(name: string): void {
    const record = this.read();
    if (record.confirmed !== name) this.write({ ...record, confirmed: name });
  }

  /** Null where something else than the agent has written the slot since. */
  releaseIn(slot: RaucSlot): InstalledRelease | null {
    const known = this.read().slots[slot.name];
    const same =
      known?.content.sha256 === slot.content?.sha256 &&
      known?.content.count === slot.content?.count;
    return known !== undefined && same ? known.release : null;
  }

  installed(slot: RaucSlot, release: InstalledRelease): void {
    if (slot.content === null) throw new Error(`rauc did not finish slot ${slot.name}`);
    const record = this.read();
    const slots = { ...record.slots, [slot.name]: { content: slot.content, release } };
    this.write({ ...record, slots });
  }

  forget(name: string): void {
    const record = this.read();
    if (record.slots[name] === undefined) return;
    const left = Object.entries(record.slots).filter(([slot]) => slot !== name);
    this.write({ ...record, slots: Object.fromEntries(left) });
  }
}
