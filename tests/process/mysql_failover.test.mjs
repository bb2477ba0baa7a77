// SPDX-License-Identifier: Apache-2.0
// Clients post into two shards of two MariaDB servers each, while the primaries are killed with SIGKILL, one every few
// seconds, and started again 3 s later, as a process manager would. Every acknowledged post is in history exactly once
// and in order. Prints how long a shard acknowledged nothing after each kill.
//
// THRONG_FAILOVER_SECONDS=600 THRONG_FAILOVER_EVERY=20: a primary every 20 s for 10 minutes.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, within } from '../sdk/support/deadline.mjs';
import { mysqlSettings, startShards } from '../sdk/support/mariadb.mjs';
import { shell, table } from '../sdk/support/shell.mjs';
import { Throngd } from '../sdk/support/throngd.mjs';
import { createChannel, createWorkspace } from '../sdk/support/workspace.mjs';
import { Writer, checkHistory } from '../sdk/support/writers.mjs';

const seconds = Number(process.env.THRONG_FAILOVER_SECONDS ?? 30);
const every_ms = Number(process.env.THRONG_FAILOVER_EVERY ?? 2) * 1000;
const restart_ms = 3000;
const channels_per_shard = 3;
const writers_per_channel = 2;
const pace_ms = seconds > 60 ? 50 : 10; // between two posts of a writer: history is read back in the end

const { text, shards } = await startShards(['-80', '80-'], 2);
const server = await Throngd.start(mysqlSettings(text));
const { people: { alice, bob } } = await createWorkspace(server, 'acme');

const shardOf = async (channel) => ((await shell(server, `info channel:${channel}`)).value.slot < 2048 ? '-80' : '80-');
const channels = { '-80': [], '80-': [] };
for (let i = 0; Object.values(channels).some((some) => some.length < channels_per_shard); ++i) {
  const { id } = await createChannel(alice, `channel-${i}`, [bob]);
  const some = channels[await shardOf(id)];
  if (some.length < channels_per_shard) some.push(id);
}

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)];

describe('primaries that die', () => {
  after(() => server.stop());

  it('nothing acknowledged is lost, doubled or out of order', { timeout: (seconds + 150) * 1000 }, async () => {
    const writers = Object.entries(channels).flatMap(([shard, some]) => some.flatMap((channel) =>
      Array.from({ length: writers_per_channel }, (_, i) => ({ shard, writer: new Writer(server, alice.token, channel, `${channel}-${i}`) }))));
    const waiting = new Map(); // shard → {killed, heard}: the next acknowledgement of what was sent after the kill
    let isOver = false;
    const running = writers.map(({ shard, writer }) => writer.run(async ({ sent, got }) => {
      const kill = waiting.get(shard);
      if (kill && sent >= kill.killed) {
        waiting.delete(shard);
        kill.heard(got - kill.killed);
      }
      if (isOver) return 'enough';
      await pause(pace_ms);
      return 'on';
    }, { isPatient: true }));

    const gaps = [];
    const end = performance.now() + seconds * 1000;
    for (let round = 0; performance.now() < end; ++round) {
      const shard = ['-80', '80-'][round % 2];
      let primary;
      await eventually(`shard ${shard} to have its replica in sync again`, async () => {
        const row = (await table(server, 'shards')).find((each) => each.SHARD === shard);
        primary = row.PRIMARY;
        return row['IN SYNC'] === '2 of 2' && row.DIAGNOSIS === 'fine';
      }, 30_000);
      const died = shards.get(shard).find((each) => each.address === primary);
      const begun = performance.now();
      const heard = new Promise((done) => { waiting.set(shard, { killed: begun, heard: done }); });
      await died.kill();
      gaps.push(await within(`an acknowledgement after the kill of ${primary}`, heard, 30_000));
      setTimeout(() => died.launch(), restart_ms - (performance.now() - begun));
      await pause(Math.max(0, every_ms - (performance.now() - begun)));
    }
    isOver = true;
    await within('what is in doubt to be acknowledged', Promise.all(running), 60_000);

    let total = 0;
    for (const channel of Object.values(channels).flat()) {
      const own = writers.map(({ writer }) => writer).filter((writer) => writer.channel === channel);
      total += (await checkHistory(server, bob.token, channel, own)).length;
    }
    const refused = writers.reduce((sum, { writer }) => sum + (writer.refused ?? 0), 0);
    gaps.sort((a, b) => a - b);
    console.log(`${total} posts acknowledged over ${gaps.length} kills, ${refused} times "not now"; from kill to the next acknowledgement: `
      + `p50 ${percentile(gaps, 0.5).toFixed(0)} ms, p99 ${percentile(gaps, 0.99).toFixed(0)} ms, longest ${gaps.at(-1).toFixed(0)} ms`);
    assert.ok(gaps.length >= 4, 'primaries were killed');
    assert.ok(total > 100, 'the writers got something done');
  });
});
