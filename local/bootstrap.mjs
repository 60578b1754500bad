// node local/bootstrap.mjs [<main.ts> [argument…]]
//
// What every package script goes through: checks the Node version, installs the node modules when they
// are missing or not those of the lockfile, and runs the TypeScript file, if one is named, with this
// process's terminal, signals and exit code. Only Node itself is needed here; progress goes to standard error.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = [20, 19];
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const MODULES = join(ROOT, 'node_modules');
const STAMP = join(MODULES, '.lockfile-hash');
const LOCK = join(ROOT, '.local', 'npm-ci.lock');

const [main, ...args] = process.argv.slice(2);
await bootstrap();

async function bootstrap() {
  const version = process.versions.node.split('.').map(Number);
  if (
    version[0] < OLDEST_NODE[0] ||
    (version[0] === OLDEST_NODE[0] && version[1] < OLDEST_NODE[1])
  ) {
    fail(`Node ${OLDEST_NODE.join('.')} or newer is needed; this is ${process.version}.`);
  }
  if (main !== undefined && !existsSync(resolve(ROOT, main))) fail(`There is no ${main}.`);
  if (!modulesMatch()) await install();
  if (main !== undefined) run();
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Modules that were installed by hand count too, if npm's own record of them agrees with the lockfile. */
function modulesMatch() {
  const lockfile = readFileSync(join(ROOT, 'package-lock.json'), 'utf8');
  const hash = createHash('sha256').update(lockfile).digest('hex');
  if (readOr(STAMP, '') === hash) return true;
  const installed = JSON.parse(readOr(join(MODULES, '.package-lock.json'), '{}')).packages;
  if (installed === undefined) return false;
  const wanted = Object.entries(JSON.parse(lockfile).packages).filter(([path]) => path !== '');
  const agrees = ([path, entry]) =>
    installed[path] === undefined
      ? entry.optional === true
      : installed[path].version === entry.version;
  if (!wanted.every(agrees)) return false;
  writeFileSync(STAMP, hash);
  return true;
}

function readOr(file, otherwise) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return otherwise;
  }
}

/** One installation at a time in this checkout: the second process waits and finds the work done. */
async function install() {
  let waiting = false;
  while (!acquireLock()) {
    if (!waiting) console.error('Waiting for another process that is installing node modules');
    waiting = true;
    await new Promise((done) => setTimeout(done, 300));
  }
  const release = () => rmSync(LOCK, { force: true });
  process.once('exit', release);
  if (!modulesMatch()) {
    console.error('Installing node modules: about a minute, once');
    await npmCi();
    if (!modulesMatch())
      fail('npm ci ended well, yet node_modules is not what package-lock.json says.');
  }
  process.off('exit', release);
  release();
}

function acquireLock() {
  mkdirSync(dirname(LOCK), { recursive: true });
  try {
    writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    // A lock without a number is one being written, unless it has been so for seconds.
    const owner = Number(readOr(LOCK, ''));
    const age = Date.now() - (statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (owner > 0 ? !isAlive(owner) : age > 5_000) rmSync(LOCK, { force: true });
    return false;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (err) {
    return err.code === 'EPERM';
  }
}

/** Run by npm, the same npm installs; its path is in the environment. */
async function npmCi() {
  const cli = process.env.npm_execpath;
  const [command, before] = cli?.endsWith('.js') ? [process.execPath, [cli]] : ['npm', []];
  const npm = spawn(command, [...before, 'ci', '--include=dev', '--no-audit', '--no-fund'], {
    cwd: ROOT,
    stdio: ['ignore', process.stderr, process.stderr],
  });
  const code = await new Promise((done) => {
    npm.once('error', () => done(127));
    npm.once('exit', done);
  });
  if (code !== 0)
    fail('The node modules could not be installed: see the lines above from `npm ci`.');
}

/** The program dies with this process (`with-parent.sh`), and this process with the npm that started it. */
function run() {
  const child = spawn(
    '/bin/sh',
    [
      join(ROOT, 'local', 'stack', 'with-parent.sh'),
      process.execPath,
      ...['--import', import.meta.resolve('tsx'), resolve(ROOT, main), ...args],
    ],
    {
      stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
      // The SDK's advice on Node versions is for those who build this, not for those who run it.
      env: { ...process.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
    },
  );
  child.stdio[3].on('error', () => undefined);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => child.kill(signal));
  child.once('error', (err) => fail(`${main} cannot be started: ${err.message}`));
  child.once('exit', (code, signal) =>
    process.exit(signal === null ? code : 128 + constants.signals[signal]),
  );
  stopWithNpm(child);
}

/** npm runs a script through a shell, and killing npm with SIGKILL leaves both behind: look every second. */
function stopWithNpm(child) {
  if (process.env.npm_lifecycle_event === undefined) return;
  const shell = process.ppid;
  const npm = parentOf(shell);
  const timer = setInterval(() => {
    if (process.ppid === shell && (npm === undefined || isAlive(npm))) return;
    clearInterval(timer);
    child.kill('SIGTERM');
  }, 1_000);
  timer.unref();
}

function parentOf(pid) {
  try {
    const parent = Number(
      execFileSync('ps', ['-o', 'ppid=', '-p', String(pid)], { encoding: 'utf8' }),
    );
    const command = execFileSync('ps', ['-o', 'command=', '-p', String(parent)], {
      encoding: 'utf8',
    });
    return /^npm\b|npm-cli/.test(command) ? parent : undefined;
  } catch {
    return undefined;
  }
}
