// SPDX-License-Identifier: Apache-2.0
// A private Consul of one server in a folder of its own, on free ports of 127.0.0.1. It dies with this process.
import { execFileSync, spawn } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeFileSync } from 'node:fs';
import { eventually, within } from './deadline.mjs';
import { freePort } from './free_port.mjs';
import { temporaryFolder } from './throngd.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const agents = new Set();
process.on('exit', () => { for (const agent of agents) agent.child?.kill('SIGKILL'); });

export class Consul {
  folder; port; child;

  static async start() {
    const agent = new Consul();
    agent.folder = temporaryFolder();
    const [http, server, serf_lan, serf_wan] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
    agent.port = http;
    writeFileSync(join(agent.folder, 'consul.json'), JSON.stringify({
      bind_addr: '127.0.0.1', client_addr: '127.0.0.1', disable_update_check: true, log_level: 'warn', raft_protocol: 3,
      performance: { raft_multiplier: 1 }, server: true, bootstrap_expect: 1, data_dir: join(agent.folder, 'data'),
      ports: { dns: -1, grpc: -1, https: -1, http, server, serf_lan, serf_wan },
    }));
    agents.add(agent);
    await agent.launch();
    return agent;
  }

  get address() { return `127.0.0.1:${this.port}`; }

  /** Starts it, again on the same data if it ran before. */
  async launch() {
    const program = execFileSync(join(root, 'tools/setup_consul'), { encoding: 'utf8' }).trim();
    this.child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, 'agent', `-config-file=${join(this.folder, 'consul.json')}`], { stdio: 'ignore' });
    this.child.unref();
    this.ended = new Promise((done) => { this.child.on('close', done); });
    await eventually(`Consul to answer on ${this.address}`, async () => {
      const put = await fetch(`http://${this.address}/v1/kv/is-ready`, { method: 'PUT', body: 'x' }).catch(() => undefined);
      return put?.ok && (await (await fetch(`http://${this.address}/v1/catalog/nodes`)).json()).length > 0;
    }, 60_000);
  }

  async kill() {
    this.child.kill('SIGKILL');
    await within('Consul to be gone after SIGKILL', this.ended);
  }
}
