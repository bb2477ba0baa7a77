// SPDX-License-Identifier: Apache-2.0
// A node on MySQL shards: two shards of two MariaDB servers each, which the node itself keeps in order.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { eventually, within } from '../sdk/support/deadline.mjs';
import { MariaDb, mysqlSettings, startShards } from '../sdk/support/mariadb.mjs';
import { metrics, shell, table } from '../sdk/support/shell.mjs';
import { Socket, resumeWith } from '../sdk/support/socket.mjs';
import { webClient } from '../sdk/support/slack.mjs';
import { Throngd, program, runToEnd, settingsFor, temporaryFolder } from '../sdk/support/throngd.mjs';
import { admin, call, createChannel, createWorkspace } from '../sdk/support/workspace.mjs';

const { text, shards } = await startShards(['-80', '80-'], 2);
const server = await Throngd.start(mysqlSettings(text));
const acme = await createWorkspace(server, 'acme', ['alice', 'bob']);
const { alice, bob } = acme.people;

const shardOf = async (channel) => ((await shell(server, `info channel:${channel}`)).value.slot < 2048 ? '-80' : '80-');
const textsOf = async (person, channel) => (await person.web.conversations.history({ channel, limit: 999 })).messages
  .filter((message) => !message.subtype).map((message) => message.text).reverse();

/** Posts one after the other while `body` runs; `body` gets the texts that were acknowledged, and so does the caller. */
async function whilePosting(channel, word, { mayFail = false } = {}, body) {
  const acknowledged = [];
  let isOver = false;
  const writer = (async () => {
    for (let i = 0; !isOver; ++i) {
      const answer = await call(server, 'chat.postMessage', { channel, text: `${word} ${i}` }, { token: alice.token });
      if (answer.ok) acknowledged.push(`${word} ${i}`);
      else if (!mayFail) throw new Error(`refused: ${JSON.stringify(answer)}`);
    }
  })();
  try {
    await Promise.race([body(acknowledged), writer]);
  } finally {
    isOver = true;
    await writer;
  }
  return acknowledged;
}

async function wellWithin(ms) {
  await eventually('every shard to be fine', async () => (await table(server, 'shards')).every((row) => row.DIAGNOSIS === 'fine'), ms);
}

// A channel in each shard.
const channels = {};
for (let i = 0; Object.keys(channels).length < 2; ++i) {
  const { id } = await createChannel(alice, `channel-${i}`, [bob]);
  channels[await shardOf(id)] ??= id;
}

