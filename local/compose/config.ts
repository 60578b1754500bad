import { z } from 'zod';
import {
  awsAccountId,
  awsRegion,
  httpUrl,
  parseEnvironment,
  wholeNumber,
} from '../../domain/environment';

export interface ComposeFleetConfig {
  aws: {
    region: string;
    endpoint: string;
    credentials: { accessKeyId: string; secretAccessKey: string };
  };
  accountId: string;
  devices: number;
  sites: string[];
  hardware: string[];
  /** Keys, certificates, journals and the hosts' file. */
  dir: string;
  mqtt: { host: string; port: number; caFile: string };
}

const list = z
  .string()
  .regex(/^[a-zA-Z0-9_-]{1,64}(,[a-zA-Z0-9_-]{1,64})*$/, 'must be names, separated by commas')
  .transform((text) => text.split(','));

const variables = z.object({
  AWS_REGION: awsRegion,
  AWS_ACCOUNT_ID: awsAccountId,
  AWS_ENDPOINT_URL: httpUrl,
  AWS_ACCESS_KEY_ID: z.string().min(1),
  AWS_SECRET_ACCESS_KEY: z.string().min(1),
  FLEET_DEVICES: wholeNumber(1, 1_000),
  FLEET_SITES: list,
  FLEET_HARDWARE: list,
  FLEET_DIR: z.string().min(1),
  MQTT_HOST: z.string().min(1),
  MQTT_PORT: wholeNumber(1, 65_535),
  MQTT_CA_FILE: z.string().min(1),
});

/** The only place that knows the variable names. One error names everything that is wrong. */
export function loadConfig(env: NodeJS.ProcessEnv): ComposeFleetConfig {
  const vars = parseEnvironment(variables, env);
  return {
    aws: {
      region: vars.AWS_REGION,
      endpoint: vars.AWS_ENDPOINT_URL,
      credentials: {
        accessKeyId: vars.AWS_ACCESS_KEY_ID,
        secretAccessKey: vars.AWS_SECRET_ACCESS_KEY,
      },
    },
    accountId: vars.AWS_ACCOUNT_ID,
    devices: vars.FLEET_DEVICES,
    sites: vars.FLEET_SITES,
    hardware: vars.FLEET_HARDWARE,
    dir: vars.FLEET_DIR,
    mqtt: { host: vars.MQTT_HOST, port: vars.MQTT_PORT, caFile: vars.MQTT_CA_FILE },
  };
}
