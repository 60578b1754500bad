import { GetThingShadowCommand, type IoTDataPlaneClient } from '@aws-sdk/client-iot-data-plane';
import { isAwsError } from '../failure';
import type { DeviceShadows } from '../rollout/deps';

/** The unnamed shadow, read from its own service and so not behind as the index is. */
export function createDeviceShadows(iotData: IoTDataPlaneClient): DeviceShadows {
  return {
    async reported(thingName) {
      try {
        const { payload } = await iotData.send(new GetThingShadowCommand({ thingName }));
        if (payload === undefined) return null;
        const document = JSON.parse(Buffer.from(payload).toString('utf8')) as {
          state?: { reported?: unknown };
        };
        return document.state?.reported ?? null;
      } catch (err) {
        // AWS answers so where there is no thing and where the thing has no shadow.
        if (isAwsError(err, 'ResourceNotFoundException')) return null;
        throw err;
      }
    },
  };
}
