// SPDX-License-Identifier: Apache-2.0
// The shell over three nodes: every command answers for all of them, wherever it is given; who doesn't answer is named;
// what changes something needs the operator role, and is written down.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { eventually } from '../sdk/support/deadline.mjs';
import { Cluster } from '../sdk/support/nodes.mjs';
import { shell, table } from '../sdk/support/shell.mjs';
import { webClient } from '../sdk/support/slack.mjs';
import { Socket } from '../sdk/support/socket.mjs';
import { program } from '../sdk/support/throngd.mjs';
import { createChannel, createWorkspace } from '../sdk/support/workspace.mjs';

const run = promisify(execFile);
const throngsh = process.env.THRONGSH ?? join(dirname(program), 'throngsh');

const cluster = await Cluster.start(3);
const [n1, n2, n3] = cluster.nodes;
const everyNode = ['n1', 'n2', 'n3'];
const acme = await createWorkspace(n1, 'acme', ['alice', 'bob', 'carol']);
const { alice, bob, carol } = acme.people;
const at = (node, person) => ({ ...person, web: webClient(node.client, person.token) });
const ownerOf = async (channel) => (await table(n1, `find channel:${channel}`))[0].NODE;
// Twelve channels or more, until some are on every node: where one lives, its random id decides.
const channels = [];
const owners = new Set();
while (channels.length < 12 || (owners.size < 3 && channels.length < 60)) {
  channels.push((await createChannel(alice, `channel-${channels.length}`, [bob, carol])).id);
  owners.add(await ownerOf(channels.at(-1)));
}
const sockets = await Promise.all([[n1, alice], [n2, bob], [n3, carol]].map(([node, person]) => Socket.connect(at(node, person))));
const post = (channel, text = 'hello') => alice.web.chat.postMessage({ channel, text });
for (const channel of channels) await post(channel);

const viewer = (node) => ({ admin: node.admin, adminToken: readFileSync(join(node.data, 'viewer.token'), 'utf8').trim() });
const column = (rows, name) => [...new Set(rows.map((row) => row[name]))].sort();

