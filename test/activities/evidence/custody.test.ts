import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { appendEntries, currentHead } from '../../../activities/evidence/custody';
import { verifyIncident } from '../../../activities/evidence/verify';
import { manifestPrefix, objectPrefix } from '../../../domain/evidence/keys';
import { emptyChain, sha256Of } from '../../../domain/evidence/manifest';
import { EvidenceWorld, itemOf } from './world';

const incident = 'device/pump-1';
const append = (world: EvidenceWorld, runId: string, whats: string[], since = emptyChain()) =>
  appendEntries(world, {
    ...{ incident, since, legalHold: true, by: { workflowId: 'logs/pump-1/1', runId } },
    items: whats.map((what) => itemOf(what)),
  });
const whatsIn = async (world: EvidenceWorld): Promise<string[]> =>
  (await verifyIncident(world, incident, null)).entries.map(
    ({ by, what }) => `${by.runId} ${what}`,
  );

it('appends each entry once, however many attempts run at a time and wherever each of them dies', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 6 }),
      fc.scheduler(),
      async (deaths, scheduler) => {
        const world = new EvidenceWorld();
        const create = world.store.create.bind(world.store);
        const attempt = async (runId: string, diesAfter: number): Promise<void> => {
          let writes = 0;
          const mortal = {
            ...world.store,
            create: async (key: string, bytes: Uint8Array, hold: boolean) => {
              await scheduler.schedule(Promise.resolve());
              const created = await create(key, bytes, hold);
              if (++writes > diesAfter) throw new Error('killed');
              return created;
            },
          };
          await appendEntries(
            { heads: world.heads, store: mortal },
            {
              ...{ incident, since: emptyChain(), legalHold: true },
              items: ['a', 'b', 'c'].map((what) => itemOf(what)),
              by: { workflowId: 'logs/pump-1/1', runId },
            },
          ).catch(() => undefined);
        };
        const all = deaths.flatMap((after) => [attempt('one', after), attempt('two', after)]);
        await scheduler.waitFor(Promise.all(all));
        await append(world, 'one', ['a', 'b', 'c']);
        await append(world, 'two', ['a', 'b', 'c']);
        const verdict = await verifyIncident(world, incident, null);
        expect(verdict.problems).toEqual([]);
        const whats = await whatsIn(world);
        for (const run of ['one', 'two'])
          expect(whats.filter((what) => what.startsWith(run))).toEqual(
            ['a', 'b', 'c'].map((what) => `${run} ${what}`),
          );
        expect(whats).toHaveLength(6);
      },
    ),
    { numRuns: 50 },
  );
});

it('goes past an entry that was changed, which verify then names first', async () => {
  const world = new EvidenceWorld();
  await append(world, 'one', ['a', 'b']);
  const [first = ''] = [...world.objects.keys()];
  world.objects.set(first, new Uint8Array([1, 2, 3]));
  await append(world, 'two', ['c'], await currentHead(world, incident));
  expect(await verifyIncident(world, incident, null)).toMatchObject({
    ok: false,
    problems: ["link 1: entry 1 can't be read: it was changed"],
  });
});

it('names an object that was changed, is gone, has grown, or is in no entry', async () => {
  const bytes = new TextEncoder().encode('shadow');
  const key = `${objectPrefix(incident)}pump-1/run/shadow.json`;
  const problemsWith = async (change: (world: EvidenceWorld) => void): Promise<string[]> => {
    const world = new EvidenceWorld();
    world.objects.set(key, bytes);
    await appendEntries(world, {
      ...{ incident, since: emptyChain(), legalHold: true },
      by: { workflowId: 'logs/pump-1/1', runId: 'one' },
      items: [
        itemOf('cloud/shadow', {
          ...{ key, bytes: bytes.length },
          sha256: { device: null, receipt: sha256Of(bytes) },
        }),
      ],
    });
    change(world);
    return (await verifyIncident(world, incident, null)).problems;
  };
  expect(await problemsWith(() => undefined)).toEqual([]);
  const put = (name: string, text: string) => (world: EvidenceWorld) =>
    void world.objects.set(name, new TextEncoder().encode(text));
  expect(await problemsWith(put(key, 'shadoW'))).toEqual([
    expect.stringContaining('entry 1, cloud/shadow'),
  ]);
  expect(await problemsWith(put(key, 'a longer shadow'))).toEqual([
    expect.stringContaining('has grown'),
  ]);
  expect(await problemsWith((world) => void world.objects.delete(key))).toEqual([
    expect.stringContaining('is gone'),
  ]);
  expect(await problemsWith(put(`${key}.more`, 'x'))).toEqual([
    expect.stringContaining('is in no entry'),
  ]);
});

it('holds a chain against a head that was written down, also where chain and head were rewritten', async () => {
  const world = new EvidenceWorld();
  const known = await append(world, 'one', ['a', 'b']);
  await append(world, 'two', ['c'], known);
  expect((await verifyIncident(world, incident, known)).ok).toBe(true);

  const forged = new EvidenceWorld();
  await append(forged, 'one', ['a', 'x', 'c']);
  expect((await verifyIncident(forged, incident, null)).ok).toBe(true);
  expect(await verifyIncident(forged, incident, known)).toMatchObject({
    problems: [expect.stringMatching(/^entry 2 is not the one/)],
  });
  expect([...forged.objects.keys()][0]).toContain(manifestPrefix(incident));
});

it('says that there is no evidence of an incident that nobody knows', async () => {
  expect(await verifyIncident(new EvidenceWorld(), incident, null)).toMatchObject({ ok: false });
});
