import type { Hop } from './types';

/**
 * Queries of the fleet index. A target's path can't stand in one, for `/` is not supported; the release counter names
 * the same artifact, as it only ever rises over all of them.
 * https://docs.aws.amazon.com/iot/latest/developerguide/query-syntax.html : at most 12 terms.
 */

/** Devices that say they run what this hop installed, and came to it by an update. */
export const runsQuery = ({ version, release }: Hop): string =>
  `shadow.reported.firmware.version:${phrase(version)} AND shadow.reported.update.release:${release} AND shadow.reported.update.outcome:SUCCEEDED`;

/** Those of them that say they are healthy: what counts as confirmed. */
export const confirmedQuery = (hop: Hop): string =>
  `${runsQuery(hop)} AND shadow.reported.health:healthy`;

/** Devices on one of these versions that have not tried the hop. */
export const controlQuery = (versions: readonly string[], { release }: Hop): string =>
  `shadow.reported.firmware.version:(${versions.slice(0, MOST_VERSIONS).map(phrase).join(' OR ')}) AND NOT shadow.reported.update.release:${release}`;

export const ofHardware = (query: string, hardware: string): string =>
  `${query} AND shadow.reported.hardware.version:${phrase(hardware)}`;

/** Leaves room for the other terms. */
const MOST_VERSIONS = 9;

const phrase = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;