describe('mysql', () => {
  after(() => server.stop());

  it('conversations are as on any store: posts, edits, threads, reactions, pins, members', async () => {
    for (const [shard, channel] of Object.entries(channels)) {
      const first = await alice.web.chat.postMessage({ channel, text: `first of ${shard}: ü 漢字 🎉 \\ ' " ; --` });
      const second = await bob.web.chat.postMessage({ channel, text: 'second' });
      await bob.web.chat.update({ channel, ts: second.ts, text: 'second, better' });
      const third = await bob.web.chat.postMessage({ channel, text: 'to be gone' });
      await bob.web.chat.delete({ channel, ts: third.ts });
      await alice.web.chat.postMessage({ channel, text: 'a reply', thread_ts: first.ts });
      await bob.web.reactions.add({ channel, timestamp: first.ts, name: 'eyes' });
      await alice.web.pins.add({ channel, timestamp: first.ts });
      const { messages } = await alice.web.conversations.history({ channel });
      const texts = messages.filter((message) => !message.subtype).map((message) => message.text);
      assert.deepEqual(texts, ['second, better', `first of ${shard}: ü 漢字 🎉 \\ ' " ; --`]);
      const root = messages.find((message) => message.ts === first.ts);
      assert.equal(root.reply_count, 1);
      assert.deepEqual(root.reactions, [{ name: 'eyes', users: [bob.id], count: 1 }]);
      const { members } = await alice.web.conversations.members({ channel });
      assert.deepEqual(members.sort(), [alice.id, bob.id].sort());
    }
    const listed = await bob.web.conversations.list({ limit: 999 });
    for (const channel of Object.values(channels)) assert.ok(listed.channels.some(({ id }) => id === channel));
    const { channel: direct } = await alice.web.conversations.open({ users: bob.id });
    await alice.web.chat.postMessage({ channel: direct.id, text: 'psst' });
    const ims = await bob.web.conversations.list({ types: 'im' });
    assert.ok(ims.channels.some(({ id }) => id === direct.id));
    await assert.rejects(admin(server).admin.teams.create({ team_domain: 'acme', team_name: 'Another' }), /domain_taken/);
  });

  it('a restart keeps everything, and a client gets what it missed meanwhile', async () => {
    const channel = channels['-80'];
    const socket = await Socket.connect(bob);
    const { ts } = await alice.web.chat.postMessage({ channel, text: 'seen before the restart' });
    await socket.expect({ type: 'message', ts });
    const before = await textsOf(alice, channel);
    await server.stop();
    await server.launch();
    for (const person of [alice, bob]) person.web = webClient(server.client, person.token);
    assert.deepEqual(await textsOf(alice, channel), before);
    await alice.web.chat.postMessage({ channel, text: 'missed' });
    const again = await Socket.connect(bob, resumeWith(socket.boot.session, socket.frames));
    await again.expect({ type: 'message', text: 'missed' });
    assert.ok(!again.frames.some((frame) => frame.type === 'gap' && frame.stream === channel));
    await again.close();
  });

  it('the shell shows the shards, their servers and rows, and what a call asks of them', async () => {
    await wellWithin(15_000);
    const rows = await table(server, 'shards');
    assert.deepEqual(rows.map((row) => row.SHARD), ['-80', '80-']);
    for (const row of rows) assert.equal(row['IN SYNC'], '2 of 2');
    const servers = await table(server, 'shards --servers');
    assert.equal(servers.filter((row) => row.ROLE === 'primary').length, 2);
    const counts = await table(server, 'rows --exact');
    const messages = counts.find((row) => row.TABLE === 'messages');
    assert.equal(messages.ALL, messages['-80'] + messages['80-']);
    assert.ok(messages['-80'] >= 4 && messages['80-'] >= 4, JSON.stringify(messages));
    assert.match((await shell(server, 'rows')).note, /estimates/);

    await alice.web.chat.postMessage({ channel: channels['80-'], text: 'so that the token is known and the channel active' });
    // It counts what the whole process asks: of several tries, one without what is asked now and then of any shard.
    let explained;
    for (let i = 0; i < 3; ++i) {
      explained = await shell(server, `explain chat.postMessage channel=${channels['80-']} text=explained token=${alice.token}`);
      if (explained.rows.every(([shard]) => shard === '80-')) break;
    }
    assert.match(explained.note, /^chat\.postMessage: ok in .* on 1 shard, .*no other API call ran meanwhile$/);
    assert.ok(explained.rows.every(([shard]) => shard === '80-'), JSON.stringify(explained.rows));
    assert.ok(explained.rows.some(([, statement]) => statement.includes('messages')));
    assert.ok(!JSON.stringify(explained).includes('explained"'), 'values are not shown');
    await eventually('the audit line', () => server.errors.includes('token=***'));
    assert.ok(!server.errors.includes(alice.token));
    assert.match((await shell(server, 'find acme')).rows[0][0], /^workspace:/);
  });

  it('a primary that dies is replaced, and comes back as a replica; no acknowledged post is lost', async () => {
    await wellWithin(15_000);
    const channel = channels['80-'];
    const primary = (await table(server, 'shards --servers')).find((row) => row.SHARD === '80-' && row.ROLE === 'primary').SERVER;
    const died = shards.get('80-').find((each) => each.address === primary);
    const acknowledged = await whilePosting(channel, 'through', { mayFail: true }, async (posted) => {
      await eventually('some posts', () => posted.length >= 20);
      await died.kill();
      const atKill = posted.length;
      await eventually('posts after the failover', () => posted.length >= atKill + 20);
    });
    const stored = (await textsOf(alice, channel)).filter((each) => each.startsWith('through'));
    assert.deepEqual(stored.filter((each) => acknowledged.includes(each)), acknowledged);
    assert.equal(new Set(stored).size, stored.length, 'nothing is there twice');
    const now = (await table(server, 'shards')).find((row) => row.SHARD === '80-');
    assert.notEqual(now.PRIMARY, primary);
    assert.equal((await metrics(server))['throng_shard_failovers_total{shard="80-"}'], 1);
    await died.launch();
    await wellWithin(30_000);
  });

  it('a shard that is away keeps only its own channels waiting, and lists say what they lack', async () => {
    await wellWithin(15_000);
    await Promise.all(shards.get('-80').map((each) => each.kill()));
    const lost = call(server, 'chat.postMessage', { channel: channels['-80'], text: 'to nobody' }, { token: alice.token });
    for (let i = 0; i < 20; ++i) {
      const begun = Date.now();
      await bob.web.chat.postMessage({ channel: channels['80-'], text: `meanwhile ${i}` });
      assert.ok(Date.now() - begun < 2_000, `the other shard's post took ${Date.now() - begun} ms`);
    }
    assert.equal((await lost).ok, false);
    const listed = await call(server, 'admin.teams.list', {}, { token: server.adminToken });
    assert.deepEqual(listed.response_metadata.warnings, ['partial: shard -80 is away']);
    assert.match((await shell(server, 'rows')).note, /partial: shard -80 is away/);
    assert.match(JSON.stringify(await shell(server, 'find acme', { mayFail: true })), /partial: shard -80 is away/);
    await Promise.all(shards.get('-80').map((each) => each.launch()));
    await eventually('posts into the shard that is back', async () =>
      (await call(server, 'chat.postMessage', { channel: channels['-80'], text: 'back' }, { token: alice.token })).ok, 30_000);
    // What reads has connections of its own, which find it a moment earlier or later.
    await eventually('the post to be read', async () => (await textsOf(bob, channels['-80']).catch(() => [])).includes('back'), 30_000);
    await wellWithin(30_000);
  });

  it('a planned reparent by the shell', async () => {
    const replica = (await table(server, 'shards --servers')).find((row) => row.SHARD === '-80' && row.ROLE === 'replica').SERVER;
    const { note } = await shell(server, `reparent -80 ${replica}`);
    assert.match(note, new RegExp(`^${replica} is the primary now`));
    await eventually('the node to hear of it from the topology', async () =>
      (await table(server, 'shards')).find((row) => row.SHARD === '-80').PRIMARY === replica, 10_000);
    await alice.web.chat.postMessage({ channel: channels['-80'], text: 'on the other one' });
    assert.equal((await shell(server, 'reparent -40 h:1', { mayFail: true })).error, 'not_found');
    await wellWithin(30_000);
  });

  it('a shard is split by the shell while people post, and nothing is lost', async () => {
    const fresh = await Promise.all([11, 12].map((id) => MariaDb.start({ id, standby: true })));
    const targets = `-40=${fresh[0].address} 40-80=${fresh[1].address}`;
    const plan = await shell(server, `reshard plan -80 ${targets}`);
    assert.equal(plan.note, 'serves afterwards: -40 40-80 80-');
    assert.equal((await shell(server, 'reshard plan -80 -40=h:1', { mayFail: true })).error, 'invalid_arguments');
    const channel = channels['-80'];
    const phase = async () => (await shell(server, 'reshard status')).rows[0][1];
    const acknowledged = await whilePosting(channel, 'moving', {}, async (posted) => {
      await shell(server, `reshard start -80 ${targets}`);
      await eventually('everything to be copied', async () => /^running/.test(await phase()), 60_000);
      await shell(server, 'reshard verify');
      const verified = async () => (await shell(server, 'reshard status')).rows.find(([what]) => what === 'verified')?.[1];
      await eventually('the verification', verified, 60_000);
      await shell(server, 'reshard switch');
      await eventually('the switch', async () => /^switched/.test(await phase()), 30_000);
      const atSwitch = posted.length;
      await eventually('posts into the new shards', () => posted.length >= atSwitch + 20);
      await shell(server, 'reshard complete');
      await eventually('the end', async () => /^completed/.test(await phase()), 60_000);
    });
    assert.deepEqual((await table(server, 'shards')).filter((row) => row.SERVES === 'yes').map((row) => row.SHARD), ['-40', '40-80', '80-']);
    const stored = (await textsOf(alice, channel)).filter((each) => each.startsWith('moving'));
    assert.deepEqual(stored, acknowledged.slice(-stored.length));
    await server.stop(); // the topology knows better than the configuration now
    await server.launch();
    for (const person of [alice, bob]) person.web = webClient(server.client, person.token);
    assert.deepEqual((await textsOf(alice, channel)).filter((each) => each.startsWith('moving')), stored);
  });
});

