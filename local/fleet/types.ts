import type { EnrolInput } from '../../activities/provision/enrol';
import type { UpdatesSettings } from '../../device-agent/settings';
import type { Emulator } from '../stack/emulator';

export interface FleetDeviceSpec {
  thing: string;
  site: string;
  hardware: string;
  firmware?: string;
  /** 4 is MQTT 3.1.1. */
  protocolVersion?: 4 | 5;
}

/** Where updates come from and how a new application is judged; folders and hardware are filled in. */
export type FleetUpdates = Pick<UpdatesSettings, 'metadataUrl' | 'targetsUrl' | 'rootFile'> &
  Partial<Pick<UpdatesSettings, 'confirmMs' | 'connectWithinMs' | 'checkTimeoutMs' | 'health'>>;

export interface FleetOptions {
  emulator: Pick<Emulator, 'endpoint' | 'region' | 'accountId' | 'credentials' | 'mqtt'>;
  /** Certificates, journals and logs of the agents. */
  dir: string;
  devices: readonly FleetDeviceSpec[];
  /** An alarm of its own for each device. */
  alarm?: EnrolInput['alarm'];
  telemetryIntervalMs?: number;
  /** The application then is in slot `a` of each device as the factory image, from where updates replace it. */
  updates?: FleetUpdates;
  log?: (line: string) => void;
}
