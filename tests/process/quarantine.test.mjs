// SPDX-License-Identifier: Apache-2.0
// An entity that crashes on whatever it is sent, in a real cluster: past its budget it is in quarantine alone. Who asks it
// is told so, the shell and the audit show it, its neighbours in the same slot and its node go on; released, it works
// again. The poison is what poisons one in earnest: a row that can't be, written into the database behind Throng's back.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { eventually } from '../sdk/support/deadline.mjs';
import { Cluster } from '../sdk/support/nodes.mjs';
import { metrics, shell, table } from '../sdk/support/shell.mjs';
import { webClient } from '../sdk/support/slack.mjs';
import { Socket } from '../sdk/support/socket.mjs';
import { call, createChannel, createWorkspace } from '../sdk/support/workspace.mjs';

const restarts_max = 3;
const cluster = await Cluster.start(3, { settings: { entities: { restarts_max, restart_period: '10m', quarantine: '20m' } } });
const { nodes } = cluster;
const [database] = cluster.shards.get('-');

/** The shell's row of one entity: which node has it, in which slot. */
const placeOf = async (entity) => (await table(nodes[0], `find ${entity}`))[0];
const trouble = async (entity) => (await table(nodes[1], 'restarts')).find((row) => row.ENTITY === entity);
const audit = async (pattern) => (await table(nodes[0], 'audit')).filter((row) => pattern.test(row.COMMAND));
const otherThan = (name) => nodes.filter((node) => node.name !== name);

/** A workspace and another entity of the same slot, of another workspace: `{ ill, neighbour }`. */
async function neighbours() {
  const bySlot = new Map();
  for (let i = 0; i < 400; ++i) {
    const workspace = await createWorkspace(nodes[i % 3], `town-${i}`, ['alice']);
    for (const [entity, kind] of [[`workspace:${workspace.id}`, 'workspace'], [`channel:${workspace.general}`, 'channel']]) {
      const { SLOT: slot } = await placeOf(entity);
      const there = bySlot.get(slot) ?? [];
      bySlot.set(slot, [...there, { workspace, entity, kind, slot }]);
      const known = there.find((each) => each.workspace !== workspace && (each.kind === 'workspace' || kind === 'workspace'));
      if (!known) continue;
      const both = [known, { workspace, entity, kind, slot }];
      const ill = both.find((each) => each.kind === 'workspace');
      return { ill, neighbour: both.find((each) => each !== ill) };
    }
  }
  throw new Error('no two of 800 entities share one of 4096 slots');
}

/** What only that entity can answer, asked at that node; what came. */
function ask({ workspace, kind }, node) {
  const { token } = workspace.people.alice;
  if (kind === 'workspace') return call(node, 'conversations.list', {}, { token });
  return call(node, 'chat.postMessage', { channel: workspace.general, text: 'still here' }, { token });
}

