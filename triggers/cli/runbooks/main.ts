import { createAwsClients } from '../../../activities/aws/clients';
import { createChainHeads, createEvidenceStore } from '../../../activities/aws/evidence-store';
import { evidenceBucket, recordsBucket } from '../../../domain/names';
import { reportFailure } from '../usage';
import { loadConfig } from './config';
import { createProgram } from './program';
import type { EvidenceCliDeps } from './verify';

// Auditors read this output: keep the SDK's notice about future Node versions out of it.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';

const wantsJson = process.argv.includes('--json');

function compose(): EvidenceCliDeps {
  const config = loadConfig(process.env);
  const { s3 } = createAwsClients(config);
  return {
    store: createEvidenceStore(s3, evidenceBucket(config.accountId)),
    heads: createChainHeads(s3, recordsBucket(config.accountId)),
  };
}

createProgram(compose, {
  report: ({ ok, text, data }, json) => {
    process.stdout.write(`${json ? JSON.stringify({ ok, ...data }) : text}\n`);
    if (!ok) process.exitCode = 1;
  },
  writeOut: (text) => process.stdout.write(text),
  writeErr: (text) => process.stderr.write(text),
})
  .parseAsync()
  .catch((err: unknown) => reportFailure(err, wantsJson, process));