describe('the shell over three nodes', () => {
  after(async () => {
    n3.child.kill('SIGCONT');
    for (const socket of sockets) socket.ws.terminate();
    await cluster.stop();
  });

  it('lists the nodes, with what each says of itself', async () => {
    for (const node of cluster.nodes) {
      const rows = await table(node, 'nodes');
      assert.deepEqual(column(rows, 'NODE'), everyNode);
      for (const row of rows) {
        assert.equal(row.READY, 'yes');
        assert.equal(row.CONNECTIONS, 1);
        assert.ok(row.ENTITIES > 0, JSON.stringify(row));
      }
    }
  });

  it('ps and slots have rows of all, ordered over all; --node asks one', async () => {
    const { columns, rows, note, partial } = await shell(n2, 'ps channel --sort messages --limit 8');
    assert.equal(partial, undefined);
    assert.equal(rows.length, 8);
    const [, all] = /^8 of (\d+) entities/.exec(note);
    assert.ok(Number(all) >= channels.length, note);
    const messages = rows.map((row) => row[columns.indexOf('MESSAGES')]);
    assert.deepEqual(messages, [...messages].sort((a, b) => b - a));
    assert.deepEqual(column(await table(n1, 'ps --limit 10000'), 'NODE'), everyNode);
    assert.deepEqual(column(await table(n1, 'ps --node n3'), 'NODE'), ['n3']);
    assert.deepEqual(column(await table(n3, 'slots --limit 10000'), 'NODE'), everyNode);
    const wrong = await shell(n1, 'ps --node n9', { mayFail: true });
    assert.equal(wrong.error, 'not_found');
    assert.match(wrong.detail, /there is no node n9; there are n1, n2, n3/);
  });

  it('tree, sessions and subs show what is on each', async () => {
    const { tree } = await shell(n2, 'tree');
    assert.deepEqual(tree.children.map((each) => each.name), everyNode.map((name) => `node ${name}`));
    for (const node of tree.children) {
      const [storage, gateway, region] = node.children;
      assert.ok(storage.children.some((each) => /^shard -: /.test(each.name)), JSON.stringify(storage));
      assert.ok(gateway.children.some((each) => /^io loop 0: \d+ connections/.test(each.name)), JSON.stringify(gateway));
      assert.match(region.children[0].name, /^slot \d+$/);
    }
    const sessions = await table(n3, 'sessions');
    assert.equal(sessions.length, 3);
    assert.ok(column(sessions, 'STATE').includes('connected'));
    assert.deepEqual(column(await table(n1, `subs channel:${channels[0]}`), 'NODE'), everyNode);
  });

  it('find, info and state go to whoever has the entity', async () => {
    for (const channel of channels) {
      const owner = await ownerOf(channel);
      for (const node of cluster.nodes) {
        assert.equal((await table(node, `find ${channel}`))[0].NODE, owner);
        const { value } = await shell(node, `info channel:${channel}`);
        assert.equal(value.node, owner);
        assert.equal(value.state, 'active');
        assert.equal((await shell(node, `state channel:${channel}`)).ok, true);
      }
    }
    assert.deepEqual([...owners].sort(), everyNode);
    const [named] = await table(n2, 'find #channel-3');
    assert.equal(named.ENTITY, `channel:${channels[3]}`);
    assert.equal(named.NODE, await ownerOf(channels[3]));
    assert.equal((await shell(n1, 'state presence:99999999', { mayFail: true })).error, 'not_found');
  });

  it('why tells where a message was, hop by hop, over all nodes', async () => {
    for (const channel of channels) {
      const { ts } = await post(channel, 'where have you been?');
      const owner = await ownerOf(channel);
      let rows = [];
      await eventually('all three gateways to have passed it on', async () => {
        rows = await table(n2, `why ${ts} ${channel}`);
        return column(rows.filter((row) => row.STEP === 'written'), 'NODE').length === 3;
      }, 10_000);
      const steps = (name) => rows.filter((row) => row.STEP === name);
      assert.equal(steps('asked').length, 1);
      assert.equal(steps('asked')[0].NODE, 'n1', 'where Alice posts');
      assert.equal(steps('arrived').length, owner === 'n1' ? 0 : 1);
      for (const step of ['delivered', 'begun', 'committed', 'published', 'stored'])
        assert.deepEqual(column(steps(step), 'NODE'), [owner], step);
      assert.equal(steps('answered')[0].NODE, 'n1');
      assert.match(steps('published')[0].WHAT, /^to 3 nodes$/);
      assert.match(steps('stored')[0].WHAT, new RegExp(`^as seq \\d+ of channel:${channel}, by ${alice.id}`));
      // Nodes of one machine have one clock.
      const times = ['asked', 'delivered', 'begun', 'committed', 'published', 'encoded', 'written'].map((step) => Number(steps(step)[0].TIME));
      assert.deepEqual(times, [...times].sort((a, b) => a - b));
    }
    const unknown = await shell(n1, 'why 1700000000.000001', { mayFail: true });
    assert.equal(unknown.error, 'not_found');
    assert.match((await table(n3, `why 1700000000.000001 ${channels[0]}`))[0].WHAT, /has no such message$/);
    assert.equal((await shell(n1, 'why soon', { mayFail: true })).error, 'invalid_arguments');
  });

  it('top shows what is busy, and trace what goes where, over all nodes', async () => {
    let isOver = false;
    const busy = (async () => { while (!isOver) for (const channel of channels) await post(channel); })();
    try {
      let top;
      await eventually(() => `channels of every node to be busy: ${JSON.stringify(top)}`, async () => {
        top = await shell(n3, 'top channel --every 500ms --limit 1000');
        return new Set(top.rows.map((row) => row[top.columns.indexOf('NODE')])).size === 3;
      });
      const { rows, columns, note } = top;
      assert.ok(rows.some((row) => row[columns.indexOf('MSG/S')] > 0), JSON.stringify(rows));
      for (const name of everyNode) assert.match(note, new RegExp(`${name}: \\d+ % CPU`));

      const began = performance.now();
      const traced = await table(n1, 'trace --count 40 --for 30s');
      assert.equal(traced.length, 40);
      assert.ok(performance.now() - began < 20_000, 'it ends when there is enough');
      assert.deepEqual(traced.map((row) => row.TIME), traced.map((row) => row.TIME).sort());
      const again = await table(n2, 'trace --count 5 --for 30s');
      assert.equal(again.length, 5, 'the other nodes have stopped tracing too');
    } finally {
      isOver = true;
      await busy;
    }
  });

  it('kill, quarantine and release work from any node, and restarts tells of them', async () => {
    for (const channel of channels.slice(0, 3)) {
      const owner = await ownerOf(channel);
      const front = cluster.nodes.find((node) => node.name !== owner);
      assert.match((await shell(front, `kill channel:${channel}`)).note, /was killed/);
      await post(channel, 'after the kill');
      const [row] = (await table(front, 'restarts')).filter((each) => each.ENTITY === `channel:${channel}`);
      assert.equal(row.CRASHES, 1);
      assert.equal(row.NODE, owner);
      assert.equal(row.REASON, 'killed by the shell');

      await shell(front, `quarantine channel:${channel} --for 5m --reason "floods its readers"`);
      await assert.rejects(post(channel, 'while it is in quarantine'));
      assert.equal((await shell(n1, `info channel:${channel}`)).value.state, 'quarantined');
      await post(channels[5], 'others go on');
      assert.match((await shell(front, `release channel:${channel}`)).note, /was released/);
      await post(channel, 'after the release');
      const { messages } = await alice.web.conversations.history({ channel });
      assert.deepEqual(messages.slice(0, 2).map((each) => each.text), ['after the release', 'after the kill']);
      assert.equal((await shell(front, `release channel:${channel}`, { mayFail: true })).error, 'not_found');
    }
  });

  it('who may only look is refused what changes something, by name', async () => {
    assert.equal(statSync(join(n1.data, 'viewer.token')).mode & 0o777, 0o600);
    assert.deepEqual(column(await table(viewer(n2), 'ps --limit 10000'), 'NODE'), everyNode);
    const { columns, rows } = await shell(n1, 'help');
    const changing = rows.filter((row) => row[columns.indexOf('WHAT IT SHOWS OR DOES')].endsWith('(operators)')).map(([usage]) => usage.split(' ')[0]);
    for (const name of ['kill', 'quarantine', 'release', 'stop', 'restart', 'reparent', 'reshard', 'explain']) assert.ok(changing.includes(name), name);
    for (const name of changing) {
      const refused = await shell(viewer(n2), `${name} channel:${channels[0]} x y`, { mayFail: true });
      assert.equal(refused.error, 'no_permission', name);
      assert.match(refused.detail, /operator role/);
    }
    assert.equal((await shell({ admin: n1.admin, adminToken: 'wrong-token-wrong-token' }, 'ps', { mayFail: true })).error, 'not_authed');
  });

  it('the audit tells what was changed, on every node, and after a restart', async () => {
    await shell(n3, `stop channel:${channels[7]}`);
    const kept = async (node) => (await table(node, 'audit')).map((row) => [row.NODE, row.COMMAND, row.OUTCOME, row.WHO]);
    let rows;
    await eventually(() => `the audit to have it all: ${JSON.stringify(rows)}`, async () => {
      rows = await kept(n1);
      return rows.some(([node, command, outcome, who]) => node === 'n3' && command === `stop channel:${channels[7]}`
        && /^ok: .* was stopped/.test(outcome) && who === 'operator');
    }, 10_000);
    assert.ok(rows.filter(([, command]) => command.startsWith('kill ')).length === 3);
    assert.ok(!rows.some(([,,, who]) => who === 'viewer'), 'what was refused is in the log only');
    await eventually('the file', () => existsSync(join(n3.data, 'audit.jsonl')));
    const before = rows.filter(([node]) => node === 'n3');
    await n3.stop();
    await n3.launch();
    await cluster.settled();
    assert.deepEqual((await kept(n1)).filter(([node]) => node === 'n3'), before);
  });

  it('diagnose is content when all is well; a snapshot has everything but secrets', async () => {
    let seen;
    await eventually(() => `all to be well: ${JSON.stringify(seen)}`, async () => {
      seen = await shell(n1, 'diagnose');
      return seen.rows.every((row) => row[0] !== 'wrong') && !seen.partial;
    }, 60_000);
    assert.match(seen.note, /checked on 3 nodes: members/);
    const text = JSON.stringify(await shell(n2, 'snapshot'));
    const { value } = JSON.parse(text);
    assert.deepEqual(Object.keys(value.nodes).sort(), everyNode);
    for (const node of Object.values(value.nodes)) {
      assert.equal(node.cluster.members.length, 3);
      assert.equal(node.links.length, 2);
      assert.match(node.configuration, /storage:/);
      assert.ok(Object.keys(node.metrics).length > 50);
    }
    for (const secret of [n1.adminToken, viewer(n1).adminToken, alice.token]) assert.ok(!text.includes(secret));
  });

  it('throngsh shows it all, and keeps a snapshot in a file', async () => {
    const ask = async (...command) => (await run(throngsh, ['--url', n1.admin, '--token', n1.adminToken, ...command])).stdout;
    assert.match(await ask('-c', 'top --every 200ms'), /ENTITY .*MSG\/S/);
    assert.equal(JSON.parse(await ask('--json', '-c', 'ps --limit 3')).rows.length, 3);
    const file = join(n1.folder, 'snapshot.json');
    assert.match(await ask('-c', `snapshot --file ${file}`), /bytes are in/);
    assert.deepEqual(Object.keys(JSON.parse(readFileSync(file, 'utf8')).value.nodes).sort(), everyNode);
    await assert.rejects(ask('-c', 'ps --node n9'), /there is no node n9/);
  });

  // Last: the cluster declares the paused node dead.
  it('a node that doesn\'t answer is named, within the time, and the rest is told', async () => {
    n3.child.kill('SIGSTOP');
    const began = performance.now();
    let took;
    const [ps, { stdout }] = await Promise.all([ // both before it is declared dead
      shell(n1, 'ps --limit 10000').finally(() => { took = performance.now() - began; }),
      run(throngsh, ['--url', n2.admin, '--token', n2.adminToken, '-c', 'diagnose --timeout 300ms']),
    ]);
    assert.equal(ps.partial?.length, 1, JSON.stringify(ps.partial));
    assert.match(ps.partial[0], /^n3: (no answer in 1 s|.*link)/);
    assert.ok(took < 4_000, `${took} ms`);
    assert.deepEqual([...new Set(ps.rows.map((row) => row[ps.columns.indexOf('NODE')]))].sort(), ['n1', 'n2']);
    assert.match(stdout, /n3/);
    n3.child.kill('SIGCONT');
    await cluster.settled(cluster.nodes, 60_000);
    assert.equal((await shell(n1, 'ps')).partial, undefined);
  });
});
