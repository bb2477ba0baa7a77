// SPDX-License-Identifier: Apache-2.0
// Private MariaDB servers in folders of their own, on free ports of 127.0.0.1. They die with this process, whatever
// happens to that. Not durable against power loss: tests never lose power.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually, within } from './deadline.mjs';
import { freePort } from './free_port.mjs';
import { temporaryFolder } from './throngd.mjs';

export const user = 'throng';
export const password = 'only for tests';
export const adminUser = 'throng_admin';
export const adminPassword = 'only for tests either';

const run = promisify(execFile);
const asUser = process.getuid() === 0 ? ['--user=root'] : [];
const program = existsSync('/usr/sbin/mariadbd') ? '/usr/sbin/mariadbd' : 'mariadbd';
const servers = new Set();
process.on('exit', () => { for (const server of servers) server.child?.kill('SIGKILL'); });

/** The folder that every server starts from: made once, without a binary log, so that no server is ahead of another. */
let template;
function templateFolder() {
  if (template) return template;
  // A folder for temporary tables too: a server deletes those that it finds at its start, and would find others' in /tmp.
  const around = temporaryFolder();
  const folder = join(around, 'template');
  const words = ['--no-defaults', `--datadir=${folder}`, `--tmpdir=${around}`, '--innodb-log-file-size=8M', ...asUser];
  execFileSync('mariadb-install-db', [...words, '--auth-root-authentication-method=normal', '--skip-test-db'], { stdio: 'pipe' });
  execFileSync(program, [...words, '--bootstrap'], {
    stdio: 'pipe',
    input: `FLUSH PRIVILEGES;
CREATE USER ${user}@'127.0.0.1' IDENTIFIED BY '${password}';
GRANT ALL PRIVILEGES ON \`throng%\`.* TO ${user}@'127.0.0.1';
CREATE USER ${adminUser}@'127.0.0.1' IDENTIFIED BY '${adminPassword}';
GRANT ALL PRIVILEGES ON *.* TO ${adminUser}@'127.0.0.1' WITH GRANT OPTION;
`,
  });
  return (template = folder);
}

export class MariaDb {
  folder; port; child; #id; #more;

  /** `standby`: starts read-only and ready to replicate, until a supervisor opens it. */
  static async start({ id = 1, standby = false, more = [] } = {}) {
    const server = new MariaDb();
    server.folder = temporaryFolder();
    cpSync(templateFolder(), join(server.folder, 'data'), { recursive: true });
    server.port = await freePort();
    server.#id = id;
    server.#more = [...(standby ? ['--read-only=1', '--rpl-semi-sync-slave-enabled=1', '--init-rpl-role=SLAVE'] : []), ...more];
    servers.add(server);
    await server.launch();
    return server;
  }

  get address() { return `127.0.0.1:${this.port}`; }
  get log() { return readFileSync(join(this.folder, 'log'), 'utf8'); }

  /** Starts it, again on the same data if it ran before. */
  async launch() {
    const data = join(this.folder, 'data');
    const args = ['--no-defaults', ...asUser, `--datadir=${data}`, `--tmpdir=${this.folder}`, '--socket=server.sock', '--pid-file=server.pid',
      `--log-error=${this.folder}/log`, `--port=${this.port}`, '--bind-address=127.0.0.1', `--server-id=${this.#id}`,
      '--skip-name-resolve', '--performance-schema=OFF', '--character-set-server=utf8mb4', `--log-bin=${data}/bin`,
      '--binlog-format=ROW', '--binlog-annotate-row-events=OFF', '--log-slave-updates=ON', '--gtid-strict-mode=ON',
      '--sync-binlog=0', '--slave-parallel-threads=4',
      '--innodb-flush-log-at-trx-commit=2', '--innodb-log-file-size=8M', '--innodb-buffer-pool-size=16M',
      '--innodb-buffer-pool-dump-at-shutdown=0', '--innodb-buffer-pool-load-at-startup=0', '--max-connections=150', ...this.#more];
    this.child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], { stdio: 'ignore' });
    this.child.unref(); // a test program that is through doesn't wait for its servers
    const ended = new Promise((done) => { this.child.on('close', done); this.child.on('error', done); });
    this.ended = ended;
    let hasEnded = false;
    ended.then(() => { hasEnded = true; });
    await eventually(`MariaDB to answer on ${this.address}`, async () => {
      if (hasEnded) throw new Error(`MariaDB ended:\n${this.log.slice(-3000)}`);
      return new Promise((done) => {
        const socket = connect(this.port, '127.0.0.1', () => { socket.once('data', () => { socket.destroy(); done(true); }); });
        socket.on('error', () => done(false));
        socket.setTimeout(1000, () => { socket.destroy(); done(false); });
      });
    }, 60_000);
  }

  async kill() {
    this.child.kill('SIGKILL');
    await within('MariaDB to be gone after SIGKILL', this.ended);
  }

  /** Runs SQL as the admin account; the rows as arrays of texts. */
  async sql(text, database = '') {
    const { stdout } = await run('mariadb', ['--no-defaults', '--host=127.0.0.1', `--port=${this.port}`, `--user=${adminUser}`,
      '--batch', '--skip-column-names', `--execute=${text}`, ...(database ? [database] : [])], { env: { ...process.env, MYSQL_PWD: adminPassword } });
    return stdout.split('\n').filter(Boolean).map((line) => line.split('\t'));
  }
}

/** A replica set for each range: `{ text, shards: Map(range → servers) }`, `text` as storage.mysql.shards wants it. */
export async function startShards(ranges, perShard = 1) {
  let id = 0;
  const shards = new Map();
  for (const range of ranges) {
    shards.set(range, await Promise.all(Array.from({ length: perShard }, () => MariaDb.start({ id: ++id, standby: perShard > 1 }))));
  }
  const text = [...shards].map(([range, set]) => `${range}=${set.map((server) => server.address).join(',')}`).join(' ');
  return { text, shards };
}

/** The section of throngd's configuration, and what goes into its environment. */
export function mysqlSettings(text, more = {}) {
  return {
    settings: { storage: { kind: 'mysql', mysql: { shards: text, user, admin_user: adminUser, ...more } } },
    env: { THRONG_STORAGE_MYSQL_PASSWORD: password, THRONG_STORAGE_MYSQL_ADMIN_PASSWORD: adminPassword },
  };
}
