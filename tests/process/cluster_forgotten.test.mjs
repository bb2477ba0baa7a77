// SPDX-License-Identifier: Apache-2.0
// A Consul that is started again empty while three nodes run: they go on, and put back what it knew, the shards too,
// as they are after a failover and not as the configuration has them. A node can join, a shard can fail over again.
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { eventually } from '../sdk/support/deadline.mjs';
import { FaultCrew, summary } from '../sdk/support/fault_crew.mjs';
import { ScriptCluster } from '../sdk/support/script_cluster.mjs';
import { table } from '../sdk/support/shell.mjs';
import { webClient } from '../sdk/support/slack.mjs';
import { createWorkspace } from '../sdk/support/workspace.mjs';

const cluster = await ScriptCluster.up('3', '--mysql', '1x2');
const all = ['n1', 'n2', 'n3'];
await cluster.settled(all);
const { n1, n2, n3 } = cluster.nodes;
const { alice } = (await createWorkspace(n1, 'acme', ['alice'])).people;
const at = (node) => ({ ...alice, web: webClient(node.client, alice.token) });
const consul = `http://127.0.0.1:${readFileSync(join(cluster.data, 'units/consul/port'), 'utf8').split('\n')[0]}`;

/** What Consul has below a folder of the cluster's, by key; undefined while it doesn't answer. */
async function stored(folder, parse = JSON.parse) {
  const response = await fetch(`${consul}/v1/kv/throng/${folder}?recurse`).catch(() => undefined);
  if (response?.status === 404) return {};
  if (!response?.ok) return undefined;
  return Object.fromEntries((await response.json()).map(({ Key, Value }) => [Key, parse(Buffer.from(Value, 'base64'))]));
}
const primary = async (node) => (await table(node, 'shards'))[0];
/** As each node sees it, whether it leads the shard's supervisors or not. */
async function isWell() {
  let rows;
  await eventually(() => `the shard to be well (${JSON.stringify(rows)})`, async () => {
    rows = await Promise.all(Object.values(cluster.nodes).map(primary));
    return rows.every((row) => row['IN SYNC'] === '2 of 2' && row.DIAGNOSIS === 'fine');
  }, 40_000);
}
const startEmpty = async () => {
  const pid = cluster.pid('consul');
  process.kill(pid, 'SIGKILL');
  rmSync(join(cluster.data, 'units/consul/data'), { recursive: true }); // its keeper waits a second
  await eventually('Consul to be back', async () => ![0, pid].includes(cluster.pid('consul')) && (await stored('', String)) !== undefined, 60_000);
};

describe('a Consul that has forgotten', () => {
  after(async () => {
    FaultCrew.endAll();
    await cluster.down();
  });

  it('all goes on, and what it knew is there again', { timeout: 150_000 }, async () => {
    await isWell();
    const first = (await primary(n1)).PRIMARY;
    await cluster.fine('db', 'kill', '-');
    await eventually('another primary', async () => (await primary(n1)).PRIMARY !== first);
    await isWell();
    const before = { ...await stored('shards/'), ...await stored('serving/') };
    assert.equal(Object.keys(before).length, 2, 'a shard, and that it serves');
    const slots = (await table(n1, 'nodes')).map((row) => [row.NODE, row.SLOTS]);
    const members = all.map((name) => cluster.log(name).match(/is no member any more/g)?.length ?? 0);

    const crew = await FaultCrew.start([n1, n2, n3], at(n1), 'forgotten');
    const outages = await crew.outages(startEmpty, 60_000);
    process.stdout.write(`Consul is started again, empty: until the next acknowledged post of each channel ${summary(outages)}\n`);
    assert.ok(outages.at(-1) < 15_000);
    await eventually('the slot table', async () => Object.keys(await stored('slots', String) ?? {}).length === 1, 30_000);
    const later = { ...await stored('shards/'), ...await stored('serving/') };
    assert.deepEqual(Object.keys(later), Object.keys(before));
    for (const [key, record] of Object.entries(before)) {
      if (!key.includes('/shards/')) assert.deepEqual(later[key], record);
      else assert.deepEqual([later[key].primary, later[key].servers], [record.primary, record.servers]);
      if (key.includes('/shards/')) assert.ok(later[key].term >= record.term);
    }
    await cluster.settled(all);
    assert.deepEqual((await table(n1, 'nodes')).map((row) => [row.NODE, row.SLOTS]), slots);
    assert.deepEqual(all.map((name) => cluster.log(name).match(/is no member any more/g)?.length ?? 0), members);
    await crew.stop(n2);
  });

  it('a node can join', { timeout: 90_000 }, async () => {
    await cluster.up('4');
    await cluster.settled([...all, 'n4']);
    await eventually('n4 to know the primary', async () => (await primary(cluster.nodes.n4)).PRIMARY === (await primary(n1)).PRIMARY);
  });

  it('the shard can fail over again', { timeout: 90_000 }, async () => {
    await isWell();
    const before = (await primary(n1)).PRIMARY;
    const crew = await FaultCrew.start([n1, n2, n3], at(n1), 'failover');
    const outages = await crew.outages(() => cluster.fine('db', 'kill', '-'));
    process.stdout.write(`and then the shard's primary is killed: until the next acknowledged post ${summary(outages)}\n`);
    await eventually('another primary', async () => (await primary(n1)).PRIMARY !== before);
    await crew.stop(n3);
  });
});
