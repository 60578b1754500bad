export interface Device {
  thing: string;
  release: string;
}

/** Of one device. They do nothing: what is counted is what the server writes down. */
export interface DeviceSteps {
  leaseDevice(device: Device): Promise<void>;
  createJob(device: Device): Promise<void>;
  watchJob(device: Device): Promise<string>;
  confirmHealth(device: Device): Promise<string>;
  giveBack(device: Device): Promise<void>;
}

export const deviceSteps: DeviceSteps = {
  leaseDevice: () => Promise.resolve(),
  createJob: () => Promise.resolve(),
  watchJob: () => Promise.resolve('SUCCEEDED'),
  confirmHealth: () => Promise.resolve('healthy'),
  giveBack: () => Promise.resolve(),
};
