// SPDX-License-Identifier: Apache-2.0
// One channel goes round the nodes of a cluster 20 times while people on all of them post to it: nobody is refused,
// nothing is lost, doubled or reordered, and each connection hears all of it once and in order. How long posts wait for
// a move is measured.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../sdk/support/deadline.mjs';
import { Cluster } from '../sdk/support/nodes.mjs';
import { metrics, shell, table } from '../sdk/support/shell.mjs';
import { webClient } from '../sdk/support/slack.mjs';
import { Socket } from '../sdk/support/socket.mjs';
import { createChannel, createWorkspace } from '../sdk/support/workspace.mjs';
import { Writer, checkHistory } from '../sdk/support/writers.mjs';

const moves = 20;
const cluster = await Cluster.start(3);
const { nodes } = cluster;
const acme = await createWorkspace(nodes[0], 'acme', ['alice', 'bob', 'carol']);
const people = Object.values(acme.people);
/** The same person, as a client of another node. */
const at = (node, person) => ({ ...person, web: webClient(node.client, person.token) });
const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)];

async function figure(name) {
  return Object.fromEntries(await Promise.all(nodes.map(async (node) => [node.name, (await metrics(node))[name]])));
}
const sum = (figures) => Object.values(figures).reduce((all, each) => all + each, 0);

