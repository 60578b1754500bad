import type { Place } from '../policy/types';

/** What a fleet's cloud side should look like. */
export interface ProvisionSpec {
  place: Place;
  sites: readonly string[];
  hardware: readonly string[];
  /** Subscribed to the alarm topic; null: no subscription. */
  webhookUrl: string | null;
}

/** A resource as flat fields; values that are objects are canonical JSON, so that equal means equal text. */
export type Fields = Readonly<Record<string, string>>;

export interface Difference {
  field: string;
  /** null: not set. */
  current: string | null;
  desired: string;
  /** Only where provisioning can't change the field itself: what a person has to do. */
  mend?: string;
}

export interface ResourcePlan {
  kind: string;
  name: string;
  /** `conflict`: it exists and differs in a way that only a person can mend. */
  action: 'ok' | 'create' | 'update' | 'conflict';
  differences: Difference[];
}
