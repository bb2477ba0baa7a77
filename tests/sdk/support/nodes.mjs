// SPDX-License-Identifier: Apache-2.0
// Several throngd processes as one cluster, with a Consul and MariaDB servers of their own.
import { eventually } from './deadline.mjs';
import { Consul } from './consul.mjs';
import { mysqlSettings, startShards } from './mariadb.mjs';
import { table } from './shell.mjs';
import { Throngd } from './throngd.mjs';

const adminToken = 'only-for-tests-admin-token';

export class Cluster {
  consul; nodes = []; #common;

  /** Slots are spread by number alone, unless `settings.cluster` says otherwise: no load is reported. */
  static async start(count, { ranges = ['-'], servers = 1, settings = {} } = {}) {
    const cluster = new Cluster();
    const [consul, { text, shards }] = await Promise.all([Consul.start(), startShards(ranges, servers)]);
    cluster.consul = consul;
    cluster.shards = shards;
    const mysql = mysqlSettings(text, servers > 1 ? {} : { ackers_min: 0 });
    cluster.#common = {
      settings: { ...mysql.settings, topology: { kind: 'consul', agents: consul.address }, cluster: { nodes_min: count, load_period: '10m' }, ...settings },
      env: { ...mysql.env, THRONG_ADMIN_TOKEN: adminToken },
    };
    cluster.nodes = await Promise.all(Array.from({ length: count }, (_, i) => cluster.#launch(`n${i + 1}`)));
    await cluster.settled();
    return cluster;
  }

  async #launch(name) {
    const node = await Throngd.start({ ...this.#common, settings: { ...this.#common.settings, node: name } });
    Object.defineProperty(node, 'adminToken', { value: adminToken });
    node.name = name;
    return node;
  }

  async add(name) {
    const node = await this.#launch(name);
    this.nodes.push(node);
    return node;
  }

  get living() { return this.nodes.filter((node) => node.child.exitCode === null && node.child.signalCode === null); }

  /** What each living node says of the members: all agree, nothing moves, each has its share. */
  async settled(nodes = this.living, timeout_ms = 30_000) {
    let seen;
    await eventually(() => `the nodes to settle: ${JSON.stringify(seen)}`, async () => {
      seen = await Promise.all(nodes.map((node) => table(node, 'nodes').catch((error) => String(error))));
      return seen.every((rows) => rows.length === nodes.length && rows.every((row) => row.STATE === 'settled' && row.LINK !== 'down')
        && Math.max(...rows.map((row) => row.SLOTS)) - Math.min(...rows.map((row) => row.SLOTS)) <= 4096 / nodes.length * 0.2);
    }, timeout_ms);
    return seen[0];
  }

  async stop() { for (const node of this.living) await node.stop(); }
}
