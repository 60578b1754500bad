import { s3Store } from '../../../activities/aws/release-store';
import { folderStore } from '../../../activities/release/store';
import { reportFailure, UsageError } from '../usage';
import type { ReleaseCliDeps } from './commands';
import { loadConfig } from './config';
import { createProgram } from './program';

const wantsJson = process.argv.includes('--json');

function compose(): ReleaseCliDeps {
  const config = loadConfig(process.env);
  const { awsRegion: region, awsEndpoint: endpoint } = config;
  return {
    config,
    store: (place) => {
      if (place.kind === 'folder') return folderStore(place.path);
      if (region === null) {
        throw new UsageError(
          'The environment is wrong: AWS_REGION must name the region of the bucket',
        );
      }
      const { bucket, prefix } = place;
      return s3Store({ bucket, prefix, region, ...(endpoint !== undefined && { endpoint }) });
    },
    now: Date.now,
    progress: (line) => process.stderr.write(`${line}\n`),
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
