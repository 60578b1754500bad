import { readFileSync } from 'node:fs';
import { createAwsClients } from '../../../activities/aws/clients';
import { createGuardTable } from '../../../activities/aws/guard-table';
import { approverKeysFromFile } from '../../../activities/guard/approver-keys';
import { createGuard } from '../../../activities/guard/guard';
import type { GuardCliDeps } from './commands';
import { connectionOptions } from '../../../domain/environment';
import { reportFailure, UsageError } from '../usage';
import { loadConfig } from './config';
import { createProgram } from './program';

// Responders read this output: keep the SDK's notice about future Node versions out of it.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';

const wantsJson = process.argv.includes('--json');

function compose(): GuardCliDeps {
  const config = loadConfig(process.env);
  const { awsRegion: region, awsEndpoint: endpoint } = config;
  return {
    config,
    guard: () => {
      if (region === null) {
        throw new UsageError(
          'The environment is wrong: AWS_REGION must name the region of the guard',
        );
      }
      const { dynamo } = createAwsClients({ region, ...(endpoint !== undefined && { endpoint }) });
      return createGuard({
        table: createGuardTable(dynamo, config.guardTable),
        approverKeys: approverKeysFromFile(config.approversFile),
        now: Date.now,
      });
    },
    readTarget: async (workflowId) => {
      // Only this needs Temporal's client, and a kill switch should not wait for it to load.
      const { readApprovalTarget } = await import('./approval-target.js');
      return readApprovalTarget(workflowId, {
        connection: connectionOptions(config.temporal, (path) => readFileSync(path)),
        namespace: config.temporal.namespace,
      });
    },
    now: Date.now,
  };
}

createProgram(compose, {
  report: ({ text, data }, json) => {
    process.stdout.write(`${json ? JSON.stringify({ ok: true, ...data }) : text}\n`);
  },
  writeOut: (text) => process.stdout.write(text),
  writeErr: (text) => process.stderr.write(text),
})
  .parseAsync()
  .catch((err: unknown) => reportFailure(err, wantsJson, process));
