// SPDX-License-Identifier: Apache-2.0
// Where slots are, in real processes under load: a fourth node joins and only its share moves, one of four is killed and
// only its share does; plans, drains, pins and migrations by hand. Meanwhile people post, and nothing acknowledged is
// lost.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../sdk/support/deadline.mjs';
import { Cluster } from '../sdk/support/nodes.mjs';
import { metrics, shell, table } from '../sdk/support/shell.mjs';
import { createChannel, createWorkspace } from '../sdk/support/workspace.mjs';
import { Writer, checkHistory } from '../sdk/support/writers.mjs';

const slots = 4096;
const cluster = await Cluster.start(3, {
  settings: {
    cluster: { nodes_min: 3, load_period: '200ms', balance_patience: '10m' },
  },
});
const [n1, n2, n3] = cluster.nodes;
const acme = await createWorkspace(n1, 'acme', ['alice', 'bob']);
const { alice, bob } = acme.people;
const channels = [];
for (let i = 0; i < 24; ++i) channels.push((await createChannel(alice, `place-${i}`, [bob])).id);

const share = (rows, name) => rows.find((row) => row.NODE === name);
const slotsOf = async (node, name) => share(await table(node, 'nodes'), name)?.SLOTS;
/** Of the slots, or, where few of them carry much, of the load: what the balancer goes by. */
async function hasItsShare(node, name) {
  const rows = await table(node, 'nodes');
  const row = share(rows, name);
  if (!row) return false;
  const load = rows.reduce((sum, each) => sum + each.LOAD, 0);
  return row.SLOTS > slots / rows.length * 0.6 || (row.SLOTS > slots / rows.length * 0.2 && row.LOAD > load / rows.length * 0.6);
}
const tableOf = async (node) => /; table (\d+)/.exec((await shell(node, 'slots')).note)[1];
/** Until each node knows that nothing is balanced any more, nothing moves, and all have the same table. */
async function stopBalancing() {
  await shell(n2, 'balance off');
  await eventually('nothing to be balanced any more', async () => {
    const seen = await Promise.all(cluster.nodes.map((node) => shell(node, 'nodes')));
    if (!seen.every(({ note, columns, rows }) => note.includes('balancing is off') && rows.every((row) => row[columns.indexOf('STATE')] === 'settled'))) return false;
    return new Set(await Promise.all(cluster.nodes.map(tableOf))).size === 1;
  }, 60_000);
}
const all = []; // writers of all tests: histories are checked at the end
const loads = [];
/** Writers that go on until it is over; nobody is refused for good. */
function startWriters(nodes, isPatient) {
  const writers = channels.map((channel, i) => new Writer(nodes[i % nodes.length], alice.token, channel, `w${i}-${Date.now()}`));
  all.push(...writers);
  let isOver = false;
  const running = writers.map((writer) => writer.run(async () => {
    if (isOver) return 'enough';
    await pause(20);
    return 'on';
  }, { isPatient }));
  const load = {
    async stop() {
      isOver = true;
      await Promise.all(running);
    },
  };
  loads.push(load);
  return load;
}

