/** What the harness, which is the cloud, and the process that it attacks say to each other. */

/** What no input may bring about. `hang`: something that must end does not. */
export type Harm = 'crash' | 'badInstall' | 'escape' | 'shell' | 'hang';

export interface Finding {
  harm: Harm;
  what: string;
}

export type FromTarget =
  | { kind: 'ready' }
  /** An MQTT message of the agent. */
  | { kind: 'publish'; topic: string; payload: string }
  | { kind: 'finding'; finding: Finding }
  | { kind: 'memory'; mib: number }
  | { kind: 'fuzzed'; count: number }
  | { kind: 'done' };

export type ToTarget =
  /** An MQTT message to the agent. */
  | { kind: 'message'; topic: string; payload: string }
  /** The broker closes the connection. */
  | { kind: 'drop' }
  | { kind: 'measure' }
  | { kind: 'stop' }
  /** To show that it is noticed. */
  | { kind: 'sabotage'; harm: 'crash' | 'escape' | 'shell' | 'growth'; path: string };

/** Which paths may be written; everything else is an escape. */
export interface Writable {
  folders: string[];
  /** Of a slots installer: all of it but the slots that run. */
  slots: string | null;
}

export type FuzzFamily = 'documents' | 'manifests' | 'repositories' | 'stateFiles';

export interface FuzzShare {
  family: FuzzFamily;
  count: number;
}

export type TargetSettings = { writable: Writable } & (
  | { kind: 'agent'; config: unknown; logLevel: 'silent' | 'info' }
  | { kind: 'fuzz'; seed: number; dir: string; shares: FuzzShare[] }
);
