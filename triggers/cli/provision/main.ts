import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createAwsClients } from '../../../activities/aws/clients';
import { connectionOptions } from '../../../domain/environment';
import { awsResources } from '../../../activities/aws/provision';
import { createEnrolmentApi } from '../../../activities/aws/provision-device';
import type { ProvisionDeps } from './commands';
import { reportFailure } from '../usage';
import { loadConfig } from './config';
import { createProgram } from './program';
import { connectTemporal } from './temporal';

// Responders read this output: keep the SDK's notice about future Node versions out of it.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';

const wantsJson = process.argv.includes('--json');

function compose(): ProvisionDeps {
  const config = loadConfig(process.env);
  const { place, awsEndpoint, iotDataEndpoint } = config;
  const clients = createAwsClients({
    region: place.region,
    ...(awsEndpoint !== undefined && { endpoint: awsEndpoint }),
    ...(iotDataEndpoint !== undefined && { iotDataEndpoint }),
  });
  return {
    place,
    aws: (spec) => awsResources(clients, spec),
    temporal: (address) =>
      connectTemporal(
        {
          ...connectionOptions(config.temporal, (path) => readFileSync(path)),
          ...(address !== null && { address }),
        },
        config.temporal.namespace,
      ),
    enrolment: () => createEnrolmentApi(clients, place),
    readFile: (path) => readFile(path, 'utf8'),
    writeFile: (path, text) => writeFile(path, text),
    progress: (line) => process.stderr.write(`${line}\n`),
  };
}

createProgram(compose, {
  report: ({ text, data, ok }, json) => {
    if (!ok) process.exitCode = 1;
    process.stdout.write(`${json ? JSON.stringify({ ok, ...data }) : text}\n`);
  },
  writeOut: (text) => process.stdout.write(text),
  writeErr: (text) => process.stderr.write(text),
})
  .parseAsync()
  .catch((err: unknown) => reportFailure(err, wantsJson, process));
