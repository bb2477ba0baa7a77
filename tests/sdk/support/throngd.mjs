// SPDX-License-Identifier: Apache-2.0
// One real throngd in a folder of its own: ports from the kernel, a deadline on the ready line, standard error kept and
// shown only if the test program fails, nothing left behind. It dies with this process, whatever happens to that.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve, dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { eventually, within } from './deadline.mjs';

const here = dirname(fileURLToPath(import.meta.url));
export const program = process.env.THRONGD ?? resolve(here, '../../../build/throngd');

const folders = new Set();
const servers = new Set();
process.on('exit', (code) => {
  for (const server of servers) {
    if (code !== 0) process.stderr.write(`--- standard error of throngd (${server.folder}) ---\n${server.errors}\n`);
    server.child?.kill('SIGKILL');
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.once(signal, () => process.exit(1));

export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'throng-test-'));
  folders.add(folder);
  return folder;
}

/** The smallest configuration that a script may rely on, without rate limits (ratelimits.test.mjs is about those). */
export function settingsFor(data, changes = {}) {
  const settings = {
    node: 'n1',
    data,
    listen: { client: '127.0.0.1:0', admin: '127.0.0.1:0', node: '127.0.0.1:0' },
    storage: { kind: 'sqlite' },
    topology: { kind: 'embedded' },
    rate_limits: { enabled: false },
  };
  for (const [section, values] of Object.entries(changes)) {
    settings[section] = typeof values === 'object' ? { ...settings[section], ...values } : values;
  }
  return settings;
}

/**
 * THRONG_TEST_STORE=mysql runs the suite on MySQL: one private MariaDB for the run, a database in it for each data folder.
 * THRONG_TEST_NODES=3 gives each node two more beside it, on which most of what the test talks to lives then.
 * Tests that say which store they want get that one, and a node alone.
 */
const nodesWanted = Number(process.env.THRONG_TEST_NODES ?? 1);
let databases = 0;
async function storeOf(settings) {
  if ((process.env.THRONG_TEST_STORE !== 'mysql' && nodesWanted === 1) || settings.storage) return { settings, env: {}, companions: 0 };
  const { MariaDb, mysqlSettings } = await import('./mariadb.mjs');
  mariadb ??= MariaDb.start();
  const database = `throng_${++databases}`;
  const chosen = mysqlSettings(`-=${(await mariadb).address}`, { database, supervise: false });
  const all = { settings: { ...settings, ...chosen.settings }, env: chosen.env, companions: nodesWanted - 1 };
  if (nodesWanted === 1) return all;
  const { Consul } = await import('./consul.mjs');
  consul ??= Consul.start();
  all.settings.topology = { kind: 'consul', agents: (await consul).address, prefix: `${database}/` };
  all.settings.cluster = { nodes_min: nodesWanted };
  return all;
}
let mariadb, consul;

/** Runs throngd to its end, for --check, --version and wrong configurations. */
export async function runToEnd(args, { env = {}, cwd } = {}) {
  const child = spawn(program, args, { env: { PATH: process.env.PATH, ...env }, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => { output.stdout += text; });
  child.stderr.on('data', (text) => { output.stderr += text; });
  const code = await within(() => `throngd ${args.join(' ')} to end; ${output.stderr}`,
    new Promise((done, failed) => { child.on('close', done); child.on('error', failed); }))
    .finally(() => child.kill('SIGKILL'));
  return { code, ...output };
}

export class Throngd {
  folder; data; errors = ''; client; admin; cluster; child; ended;
  #settings; #limits; #env; #companions = [];
  listeners = new Set(); // closed before the process is stopped

  /** `settings`: sections that differ from settingsFor(); `limits`: prlimit options; `data`: another data folder. */
  static async start({ settings = {}, limits = [], env = {}, data } = {}) {
    const server = new Throngd();
    server.folder = temporaryFolder();
    server.data = data ?? join(server.folder, 'data');
    const store = await storeOf(settings);
    server.#settings = store.settings;
    server.#limits = limits;
    server.#env = { ...store.env, ...env };
    servers.add(server);
    await server.launch();
    for (let i = 0; i < store.companions; ++i) {
      const companion = await Throngd.start({ settings: { ...store.settings, node: `companion${i + 1}` }, env: server.#env });
      for (const part of [companion.child, companion.child.stdout, companion.child.stderr]) part.unref(); // a test that is through doesn't wait for it
      server.#companions.push(companion);
    }
    await server.#serves();
    return server;
  }

  /** Until it is a member of its cluster, and there is a slot table. */
  async #serves() {
    if (this.#companions.length > 0) await eventually('the node to be ready', async () => (await fetch(`${this.admin}/readyz`)).ok, 20_000);
  }

  get api() { return `${this.client}/api`; }
  get pid() { return this.child.pid; }
  get adminToken() { return readFileSync(join(this.data, 'admin.token'), 'utf8').trim(); }

  /** Starts the process, again on the same data if it ran before. */
  async launch() {
    if (!existsSync(program)) throw new Error(`no throngd at ${program}: build it, or set THRONGD`);
    const config = join(this.folder, 'throng.yaml');
    writeFileSync(config, JSON.stringify(settingsFor(this.data, this.#settings), null, 2)); // JSON is YAML
    const limited = this.#limits.length > 0 ? ['prlimit', ...this.#limits] : [];
    const [command, ...args] = ['setpriv', '--pdeathsig', 'KILL', '--', ...limited, program, '--config', config];
    this.child = spawn(command, args, {
      cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH, ...this.#env },
    });
    this.child.stderr.on('data', (text) => { this.errors = (this.errors + text).slice(-100_000); });
    this.ended = new Promise((done) => {
      this.child.on('error', (error) => done({ error }));
      this.child.on('close', (code, signal) => done({ code, signal })); // later than 'exit': its last words are read
    });
    const ready = new Promise((done) => createInterface({ input: this.child.stdout }).once('line', done));
    const line = await within(() => `ready line of throngd; standard error:\n${this.errors}`,
      Promise.race([ready, this.ended.then((end) => { throw new Error(`throngd ended: ${JSON.stringify(end)}\n${this.errors}`); })]));
    const parts = /^ready node=(\S+) client=(http\S+) admin=(http\S+) cluster=(\S+)$/.exec(line);
    if (!parts) throw new Error(`not a ready line: ${line}`);
    [, , this.client, this.admin, this.cluster] = parts;
    await this.#serves();
  }

  /** SIGTERM, and it must end by itself with 0. */
  async stop() {
    await Promise.all([...this.listeners].map((listener) => listener.close()));
    this.child.kill('SIGTERM');
    const end = await within('throngd to drain after SIGTERM', this.ended, 40_000); // drain_timeout is 25 s
    if (end.code !== 0) {
      throw new Error(`throngd ended with ${JSON.stringify(end)} after SIGTERM; standard error:\n${this.errors}`);
    }
  }

  /** kill -9, and nobody is told. */
  async kill() {
    this.child.kill('SIGKILL');
    await within('throngd to be gone after SIGKILL', this.ended);
  }

  /** Resident memory in bytes, as the kernel counts it. */
  get residentBytes() {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))[1]) * 1024;
  }

  get descriptors() { return readdirSync(`/proc/${this.pid}/fd`).length; }

  async memoryBelow(bytes, why) {
    await eventually(`${why}: resident memory below ${bytes >> 20} MiB (is ${this.residentBytes >> 20} MiB)`,
      () => this.residentBytes < bytes);
  }
}
