// SPDX-License-Identifier: Apache-2.0
// Partitions between three real nodes: one is cut from the others, two from each other while the third sees both, one
// from Consul, and lines that are only reset. People on the nodes that stay go on soon, and nothing acknowledged is
// lost or doubled, whoever acknowledged it.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { eventually } from '../sdk/support/deadline.mjs';
import { FaultCrew, summary } from '../sdk/support/fault_crew.mjs';
import { ScriptCluster } from '../sdk/support/script_cluster.mjs';
import { metrics } from '../sdk/support/shell.mjs';
import { webClient } from '../sdk/support/slack.mjs';
import { createWorkspace } from '../sdk/support/workspace.mjs';

const cluster = await ScriptCluster.up('3', '--mysql', '1x1');
const all = ['n1', 'n2', 'n3'];
await cluster.settled(all);
const { n1, n2, n3 } = cluster.nodes;
const { alice } = (await createWorkspace(n1, 'acme', ['alice'])).people;
const at = (node) => ({ ...alice, web: webClient(node.client, alice.token) });
const say = (what, sorted) => process.stdout.write(`${what}: until the next acknowledged post of each channel ${summary(sorted)}\n`);
const incarnations = () => all.map((name) => (cluster.log(name).match(/is a member: number/g) ?? []).length);

describe('partitions', () => {
  after(async () => {
    FaultCrew.endAll();
    await cluster.down();
  });

  it('a node that is cut from the others is replaced, can not write, and joins again as new', { timeout: 120_000 }, async () => {
    const crew = await FaultCrew.start([n1, n2], at(n1), 'cut');
    const onTheCutOne = await FaultCrew.start([n3], at(n3), 'lonely', 6);
    const outages = await crew.outages(() => cluster.fine('cut', 'n3'));
    say('a node is cut from the others', outages);
    assert.ok(outages.at(-1) < 15_000);
    await cluster.settled(['n1', 'n2']);
    // It can reach Consul and the database, but it isn't ready, and gets no slots, before it has met the others.
    await eventually('n3 to join again', () => incarnations()[2] >= 2, 40_000);
    await eventually('n3 to say that it is not ready', async () => (await fetch(`${n3.admin}/readyz`).catch(() => undefined))?.status === 503);
    assert.equal((await metrics(n1)).throng_cluster_slots + (await metrics(n2)).throng_cluster_slots, 4096);
    await cluster.fine('heal');
    await cluster.settled(all);
    await onTheCutOne.allGoOn();
    await crew.stop(n3);
    await onTheCutOne.stop(n1);
  });

  it('of two that can not reach each other, one goes, and the rest serves everybody', { timeout: 120_000 }, async () => {
    const crew = await FaultCrew.start([n1, n2], at(n3), 'pair');
    const onTheThird = await FaultCrew.start([n3], at(n3), 'third');
    const before = incarnations();
    const gone = () => [0, 1].filter((i) => cluster.log(all[i]).split('is a member: number').at(before[i]).includes('is no member any more'));
    say('two nodes are cut from each other', await onTheThird.outages(async () => {
      await cluster.fine('cut', 'n1', 'n2');
      await eventually('one of them to go', () => gone().length > 0);
    }));
    assert.equal(gone().length, 1);
    assert.equal(incarnations()[2], before[2], 'n3 reaches both');
    const stays = all[1 - gone()[0]];
    await cluster.settled([stays, 'n3']);
    const rest = await FaultCrew.start([cluster.nodes[stays], n3], at(n3), 'rest');
    await rest.stop(n3);
    await cluster.fine('heal');
    await cluster.settled(all);
    await crew.allGoOn();
    await crew.stop(n3);
    await onTheThird.stop(stays === 'n1' ? n1 : n2);
  });

  it('lines that are reset come back, and nobody has to go', { timeout: 60_000 }, async () => {
    const crew = await FaultCrew.start([n1, n2, n3], at(n2), 'reset');
    const before = incarnations();
    for (let i = 0; i < 3; ++i) {
      say('a line is reset', await crew.outages(() => cluster.resetLines('n1', 'n2')));
    }
    await cluster.settled(all);
    await crew.stop(n1);
    assert.deepEqual(incarnations(), before);
  });

  it('a node that is cut from Consul goes on', { timeout: 60_000 }, async () => {
    const crew = await FaultCrew.start([n1, n2, n3], at(n1), 'consul');
    const before = incarnations();
    const outages = await crew.outages(() => cluster.fine('cut', 'n1', 'consul'));
    say('a node is cut from Consul', outages);
    assert.ok(outages.at(-1) < 15_000);
    await cluster.fine('heal');
    await cluster.settled(all);
    await crew.stop(n2);
    assert.deepEqual(incarnations(), before);
  });
});