describe('quarantine', () => {
  after(() => cluster.stop());
  let found;

  it('an entity that crashes on each message is taken out alone, and comes back', { timeout: 240_000 }, async () => {
    found = await neighbours();
    const { ill, neighbour } = found;
    const { entity, workspace: { people: { alice } } } = ill;
    await createChannel(alice, 'the-good-one');
    await createChannel(alice, 'the-evil-one');
    const { NODE: home, SLOT: slot } = await placeOf(entity);
    assert.deepEqual({ NODE: home, SLOT: slot }, await placeOf(neighbour.entity).then(({ NODE, SLOT }) => ({ NODE, SLOT })));
    const node = nodes.find((each) => each.name === home);
    const front = otherThan(home)[0];
    const crashes = async () => (await metrics(node)).throng_entity_crashes_total;
    const before = await crashes();

    // Two channels of one name: that can't be, and a WORKSPACE that reads it breaks.
    const [[kind, id]] = await database.sql("SELECT kind, id FROM directory WHERE data LIKE '%the-evil-one%'", 'throng');
    const write = (from, to) => database.sql(`UPDATE directory SET data = REPLACE(data, '${from}', '${to}') WHERE kind = ${kind} AND id = ${id}`, 'throng');
    await write('the-evil-one', 'the-good-one');
    await shell(front, `stop ${entity}`);

    const untilQuarantined = async () => {
      for (let asked = 0; (await shell(front, `info ${entity}`)).value.state !== 'quarantined'; ++asked) {
        const answer = await ask(ill, nodes[asked % 3]);
        assert.deepEqual({ status: answer.status, ok: answer.ok, error: answer.error }, { status: 200, ok: false, error: 'service_unavailable' });
        assert.equal((await ask(neighbour, nodes[asked % 3])).ok, true, 'its neighbour goes on');
        assert.ok(asked <= restarts_max, `it crashed ${await crashes() - before} times`);
      }
    };
    await untilQuarantined();
    assert.equal(await crashes() - before, restarts_max + 1);

    // No message reaches it any more; who asks is told so at once, at every node.
    for (const each of nodes) {
      const answer = await ask(ill, each);
      assert.deepEqual({ status: answer.status, ok: answer.ok, error: answer.error }, { status: 200, ok: false, error: 'service_unavailable' });
      assert.equal((await ask(neighbour, each)).ok, true);
    }
    assert.equal(await crashes() - before, restarts_max + 1);
    const shown = await trouble(entity);
    assert.equal(shown.STATE, 'quarantined');
    assert.equal(shown.NODE, home);
    assert.equal(shown.CRASHES, restarts_max + 1);
    assert.match(shown.REASON, /is_name_free/);
    assert.match(shown.LEFT, /^(1\d|20) min$/);
    assert.equal((await table(front, 'ps workspace --limit 10000')).find((row) => row.ENTITY === entity).STATE, 'quarantined');
    const { value } = await shell(front, `info ${entity}`);
    assert.ok(value.quarantine_left_ms > 600_000 && value.last_crash === shown.REASON, JSON.stringify(value));
    assert.equal((await shell(front, `state ${entity}`, { mayFail: true })).error, 'not_found');
    assert.ok((await shell(front, 'diagnose')).rows.some(([level, what]) => level === 'wrong' && what.startsWith(`${entity} is in quarantine`)));
    assert.ok((await table(front, 'nodes')).every((row) => row.STATE === 'settled' && row.READY === 'yes'), 'all nodes go on');
    assert.equal((await placeOf(neighbour.entity)).NODE, home);

    // Released too early, it has its budget once more.
    assert.match((await shell(front, `release ${entity}`)).note, /was released/);
    await untilQuarantined();
    assert.equal(await crashes() - before, 2 * (restarts_max + 1));

    await write('the-good-one', 'the-evil-one');
    assert.match((await shell(front, `release ${entity}`)).note, /was released/);
    const { ok, channels } = await ask(ill, front);
    assert.equal(ok, true);
    assert.deepEqual(channels.map((channel) => channel.name).filter((name) => name.startsWith('the-')).sort(), ['the-evil-one', 'the-good-one']);
    assert.equal((await createChannel(alice, 'a-later-one')).name, 'a-later-one');
    assert.equal((await trouble(entity)).STATE, 'active');
    const kept = await audit(new RegExp(`^(stop|release) ${entity}$`));
    assert.deepEqual(kept.map((row) => row.COMMAND.split(' ')[0]).sort(), ['release', 'release', 'stop']);
    assert.ok(kept.every((row) => row.NODE === front.name && row.WHO === 'operator' && row.OUTCOME.startsWith('ok: ')), JSON.stringify(kept));
  });

  it('who is killed more often than its budget allows is taken out too; websockets are told why nothing is posted', { timeout: 120_000 }, async () => {
    const { ill: { workspace: { people: { alice } } } } = found;
    const channel = (await createChannel(alice, 'killed')).id;
    const entity = `channel:${channel}`;
    const { NODE: home } = await placeOf(entity);
    const front = otherThan(home)[1];
    const socket = await Socket.connect({ ...alice, web: webClient(front.client, alice.token) });
    const post = (text) => call(front, 'chat.postMessage', { channel, text }, { token: alice.token });
    const texts = [];
    for (let i = 0; i <= restarts_max; ++i) {
      texts.push(`post ${i}`);
      assert.equal((await post(texts.at(-1))).ok, true, 'within its budget it starts again');
      await shell(front, `kill ${entity}`);
    }
    assert.equal((await post('refused')).error, 'service_unavailable');
    socket.send({ id: 7, type: 'message', channel, text: 'refused too' });
    const reply = await socket.expect({ reply_to: 7 });
    assert.equal(reply.ok, false);
    assert.ok(reply.error.msg.length > 0, JSON.stringify(reply));
    const shown = await trouble(entity);
    assert.deepEqual({ state: shown.STATE, crashes: shown.CRASHES, reason: shown.REASON }, { state: 'quarantined', crashes: restarts_max + 1, reason: 'killed by the shell' });

    await shell(front, `release ${entity}`);
    socket.send({ id: 8, type: 'message', channel, text: 'after the release' });
    assert.equal((await socket.expect({ reply_to: 8 })).ok, true);
    const { messages } = await call(front, 'conversations.history', { channel }, { token: alice.token });
    assert.deepEqual(messages.filter((each) => !each.subtype).map((each) => each.text), [...texts, 'after the release'].reverse());
    await eventually('the last post to be heard by who listens', () => socket.frames.some((frame) => frame.text === texts.at(-1)));
    const kept = await audit(new RegExp(`^(kill|release) ${entity}$`));
    assert.deepEqual(kept.map((row) => row.COMMAND.split(' ')[0]), ['release', ...Array(restarts_max + 1).fill('kill')], 'the latest first');
    await socket.close();
  });
});
