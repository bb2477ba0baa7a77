// SPDX-License-Identifier: Apache-2.0
// Three throngd processes, a Consul and two MariaDB shards as one cluster: people on different nodes talk in one channel;
// a node is killed, comes back, is paused and woken, and drains; what was acknowledged stays.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../sdk/support/deadline.mjs';
import { Cluster } from '../sdk/support/nodes.mjs';
import { metrics, table } from '../sdk/support/shell.mjs';
import { webClient } from '../sdk/support/slack.mjs';
import { Socket } from '../sdk/support/socket.mjs';
import { createChannel, createWorkspace } from '../sdk/support/workspace.mjs';
import { Writer, checkHistory } from '../sdk/support/writers.mjs';

const cluster = await Cluster.start(3, { ranges: ['-80', '80-'] });
const [n1, n2, n3] = cluster.nodes;
const acme = await createWorkspace(n1, 'acme', ['alice', 'bob', 'carol']);
const { alice, bob, carol } = acme.people;
/** The same person, as a client of another node. */
const at = (node, person) => ({ ...person, web: webClient(node.client, person.token) });
const channels = [];
for (let i = 0; i < 12; ++i) channels.push((await createChannel(alice, `channel-${i}`, [bob, carol])).id);
const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)];

describe('three nodes', () => {
  after(() => cluster.stop());

  it('each has a third of the slots, and says so of all', async () => {
    const rows = await table(n2, 'nodes');
    assert.deepEqual(rows.map((row) => row.NODE).sort(), ['n1', 'n2', 'n3']);
    assert.equal(rows.reduce((sum, row) => sum + row.SLOTS, 0), 4096);
    for (const row of rows) assert.ok(row.SLOTS >= 1200, JSON.stringify(row));
    for (const node of cluster.nodes) {
      const figures = await metrics(node);
      assert.equal(figures.throng_cluster_members, 3);
      assert.equal(figures.throng_ready, 1);
    }
  });

  it('people on different nodes talk in one channel', async () => {
    const sockets = await Promise.all([[n1, alice], [n2, bob], [n3, carol]].map(([node, person]) => Socket.connect(at(node, person))));
    for (const channel of channels) {
      for (const [i, socket] of sockets.entries()) {
        const text = `${channel} from ${i}`;
        socket.send({ id: i + 1, type: 'message', channel, text });
        await socket.expect({ ok: true, reply_to: i + 1 });
        for (const other of sockets) if (other !== socket) await other.expect({ type: 'message', channel, text });
      }
    }
    for (const [node, person] of [[n1, bob], [n2, carol], [n3, alice]]) {
      const { messages } = await at(node, person).web.conversations.history({ channel: channels[0] });
      assert.equal(messages.filter((message) => !message.subtype).length, 3);
    }
    await Promise.all(sockets.map((socket) => socket.close()));
  });

  it('a killed node: the others go on within seconds, and nothing acknowledged is lost', { timeout: 120_000 }, async () => {
    const names = [];
    for (let i = 0; i < 12; ++i) names.push((await createChannel(at(n1, alice), `kill-${i}`, [bob])).id);
    const writers = names.map((channel, i) => new Writer([n1, n2][i % 2], alice.token, channel, `w${i}`));
    const socket = await Socket.connect(at(n2, bob));
    let killed, isOver = false;
    const gaps = new Map();
    const running = writers.map((writer) => writer.run(async ({ sent, got }) => {
      if (killed && got > killed && !gaps.has(writer)) gaps.set(writer, Math.max(0, got - Math.max(killed, writer.last ?? killed)));
      writer.last = got;
      if (isOver) return 'enough';
      await pause(10);
      return 'on';
    }, { isPatient: true }));
    try {
      await pause(500);
      killed = performance.now();
      await n3.kill();
      await eventually('all writers to go on', () => gaps.size === writers.length, 20_000);
      await pause(500);
    } finally {
      isOver = true;
    }
    await Promise.all(running);
    const sorted = [...gaps.values()].sort((a, b) => a - b);
    process.stdout.write(`after a kill -9, posts were acknowledged again after p50 ${percentile(sorted, 0.5).toFixed(0)} ms, most ${sorted.at(-1).toFixed(0)} ms\n`);
    assert.ok(sorted.at(-1) < 15_000);
    for (const writer of writers) {
      await checkHistory(n1, alice.token, writer.channel, [writer]);
      for (const { text } of writer.acknowledged.slice(-1)) await eventually(`bob hears ${text}`, () => socket.frames.some((frame) => frame.text === text));
    }
    // What bob was told, he was told once and in order.
    for (const writer of writers) {
      const heard = socket.frames.filter((frame) => frame.type === 'message' && frame.channel === writer.channel && !frame.subtype).map((frame) => frame.text);
      assert.deepEqual(heard, writer.acknowledged.map((post) => post.text));
    }
    await socket.close();
    const rows = await cluster.settled([n1, n2]);
    assert.deepEqual(rows.map((row) => row.NODE).sort(), ['n1', 'n2']);
  });

  it('it joins again under its name, and takes its share', { timeout: 60_000 }, async () => {
    await n3.launch();
    const rows = await cluster.settled([n1, n2, n3]);
    assert.ok(rows.find((row) => row.NODE === 'n3').SLOTS > 1000);
    for (const channel of channels) await at(n3, carol).web.chat.postMessage({ channel, text: 'back' });
  });

  it('a paused node is replaced; woken, it joins as new', { timeout: 90_000 }, async () => {
    n2.child.kill('SIGSTOP');
    await cluster.settled([n1, n3]);
    for (const channel of channels) await at(n1, bob).web.chat.postMessage({ channel, text: 'while n2 sleeps' });
    n2.child.kill('SIGCONT');
    await cluster.settled([n1, n2, n3], 45_000);
    for (const channel of channels) {
      await at(n2, bob).web.chat.postMessage({ channel, text: 'n2 again' });
      const { messages } = await at(n3, bob).web.conversations.history({ channel });
      assert.deepEqual(messages.slice(0, 2).map((message) => message.text), ['n2 again', 'while n2 sleeps']);
    }
  });

  it('while Consul is away all goes on', { timeout: 60_000 }, async () => {
    await cluster.consul.kill();
    for (const channel of channels) await at(n1, alice).web.chat.postMessage({ channel, text: 'without Consul' });
    await cluster.consul.launch();
    await cluster.settled([n1, n2, n3]);
  });

  it('a node that is asked to stop gives its slots away first', { timeout: 60_000 }, async () => {
    const writers = channels.map((channel, i) => new Writer(n1, alice.token, channel, `drain${i}`));
    let isOver = false;
    const running = writers.map((writer) => writer.run(async () => {
      if (isOver) return 'enough';
      await pause(10);
      return 'on';
    }));
    try {
      await pause(300);
      await n3.stop();
      await pause(300);
    } finally {
      isOver = true;
    }
    await Promise.all(running); // not patient: nobody was refused
    const rows = await cluster.settled([n1, n2]);
    assert.equal(rows.reduce((sum, row) => sum + row.SLOTS, 0), 4096);
  });
});
