import { proxyActivities } from '@temporalio/workflow';
import type { DeviceSteps } from './steps';

const steps = proxyActivities<DeviceSteps>({ startToCloseTimeout: '1 minute' });

/** What a rollout costs where each device has a workflow of its own: the same steps, device by device. */
export async function updateDevice(input: { thing: string; release: string }): Promise<string> {
  await steps.leaseDevice(input);
  try {
    await steps.createJob(input);
    const outcome = await steps.watchJob(input);
    return outcome === 'SUCCEEDED' ? await steps.confirmHealth(input) : outcome;
  } finally {
    await steps.giveBack(input);
  }
}
