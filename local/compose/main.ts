import { messageOf } from '../stack/errors';
import { loadConfig } from './config';
import { writeFleetFile } from './fleet-file';

const HELP = `Enrols the devices of docker-compose.yml and writes the file that their host reads.

Environment: AWS_REGION, AWS_ACCOUNT_ID, AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, FLEET_DEVICES,
FLEET_SITES, FLEET_HARDWARE, FLEET_DIR, MQTT_HOST, MQTT_PORT, MQTT_CA_FILE: all required.
`;

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    process.stdout.write(HELP);
    return;
  }
  const config = loadConfig(process.env);
  const file = await writeFleetFile(config);
  process.stdout.write(`${config.devices} devices are in ${file}\n`);
}

main().then(
  () => process.exit(0),
  (err: unknown) => {
    process.stderr.write(`${messageOf(err)}\n`);
    process.exit(1);
  },
);
