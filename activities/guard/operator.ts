import { capsFor, soundFleetSize } from '../../domain/guard/caps';
import type { Guard } from '../../domain/guard/types';
import type { HoldingDeps } from './holdings';
import {
  FLEET,
  isLapsed,
  isLive,
  KEYS,
  RESERVATION,
  RESERVATIONS_PK,
  SWITCH,
  WORK,
  WORK_PK,
} from './items';
import { provisioned } from './store';

export function createStatus({ store, now }: HoldingDeps): Guard['status'] {
  return () =>
    store.settle(async () => {
      const snapshot = await store.read([KEYS.switch, KEYS.fleet]);
      const theSwitch = provisioned(snapshot.cell(KEYS.switch, SWITCH)).value;
      const fleetSize = soundFleetSize(snapshot.cell(KEYS.fleet, FLEET).value?.size ?? null);
      const reservations = await store.list(RESERVATIONS_PK, RESERVATION);
      const leases = reservations.flatMap(({ key, value }) =>
        value.things
          .filter((held) => !isLapsed(held, now()))
          .map(({ thing, expiresAt }) => ({
            thing,
            owner: key.sk,
            fence: value.fence,
            state: expiresAt === null ? ('confirmed' as const) : ('reserved' as const),
            expiresAt,
          })),
      );
      const work = (await store.list(WORK_PK, WORK))
        .filter(({ value }) => isLive(value, value.fence, now()))
        .map(({ key, value }) => ({ owner: key.sk, ...value }));
      const caps = capsFor(fleetSize);
      return {
        switch: theSwitch,
        fleetSize,
        containedNow: leases.length,
        automaticCap: caps.automatic,
        approvedCap: caps.approved,
        leases,
        work,
      };
    });
}

export function createSwitch({
  store,
  now,
}: HoldingDeps): Pick<Guard, 'setSwitch' | 'setFleetSize'> {
  return {
    setSwitch: (input) =>
      store.settle(async () => {
        const cell = (await store.read([KEYS.switch])).cell(KEYS.switch, SWITCH);
        // Stopping is never refused; a table without a switch item only provisioning may set running.
        if (input.state === 'run') provisioned(cell);
        await store.commit([store.put(cell, { ...input, at: now() })]);
      }),

    setFleetSize: (size) =>
      store.settle(async () => {
        const cell = (await store.read([KEYS.fleet])).cell(KEYS.fleet, FLEET);
        await store.commit([store.put(cell, { size: soundFleetSize(size) })]);
      }),
  };
}
