// node bench/artifact-server/main.mjs <folder>: serves the files of a folder on a free port, which it prints.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';

const folder = process.argv[2] ?? '.';
const server = createServer((request, response) => {
  const path = join(folder, basename(request.url ?? ''));
  response.writeHead(200, { 'content-length': statSync(path).size });
  createReadStream(path, { highWaterMark: 1024 * 1024 }).pipe(response);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
