import { z } from 'zod';

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
const integer = (low: number, high: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be a whole number from ${low} to ${high}`)
    .transform(Number)
    .refine((value) => value >= low && value <= high, `must be from ${low} to ${high}`);

const variables = z.object({
  AWS_REGION: z.string().min(1),
  AWS_ACCOUNT_ID: z.string().regex(/^\d{12}$/, 'must be 12 digits'),
  AWS_ENDPOINT_URL: z.url(),
  AWS_ACCESS_KEY_ID: z.string().min(1),
  AWS_SECRET_ACCESS_KEY: z.string().min(1),
  FLEET_DEVICES: integer(1, 1_000),
  FLEET_SITES: list,
  FLEET_HARDWARE: list,
  FLEET_DIR: z.string().min(1),
  MQTT_HOST: z.string().min(1),
  MQTT_PORT: integer(1, 65_535),
  MQTT_CA_FILE: z.string().min(1),
});

/** The only place that knows the variable names. One error names everything that is wrong. */
export function loadConfig(env: NodeJS.ProcessEnv): ComposeFleetConfig {
  const parsed = variables.safeParse(env);
  if (!parsed.success) {
    const lines = parsed.error.issues.map(({ path, message }) => `  ${path.join('.')} ${message}`);
    throw new Error(['The fleet cannot be enrolled:', ...lines].join('\n'));
  }
  const vars = parsed.data;
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
