import {
  DeleteConnectionCommand,
  GetConnectionCommand,
  type IoTDataPlaneClient,
} from '@aws-sdk/client-iot-data-plane';
import { isAwsError } from '../failure';

export interface Connection {
  connected: boolean;
  /** Epoch milliseconds; tells one session from the next. */
  connectedSince: number | null;
}

export type IotConnections = ReturnType<typeof createIotConnections>;

/** MQTT sessions by client id, which is the thing name. */
export function createIotConnections(iotData: IoTDataPlaneClient) {
  return {
    /** A client id the broker has never seen, or forgot, is not connected. */
    async get(clientId: string): Promise<Connection> {
      try {
        const { connected, connectedSince } = await iotData.send(
          new GetConnectionCommand({ clientId }),
        );
        return { connected: connected ?? false, connectedSince: connectedSince ?? null };
      } catch (err) {
        if (isAwsError(err, 'ResourceNotFoundException'))
          return { connected: false, connectedSince: null };
        throw err;
      }
    },
    /**
     * Drops the live session; none is success. Queued messages and the persistent session stay (evidence), and the
     * last will is not sent. https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_DeleteConnection.html
     */
    async drop(clientId: string): Promise<void> {
      try {
        await iotData.send(
          new DeleteConnectionCommand({ clientId, cleanSession: false, preventWillMessage: true }),
        );
      } catch (err) {
        if (!isAwsError(err, 'ResourceNotFoundException')) throw err;
      }
    },
  };
}
