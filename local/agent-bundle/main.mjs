// node local/agent-bundle/main.mjs
//
// Makes dist/device-agent.js, the one file that a device needs beside Node, small and light to load: a device pays
// for every byte in flash and for every module that runs at start in memory. The source map is beside it and stays
// at home; stack traces are read with `node --enable-source-maps`.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** `z` as a value holds all of zod, its forty languages included; as a namespace only what is used stays. */
const zodByParts = {
  name: 'zod-by-parts',
  setup({ onLoad }) {
    onLoad({ filter: /\/(device-agent|domain)\/.*\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const contents = text.replace("import { z } from 'zod';", "import * as z from 'zod';");
      return { contents, loader: 'ts' };
    });
  },
};

/** MQTT.js over WebSockets, through SOCKS, and with timers for browsers: none of which the agent uses. */
const withoutOtherPlaces = {
  name: 'without-other-places',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^(ws|socks|worker-timers)$/ }, ({ path }) => ({
      path,
      namespace: 'left-out',
    }));
    onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({ contents: 'module.exports = {};' }));
  },
};

const { outputFiles } = await build({
  entryPoints: [resolve(ROOT, 'device-agent', 'main.ts')],
  outfile: resolve(ROOT, 'dist', 'device-agent.js'),
  bundle: true,
  platform: 'node',
  target: 'node20',
  minify: true,
  sourcemap: 'external',
  logLevel: 'warning',
  plugins: [zodByParts, withoutOtherPlaces],
  write: false,
});
await mkdir(resolve(ROOT, 'dist'), { recursive: true });
for (const { path, contents } of outputFiles) {
  // Renamed into place: tests that run side by side each build it.
  await writeFile(`${path}.${process.pid}`, contents);
  await rename(`${path}.${process.pid}`, path);
}