describe('mysql: what is wrong is said before anything is served', () => {
  const folder = temporaryFolder();
  async function end(mysql, { env = {}, args = [], data = join(folder, 'data') } = {}) {
    const chosen = mysqlSettings(text, mysql);
    const path = join(folder, 'throng.yaml');
    writeFileSync(path, JSON.stringify(settingsFor(data, chosen.settings), null, 2));
    return runToEnd(['--config', path, ...args], { env: { ...chosen.env, ...env } });
  }

  it('ranges that overlap or leave a gap, and a VSchema that is none, with file and line', async () => {
    for (const shardsText of ['-80=127.0.0.1:1', '-80=127.0.0.1:1 40-=127.0.0.1:2', '-8=127.0.0.1:1']) {
      for (const args of [['--check'], []]) {
        const { code, stderr } = await end({ shards: shardsText }, { args });
        assert.equal(code, 2, stderr);
        assert.match(stderr, /^[^\n]*throng\.yaml:\d+: storage\.mysql\.shards: [^\n]*\n$/);
      }
    }
    const vschema = join(folder, 'vschema.json');
    writeFileSync(vschema, '{\n  "sharded": true,\n  "vindexes": {"x": {"type": "magic"}}\n}\n');
    const { code, stderr } = await end({ vschema }, { args: ['--check'] });
    assert.equal(code, 2);
    assert.match(stderr, /vschema\.json:3: .*magic/);
    assert.ok(!existsSync(join(folder, 'data')));
  });

  it('a wrong password is code 2, and is not repeated', async () => {
    const { code, stderr } = await end({}, { env: { THRONG_STORAGE_MYSQL_PASSWORD: 'guessed wrong' } });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /storage\.mysql\.user: .*Access denied/);
    assert.ok(!stderr.includes('guessed wrong'));
  });

  it('servers that are away are waited for, and then named', async () => {
    const { code, stderr } = await end({ shards: '-80=127.0.0.1:1 80-=127.0.0.1:2', start_patience: '1s', supervise: false },
      { data: join(folder, 'away') });
    assert.equal(code, 1, stderr);
    assert.match(stderr, /could not start: .*shard (-80|80-)/);
  });

  it('SIGTERM ends a node that still waits for its shards', async () => {
    const chosen = mysqlSettings('-=127.0.0.1:1', { start_patience: '1h', supervise: false });
    const path = join(folder, 'waiting.yaml');
    writeFileSync(path, JSON.stringify(settingsFor(join(folder, 'waiting'), chosen.settings)));
    const child = spawn(program, ['--config', path], { env: { PATH: process.env.PATH, ...chosen.env }, stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (said) => { errors += said; });
    const ended = new Promise((done) => { child.on('close', done); });
    try {
      await eventually('it to wait', () => errors.includes('trying again'));
      child.kill('SIGTERM');
      assert.equal(await within(() => `throngd to end; ${errors}`, ended), 0);
      assert.match(errors, /stops while it starts: SIGTERM/);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('no shards at all', async () => {
    const { code, stderr } = await end({ shards: '' }, { data: join(folder, 'none') });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /storage\.mysql\.shards/);
  });
});
