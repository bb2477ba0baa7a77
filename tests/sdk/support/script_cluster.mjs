// SPDX-License-Identifier: Apache-2.0
// A cluster that tools/cluster runs, in a folder of its own: what an operator can do to it, a test can. Whatever happens
// to the test, its processes end with it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, within } from './deadline.mjs';
import { table } from './shell.mjs';
import { program, temporaryFolder } from './throngd.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const throngsh = process.env.THRONGSH ?? join(dirname(program), 'throngsh');

/**
 * As an operator has it: without what is meant for tests, which a node would refuse as unknown settings; but writers may
 * write, and slots are spread by number alone, as no load is reported.
 */
const environment = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('THRONG_TEST_'))),
  THRONG_RATE_LIMITS_ENABLED: 'false',
  THRONG_CLUSTER_LOAD_PERIOD: '10m',
};

const clusters = new Set();
process.prependListener('exit', (code) => { // before the folders go
  for (const cluster of clusters) cluster.endNow(code !== 0);
});

export class ScriptCluster {
  data = join(temporaryFolder(), 'cluster');
  nodes = {}; // by name, as tests know a Throngd: client, admin, api, adminToken

  constructor() { clusters.add(this); }

  /** `up` with these arguments: all nodes serve. */
  static async up(...args) {
    const cluster = new ScriptCluster();
    await cluster.up(...args);
    return cluster;
  }

  /** What the script says, with its exit code. */
  async run(...args) {
    const child = spawn(join(root, 'tools/cluster'), [...args, '--data', this.data],
      { env: { ...environment, THRONGD: program, THRONGSH: throngsh }, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '', stderr = '';
    child.stdout.on('data', (text) => { stdout += text; });
    child.stderr.on('data', (text) => { stderr += text; });
    const code = await within(() => `tools/cluster ${args.join(' ')}: ${stdout}${stderr}`,
      new Promise((done) => { child.on('close', done); }), 90_000);
    return { code, stdout, stderr };
  }

  /** The same, which must not fail. */
  async fine(...args) {
    const { code, stdout, stderr } = await this.run(...args);
    assert.equal(code, 0, `tools/cluster ${args.join(' ')}:\n${stdout}${stderr}`);
    return stdout;
  }

  async up(...args) {
    const said = await this.fine('up', ...args);
    const adminToken = readFileSync(join(this.data, 'units/n1/data/admin.token'), 'utf8').trim();
    for (const [, name, client, admin] of said.matchAll(/^(n\d+) serves clients at (\S+), operators at (\S+)$/gm)) {
      this.nodes[name] = { name, client, admin, api: `${client}/api`, adminToken };
    }
    return said;
  }

  log(unit) { return readFileSync(join(this.data, 'units', unit, 'log'), 'utf8'); }
  /** 0 while it doesn't run. */
  pid(unit) {
    const file = join(this.data, 'units', unit, 'pid');
    return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  }
  settingsFile(name) { return join(this.data, 'units', name, 'throng.yaml'); }

  /** Cuts the lines between two nodes; they come back at once. By `cut` and `heal` a busy machine takes so long that a node has to go. */
  async resetLines(one, other) {
    const whole = readFileSync(join(this.data, 'wires'), 'utf8');
    await this.#follow(`${whole}cut ${one} ${other} reset\n`);
    await this.#follow(whole);
  }

  /** Until the wires do what this text says. */
  async #follow(text) {
    const file = join(this.data, 'wires');
    writeFileSync(`${file}.draft`, text);
    renameSync(`${file}.draft`, file);
    process.kill(this.pid('wires'), 'SIGHUP');
    await eventually('the wires to do as told', () => readFileSync(`${file}.applied`, 'utf8') === text);
  }

  /** Until these nodes agree that they are the members, that nothing moves, and that each has its share. */
  async settled(names, timeout_ms = 40_000) {
    let seen;
    await eventually(() => `${names} to settle: ${JSON.stringify(seen)}`, async () => {
      seen = await Promise.all(names.map((name) => table(this.nodes[name], 'nodes').catch((error) => String(error))));
      return seen.every((rows) => rows.length === names.length && names.every((name) => rows.some?.((row) => row.NODE === name))
        && rows.every((row) => row.STATE === 'settled' && row.LINK !== 'down')
        && Math.max(...rows.map((row) => row.SLOTS)) - Math.min(...rows.map((row) => row.SLOTS)) <= 4096 / names.length * 0.2);
    }, timeout_ms);
    return seen[0];
  }

  async down() {
    if (existsSync(this.data)) await this.fine('down');
  }

  /** With the keeper go all of its processes. */
  endNow(shows_logs) {
    if (!existsSync(this.data)) return;
    for (const name of shows_logs ? Object.keys(this.nodes) : []) {
      try {
        process.stderr.write(`--- log of ${name} ---\n${this.log(name).slice(-20_000)}\n`);
      } catch {
        // it never came that far
      }
    }
    try {
      process.kill(Number(readFileSync(join(this.data, 'keeper.pid'), 'utf8')), 'SIGKILL');
    } catch {
      // it isn't there
    }
  }
}