describe('one channel', () => {
  after(() => cluster.stop());
  let channel;

  it('goes round the nodes while people post to it', { timeout: 180_000 }, async () => {
    channel = (await createChannel(people[0], 'busy', people.slice(1))).id;
    const sockets = await Promise.all(nodes.map((node, i) => Socket.connect(at(node, people[i]))));
    const writers = nodes.map((node, i) => new Writer(node, people[i].token, channel, `w${i}`));
    const gaps = []; // of each writer, between two acknowledgements: [from, to]
    let isOver = false;
    const running = writers.map((writer) => {
      let last;
      return writer.run(async ({ got }) => {
        if (last !== undefined) gaps.push([last, got]);
        if (isOver) return 'enough';
        await pause(2);
        last = performance.now();
        return 'on';
      }); // not patient: nobody may be refused
    });
    const windows = [];
    try {
      await pause(500);

      // Whoever lends it owns its slot.
      const owner = (await shell(nodes[1], `info ${channel}`)).value.node;
      for (let i = 1; i <= moves; ++i) {
        const target = nodes[i % nodes.length].name;
        const asked = performance.now();
        await shell(nodes[i % 2], `pin ${channel} ${target}`);
        await eventually(`${channel} to be on ${target}`, async () => {
          const guests = await figure('throng_guest_entities');
          return target === owner ? sum(guests) === 0 && sum(await figure('throng_lent_entities')) === 0 : guests[target] === 1 && sum(guests) === 1;
        }, 20_000);
        windows.push([asked, performance.now()]);
        await pause(150);
      }
    } finally {
      isOver = true;
    }
    await Promise.all(running);

    const longest = windows.map(([from, to]) => Math.max(0, ...gaps.filter(([a, b]) => b > from && a < to).map(([a, b]) => b - a))).sort((a, b) => a - b);
    const usual = gaps.map(([a, b]) => b - a).sort((a, b) => a - b);
    const posts = writers.reduce((all, writer) => all + writer.acknowledged.length, 0);
    process.stdout.write(`${moves} moves under ${posts} posts: the longest wait of any writer around a move p50 ${percentile(longest, 0.5).toFixed(1)} ms, `
      + `p99 ${percentile(longest, 0.99).toFixed(1)} ms; all posts p50 ${percentile(usual, 0.5).toFixed(1)} ms, p99 ${percentile(usual, 0.99).toFixed(1)} ms\n`);
    assert.ok(percentile(longest, 0.99) < 10_000);

    const stored = await checkHistory(nodes[0], people[0].token, channel, writers);
    for (const [i, socket] of sockets.entries()) {
      // A connection doesn't hear what its own person has posted in another way than all others do.
      await eventually(`${people[i].id} to hear the last post`, () => socket.frames.some((frame) => frame.ts === stored.at(-1).ts), 20_000);
      const heard = socket.frames.filter((frame) => frame.type === 'message' && frame.channel === channel && !frame.subtype).map((frame) => frame.ts);
      assert.deepEqual(heard, stored.map((post) => post.ts), 'each post once and in order');
      await socket.close();
    }
    const loans = sum(await figure('throng_loans_total'));
    assert.ok(loans >= moves / 2, `${loans} loans`);
    assert.equal(sum(await figure('throng_loans_lost_total')), 0);
  });

  it('is told of by the shell, and comes home', { timeout: 60_000 }, async () => {
    const comeHome = async () => {
      await shell(nodes[0], `unpin ${channel}`, { mayFail: true });
      await eventually('it to be home', async () => sum(await figure('throng_lent_entities')) === 0, 20_000);
    };
    await comeHome();
    const owner = (await table(nodes[0], `find ${channel}`))[0].NODE;
    const elsewhere = nodes.map(({ name }) => name).filter((name) => name !== owner);
    for (const target of [...elsewhere, owner]) {
      await shell(nodes[0], `migrate ${channel} ${target}`);
      await eventually(`${channel} to be on ${target}`, async () => {
        await at(nodes[2], people[2]).web.chat.postMessage({ channel, text: `on ${target}` });
        const info = (await Promise.all(nodes.map((node) => shell(node, `info ${channel}`, { mayFail: true })))).find(({ value }) => value?.state === 'active');
        return info?.value.node === target;
      }, 20_000);
      const shown = (await table(nodes[1], 'ps channel --limit 10000')).filter((row) => row.ENTITY === `channel:${channel}`);
      const rows = Object.fromEntries(shown.map((row) => [row.NODE, row.STATE]));
      const isHome = target === owner;
      assert.deepEqual(rows, isHome ? { [owner]: 'active' } : { [target]: `active, lent from ${owner}`, [owner]: `lent to ${target}` });
      const tree = JSON.stringify((await shell(nodes[2], 'tree --limit 10000')).tree);
      assert.equal(tree.includes(`"channel:${channel} (active, lent from ${owner})"`), !isHome);
      assert.equal(tree.includes(`"channel:${channel} (lent to ${target})"`), !isHome);
    }
    const refused = await shell(nodes[0], `pin ${channel} n9`, { mayFail: true });
    assert.equal(refused.ok, false);
    assert.match(JSON.stringify(refused), /n9/);
    await comeHome();
  });

  it('goes on when its host is killed, and goes there again when that is back', { timeout: 120_000 }, async () => {
    // Any node but its slot's owner, which would lend nothing; the sims kill owners.
    const home = (await shell(nodes[0], `info ${channel}`)).value.node;
    const host = nodes.find((node) => node.name !== home);
    const survivors = nodes.filter((node) => node !== host);
    await shell(nodes[0], `pin ${channel} ${host.name}`);
    await eventually(`${channel} to be lent`, async () => sum(await figure('throng_guest_entities')) === 1, 20_000);
    const writers = survivors.map((node, i) => new Writer(node, people[i].token, channel, `k${i}`));
    let isOver = false;
    const running = writers.map((writer) => writer.run(async () => {
      if (isOver) return 'enough';
      await pause(10);
      return 'on';
    }, { isPatient: true }));
    try {
      await pause(300);
      await host.kill();
      const before = writers.map((writer) => writer.acknowledged.length);
      const killed = performance.now();
      await eventually('posts to be acknowledged again', () => writers.every((writer, i) => writer.acknowledged.length > before[i] + 3), 20_000);
      process.stdout.write(`after a kill -9 of its host, posts were acknowledged again after ${(performance.now() - killed).toFixed(0)} ms\n`);
    } finally {
      isOver = true;
    }
    await Promise.all(running);
    const web = at(survivors[0], people[0]).web;
    const stored = [];
    for await (const page of web.paginate('conversations.history', { channel, limit: 500 })) stored.push(...page.messages);
    for (const writer of writers) {
      const own = stored.filter((post) => post.client_msg_id?.startsWith(`${writer.acknowledged[0].id.split('-')[0]}-`)).reverse();
      assert.deepEqual(own.map((post) => post.ts), writer.acknowledged.map((post) => post.ts), 'each once and in order');
    }
    await host.launch();
    await cluster.settled(nodes, 60_000);
  });
});
