// SPDX-License-Identifier: Apache-2.0
// One MariaDB shard is split into two and those into four while clients post, with verification before each switch and
// one way back. Every acknowledged post is in history exactly once and in order, and no post is refused. Prints the
// histogram of the pauses that the switches made, and what the clients saw.
//
// THRONG_RESHARD_SECONDS=60: how long the clients post between two steps (1).
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, within } from '../sdk/support/deadline.mjs';
import { MariaDb, mysqlSettings, startShards } from '../sdk/support/mariadb.mjs';
import { shell, table } from '../sdk/support/shell.mjs';
import { Throngd } from '../sdk/support/throngd.mjs';
import { createChannel, createWorkspace } from '../sdk/support/workspace.mjs';
import { Writer, checkHistory } from '../sdk/support/writers.mjs';

const between_ms = Number(process.env.THRONG_RESHARD_SECONDS ?? 1) * 1000;
const channel_count = 16;
const writers_per_channel = 3;
const pace_ms = 20; // between two posts of a writer: more than 1,000 posts a second in all, if the machine can

const { text } = await startShards(['-']);
const server = await Throngd.start(mysqlSettings(text));
const { people: { alice, bob } } = await createWorkspace(server, 'acme');
const channels = await Promise.all(Array.from({ length: channel_count }, async (_, i) =>
  (await createChannel(alice, `channel-${i}`, [bob])).id));
const writers = channels.flatMap((channel) => Array.from({ length: writers_per_channel }, (_, i) =>
  new Writer(server, alice.token, channel, `${channel}-${i}`)));
let next_id = 10;
const add = async (range) => `${range}=${(await MariaDb.start({ id: ++next_id })).address}`;
const servers = (ranges) => Promise.all(ranges.map(add)).then((all) => all.join(' '));

/** `{ 'write pauses': '…', verified: '…', … }`; the first row, which names the reshard, under `phase`. */
async function status() {
  const rows = await table(server, 'reshard status');
  return { phase: rows[0].HOW.split(' ')[0], ...Object.fromEntries(rows.map((row) => [row.WHAT, row.HOW])) };
}
const serving = async () => (await table(server, 'shards')).filter((row) => row.SERVES !== 'no').map((row) => row.SHARD).sort();

async function reach(phase) {
  await eventually(`the reshard to be ${phase}`, async () => (await status()).phase === phase, 60_000);
}

async function verify() {
  await shell(server, 'reshard verify');
  let found;
  await eventually('the verification to end', async () => {
    const now = await status();
    found = now.verified;
    return !now.doing && !found.includes('not complete');
  }, 60_000);
  assert.match(found, /^[1-9]\d* rows compared, 0 missing, 0 extra, 0 different, 0 stray, 0 unsettled$/);
}

/** How many posts there are. */
async function checkAll() {
  let total = 0;
  for (const channel of channels) {
    total += (await checkHistory(server, bob.token, channel, writers.filter((writer) => writer.channel === channel))).length;
  }
  return total;
}

describe('resharding under posts', () => {
  after(() => server.stop());

  it('one shard becomes two and then four, and nothing acknowledged is lost, doubled or out of order', { timeout: between_ms * 12 + 200_000 }, async () => {
    let isOver = false;
    const slowest = [];
    const latencies = [];
    const began = performance.now();
    const running = writers.map((writer) => writer.run(async ({ sent, got }) => {
      latencies.push(got - sent);
      if (isOver) return 'enough';
      await pause(pace_ms);
      return 'on';
    }, { isPatient: true }));
    const switched = async (verb, phase) => {
      const before = latencies.length;
      await shell(server, `reshard ${verb}`);
      await reach(phase);
      await pause(between_ms);
      slowest.push(Math.max(...latencies.slice(before)));
    };
    const pauses = [];

    await pause(between_ms);
    await shell(server, `reshard start - ${await servers(['-80', '80-'])}`);
    await reach('running');
    await verify();
    await switched('switch', 'switched');
    await verify();
    await switched('reverse', 'running');
    await verify();
    await switched('switch', 'switched');
    pauses.push((await status())['write pauses']);
    await shell(server, 'reshard complete');
    await reach('completed');

    await shell(server, `reshard start -80,80- ${await servers(['-40', '40-80', '80-c0', 'c0-'])}`);
    await reach('running');
    await verify();
    await switched('switch', 'switched');
    await verify();
    pauses.push((await status())['write pauses']);
    await shell(server, 'reshard complete');
    await reach('completed');
    await pause(between_ms);
    isOver = true;
    await within('the writers to end', Promise.all(running), 60_000);
    const seconds = (performance.now() - began) / 1000;

    assert.deepEqual(await serving(), ['-40', '40-80', '80-c0', 'c0-']);
    const total = await checkAll();
    const refused = writers.reduce((sum, writer) => sum + (writer.refused ?? 0), 0);
    for (const [i, line] of pauses.entries()) console.log(`write pauses of reshard ${i + 1}: ${line}`);
    console.log(`${total} posts, ${(total / seconds).toFixed(0)} a second; the slowest post around each switch: ${slowest.map((ms) => ms.toFixed(0)).join(', ')} ms`);
    assert.equal(refused, 0, 'no post was refused');
    assert.ok(total > 100, 'the writers got something done');
  });

  it('a node that is killed in the middle of a copy takes it up again when it starts', { timeout: 120_000 }, async () => {
    await shell(server, `reshard start -40,40-80 ${await servers(['-80'])} --rate 300`);
    await eventually('some rows to be copied', async () => /copying \w+ ?, [1-9]\d\d/.test((await status())['stream -40 -> -80']), 60_000);
    await server.kill();
    await server.launch();
    assert.equal((await status()).phase, 'copying');
    await eventually('it to be taken up', async () => { // until then nothing else is begun
      const now = await status();
      return !now.doing && Object.keys(now).some((what) => what.startsWith('stream '));
    });
    await shell(server, 'reshard cancel');
    await reach('cancelled');
    await shell(server, `reshard start -40,40-80 ${await servers(['-80'])} --rate 3000`);
    await eventually('some rows to be copied', async () => /copying \w+ ?, [1-9]\d\d/.test((await status())['stream -40 -> -80']), 60_000);
    await server.kill();
    await server.launch();
    await reach('running');
    await verify();
    await shell(server, 'reshard switch');
    await reach('switched');
    await shell(server, 'reshard complete --drop-data');
    await reach('completed');
    assert.deepEqual(await serving(), ['-80', '80-c0', 'c0-']);
    await checkAll();
  });
});