describe('placement', () => {
  after(() => cluster.stop());

  it('a fourth node joins under load: only its share moves', { timeout: 120_000 }, async () => {
    const load = startWriters([n1, n2], false);
    await pause(1_500);
    const before = await table(n1, 'nodes');
    await cluster.add('n4');
    await eventually('n4 to have its share', () => hasItsShare(n1, 'n4'), 60_000);
    await eventually('all to settle', async () => (await table(n1, 'nodes')).every((row) => row.STATE === 'settled'), 60_000);
    const now = await table(n1, 'nodes');
    const moved = share(now, 'n4').SLOTS;
    process.stdout.write(`a fourth node joined: ${moved} of ${slots} slots moved to it; the others ${before.map((row) => `${row.NODE} ${row.SLOTS} -> ${share(now, row.NODE).SLOTS}`).join(', ')}\n`);
    assert.ok(moved <= slots / 4 * 1.1, `${moved}`);
    for (const row of before) assert.ok(share(now, row.NODE).SLOTS <= row.SLOTS, `${row.NODE} got more`);
    await load.stop();
  });

  it('plan shows what would move and why; a pin and a migration are done; undo goes back', { timeout: 60_000 }, async () => {
    await stopBalancing();
    const drained = await shell(n1, 'plan --drain n4');
    assert.match(drained.note, /^plan \d+ for slot table \d+: \d+ slots of 4096 would move/);
    assert.ok(drained.rows.some((row) => row[0] === 'n4' && row[4] === 'n4 drains'), JSON.stringify(drained.rows));
    // A slot of n1's.
    const slot = (await shell(n1, 'plan --drain n1 --slots')).rows.find((row) => row[0] === 'n1' && row[1] !== '')[2];
    const stale = (await shell(n1, 'plan --drain n4')).note.match(/^plan (\d+)/)[1];
    assert.match((await shell(n1, `migrate slot:${slot} n2`)).note, /migrating slot:\d+ to n2/);
    const refused = await shell(n1, `apply ${stale}`, { mayFail: true });
    assert.equal(refused.error, 'conflict');
    assert.match(refused.detail, /the slot table has changed since plan \d+ was made/);
    await eventually('n3 to know of it', async () => await tableOf(n3) === await tableOf(n1));
    const before = await table(n3, 'nodes');
    await shell(n3, 'undo');
    await eventually('the slot to be back', async () => share(await table(n1, 'nodes'), 'n1').SLOTS === share(before, 'n1').SLOTS + 1);
    assert.match((await shell(n1, `pin slot:${slot} n3`)).note, /is pinned to n3, and goes there/);
    await eventually('the pin to hold', async () => share(await table(n1, 'nodes'), 'n3').SLOTS === share(before, 'n3').SLOTS + 1);
    await eventually('n2 to know of it', async () => (await shell(n2, 'slots')).note.includes(`pinned: ${slot} to n3`));
    assert.equal((await shell(n2, `migrate slot:${slot} n1`, { mayFail: true })).error, 'conflict');
    await shell(n2, `unpin slot:${slot}`);
    for (const [line, error] of [['drain nobody', 'not_found'], ['migrate slot:4096 n1', 'invalid_arguments'], ['apply 999999', 'not_found'], ['plan --weight n1=x', 'invalid_arguments'], ['undrain n1', 'not_found'], ['balance maybe', 'invalid_arguments']]) {
      assert.equal((await shell(n1, line, { mayFail: true })).error, error, line);
    }
  });

  it('a drained node is empty and stays a member, while people post; undrained it gets its share', { timeout: 120_000 }, async () => {
    const load = startWriters([n1, n2], false);
    await shell(n1, 'drain n3');
    await eventually('n3 to be empty', async () => await slotsOf(n2, 'n3') === 0, 60_000);
    assert.equal(share(await table(n2, 'nodes'), 'n3').STATE, 'drained');
    await shell(n2, 'balance on');
    await shell(n2, 'undrain n3');
    await eventually('n3 to have its share', () => hasItsShare(n1, 'n3'), 60_000);
    await load.stop();
  });

  it('one of four is killed: only what it had moves', { timeout: 120_000 }, async () => {
    await stopBalancing();
    const before = await table(n1, 'nodes');
    const n4 = cluster.nodes[3];
    const activations = async (nodes) => {
      const each = await Promise.all(nodes.map(async (node) => Number((await metrics(node)).throng_activations_total ?? 0)));
      return each.reduce((sum, count) => sum + count, 0);
    };
    const load = startWriters([n1, n2], true);
    await pause(1_000);
    const entities = Number(Object.entries(await metrics(n4)).filter(([name]) => name.startsWith('throng_entities')).reduce((sum, [, count]) => sum + count, 0));
    const activated = await activations([n1, n2, n3]);
    await n4.kill();
    await eventually('the others to have all', async () => {
      const rows = await table(n1, 'nodes');
      return rows.length === 3 && rows.every((row) => row.STATE === 'settled') && rows.reduce((sum, row) => sum + row.SLOTS, 0) === slots;
    }, 60_000);
    await pause(1_000);
    await load.stop();
    const now = await table(n1, 'nodes');
    const moved = now.reduce((sum, row) => sum + Math.max(0, row.SLOTS - share(before, row.NODE).SLOTS), 0);
    process.stdout.write(`one of four was killed: ${moved} of ${slots} slots moved, it had ${share(before, 'n4').SLOTS}, with ${entities} entities; ${await activations([n1, n2, n3]) - activated} were activated elsewhere\n`);
    assert.equal(moved, share(before, 'n4').SLOTS);
    for (const row of now) assert.ok(row.SLOTS >= share(before, row.NODE).SLOTS, `${row.NODE} gave something away`);
    assert.ok(moved <= slots / 3 * 1.1, 'a quarter, or what is left of the third that it had while n3 was empty');
    await shell(n1, 'balance on');
  });

  it('nothing that was acknowledged meanwhile is lost', { timeout: 120_000 }, async () => {
    for (const load of loads) await load.stop(); // also of a test that failed
    for (const channel of channels) await checkHistory(n1, alice.token, channel, all.filter((writer) => writer.channel === channel));
  });
});
