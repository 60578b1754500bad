/** Where evidence lies: everything of an incident is below one prefix. */

/** Such as `device/pump-1`: up to four parts, as they stand in S3 keys and in search attributes. */
export const INCIDENT = /^[a-zA-Z0-9_-]{1,128}(\/[a-zA-Z0-9_-]{1,128}){0,3}$/;

export const incidentPrefix = (incident: string): string => `incidents/${incident}/`;
export const manifestPrefix = (incident: string): string => `${incidentPrefix(incident)}!manifest/`;
export const objectPrefix = (incident: string): string => `${incidentPrefix(incident)}!objects/`;

/** S3 lists keys in the order of their bytes: with leading zeros that is the order of the chain. */
export const entryName = (sequence: number): string => `${String(sequence).padStart(8, '0')}.json`;

/** A function of run and thing: an attempt that is repeated writes where the first one did. */
export const objectKey = (incident: string, thing: string, runId: string, name: string): string =>
  `${objectPrefix(incident)}${thing}/${runId}/${name}`;
