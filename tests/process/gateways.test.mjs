// SPDX-License-Identifier: Apache-2.0
// Clients of a cluster whose gateways come and go: they carry on at another one under the same session, with exactly what
// they missed; who is there is seen to be there, and who has gone isn't.
import assert from 'node:assert/strict';
import { createServer, connect as dial } from 'node:net';
import { after, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, within } from '../sdk/support/deadline.mjs';
import { Listener } from '../sdk/support/listener.mjs';
import { Cluster } from '../sdk/support/nodes.mjs';
import { shell, table } from '../sdk/support/shell.mjs';
import { webClient } from '../sdk/support/slack.mjs';
import { Socket, resumeWith } from '../sdk/support/socket.mjs';
import { addPerson, createChannel, createWorkspace } from '../sdk/support/workspace.mjs';
import { patiently } from '../sdk/support/writers.mjs';

const cluster = await Cluster.start(3, { settings: { gateway: { drain_rate: 50 }, presence: { flap_delay: '5s' } } });
const [n1, n2, n3] = cluster.nodes;
const acme = await createWorkspace(n1, 'acme', ['alice']);
const { alice } = acme.people;
const people = [];
for (let i = 0; i < 24; ++i) people.push(await addPerson(acme, `person${i}`));
const channels = [];
for (let i = 0; i < 6; ++i) channels.push((await createChannel(alice, `channel-${i}`, people)).id);

/** The same person, as a client of another node. */
const at = (node, person) => ({ ...person, web: webClient(node.client, person.token) });
let posted = {}; // by channel, in order
let count = 0;
/** Patient where a node was just lost: elsewhere nobody may be refused. */
async function post(node, channel, { isPatient = false } = {}) {
  const text = `post ${++count}`;
  const message = { channel, text, client_msg_id: `id-${count}` };
  const send = () => at(node, alice).web.chat.postMessage(message);
  await (isPatient ? patiently(text, send) : send());
  (posted[channel] ??= []).push(text);
}
const postEverywhere = (node, how) => Promise.all(channels.map((channel) => post(node, channel, how)));
const textsIn = (frames, channel) => frames.filter((f) => f.type === 'message' && f.channel === channel && !f.subtype).map((f) => f.text);
const newest = () => channels.map((channel) => posted[channel].at(-1));

/**
 * Each channel's posts since `before`, over all of one client's sockets together: each once, in order, and no gap in what it
 * follows. Of a socket that it had left when something came over it, it took only what it had by then.
 */
function checkHeard(sockets, before, { mayGap = false } = {}) {
  const frames = sockets.flatMap((socket) => socket.frames.slice(0, socket.taken));
  for (const channel of channels)
    assert.deepEqual(textsIn(frames, channel), posted[channel].slice(before[channel] ?? 0), `${channel}, ${sockets.length} sockets`);
  assert.deepEqual(frames.filter((f) => f.type === 'gap' && (!mayGap || channels.includes(f.stream))), []);
}
const positions = () => Object.fromEntries(channels.map((channel) => [channel, posted[channel]?.length ?? 0]));
/** Until the newest posts have come over one of these sockets, which are one client's. */
const untilAllCame = (...sockets) => eventually(() => `all posts to come: ${JSON.stringify(sockets.at(-1).frames.slice(-3))}`,
  () => newest().every((text) => sockets.some((socket) => socket.frames.some((f) => f.text === text))), 20_000);

/** One client each, with all that it heard over its sockets. */
async function connectAll(node, who) {
  const clients = await Promise.all(who.map(async (person) => ({ person, sockets: [await Socket.connect(at(node, person))] })));
  return clients;
}
async function resumeAll(node, clients, { isPatient = false } = {}) {
  await Promise.all(clients.map(async (client) => {
    const last = client.sockets.at(-1);
    last.taken = last.frames.length;
    const frames = client.sockets.flatMap((socket) => socket.frames.slice(0, socket.taken));
    const connect = () => Socket.connect(at(node, client.person), resumeWith(last.boot?.session ?? client.session, frames));
    const next = await (isPatient ? patiently(`${client.person.name} to connect`, connect) : connect());
    assert.equal(next.boot.resumed, true);
    assert.equal(next.boot.session, last.boot?.session ?? client.session, 'the session goes on');
    client.sockets.push(next);
  }));
}
const closeAll = (clients) => Promise.all(clients.map((client) => client.sockets.at(-1).close()));

/** Each client follows the goodbye that it is told, under its session; when they were told, in milliseconds since the call. */
async function followGoodbyes(clients, others) {
  const began = performance.now();
  const times = [];
  await Promise.all(clients.map(async (client) => {
    const [first] = client.sockets;
    client.session = first.boot.session;
    const { url } = await first.expect({ type: 'goodbye' });
    times.push(performance.now() - began);
    assert.ok(others.some((node) => url.startsWith(node.client.replace('http', 'ws'))), url);
    const { code } = await within('the close that follows', first.closed);
    assert.equal(code, 1001);
    const next = await Socket.open(url, { expectHello: false });
    client.sockets.push(next);
    const hello = await next.expect({ type: 'hello' });
    assert.deepEqual({ session: hello.session, is_resumed: hello.is_resumed }, { session: client.session, is_resumed: true });
    const { url: later } = await next.expect({ type: 'reconnect_url' });
    assert.equal(new URL(later).host, new URL(url).host, 'where it is now, not where it was');
  }));
  return times.sort((a, b) => a - b);
}

describe('clients of several gateways', () => {
  after(() => cluster.stop());

  it('come back at another one, and the socket that they had is closed', { timeout: 60_000 }, async () => {
    await postEverywhere(n1);
    const before = positions();
    const clients = await connectAll(n1, people.slice(0, 12));
    await postEverywhere(n3);
    await Promise.all(clients.map(({ sockets: [first] }) => untilAllCame(first)));
    await resumeAll(n2, clients);
    for (const { sockets: [first] } of clients) {
      const { code } = await within('the older socket to be closed', first.closed);
      assert.equal(code, 1000);
    }
    const heard = clients.map(({ sockets: [first] }) => first.frames.length);
    await postEverywhere(n1);
    await Promise.all(clients.map(({ sockets }) => untilAllCame(...sockets)));
    clients.forEach(({ sockets }, i) => {
      checkHeard(sockets, before);
      assert.equal(sockets[0].frames.length, heard[i], 'nothing comes over the older socket any more');
    });
    await closeAll(clients);
  });

  it('come back from one that is paused; woken, it has no part in their sessions any more', { timeout: 90_000 }, async () => {
    const before = positions();
    const clients = await connectAll(n2, people.slice(0, 12));
    await postEverywhere(n1);
    await Promise.all(clients.map(({ sockets: [first] }) => untilAllCame(first)));
    n2.child.kill('SIGSTOP');
    await postEverywhere(n1, { isPatient: true });
    await resumeAll(n3, clients, { isPatient: true });
    await postEverywhere(n1, { isPatient: true });
    await Promise.all(clients.map(({ sockets }) => untilAllCame(...sockets)));
    for (const { sockets: [first] } of clients) for (const channel of channels) first.send({ id: 1, type: 'message', channel, text: 'from the past' });
    n2.child.kill('SIGCONT');
    await postEverywhere(n3);
    for (const { sockets: [first] } of clients) await within('the older socket to be closed', first.closed);
    // What was on its way to the older sockets came there late, and nothing else.
    for (const { sockets: [first] } of clients) assert.ok(!newest().some((text) => first.frames.some((f) => f.text === text)));
    await Promise.all(clients.map(({ sockets }) => untilAllCame(...sockets)));
    for (const { sockets } of clients) checkHeard(sockets, before, { mayGap: true });
    for (const channel of channels) {
      const { messages } = await at(n1, alice).web.conversations.history({ channel, limit: 200 });
      assert.ok(!messages.some((message) => message.text === 'from the past'));
    }
    await closeAll(clients);
    await cluster.settled(undefined, 60_000);
  });

  it('who is there is seen to be there, whichever node dies, and who was only there isn\'t', { timeout: 120_000 }, async () => {
    const [staying, leaving, moving] = [people.slice(0, 8), people.slice(8, 16), people.slice(16, 24)];
    const watchers = await Promise.all([n1, n2].map((node) => Socket.connect(at(node, alice), { presence_sub: true, batch_presence_aware: true })));
    const ids = people.map((person) => person.id);
    for (const watcher of watchers) watcher.send({ type: 'presence_sub', ids });
    const seenBy = (watcher) => {
      const seen = {};
      for (const frame of watcher.frames)
        if (frame.type === 'presence_change') for (const user of frame.users ?? [frame.user]) seen[user] = frame.presence;
      return seen;
    };
    const awaySince = (watcher, from) => watcher.frames.slice(from).filter((f) => f.type === 'presence_change' && f.presence === 'away')
      .flatMap((f) => f.users ?? [f.user]);
    const there = [await connectAll(n1, staying.slice(0, 4)), await connectAll(n2, staying.slice(4))].flat();
    const gone = await connectAll(n3, leaving);
    const moved = await connectAll(n3, moving);
    await postEverywhere(n2); // so that they know where they are
    await Promise.all(moved.map(({ sockets: [first] }) => untilAllCame(first)));
    for (const watcher of watchers)
      await eventually('everybody to be seen', () => ids.every((id) => seenBy(watcher)[id] === 'active'));
    const from = watchers.map((watcher) => watcher.frames.length);

    const killed = performance.now();
    await n3.kill();
    await Promise.all(moved.map(({ sockets: [first] }) => within('the line to be cut', first.closed)));
    await resumeAll(n2, moved, { isPatient: true });
    const back = performance.now();
    let converged;
    for (const watcher of watchers) {
      await eventually(() => `those who have gone to be seen as away: ${JSON.stringify(seenBy(watcher))}`,
        () => leaving.every((person) => seenBy(watcher)[person.id] === 'away'), 20_000);
      converged = performance.now();
    }
    process.stdout.write(`after a kill -9 of a gateway, its clients were back after ${(back - killed).toFixed(0)} ms, and who stayed away was away after ${(converged - killed).toFixed(0)} ms (it is waited for a return for 5000 ms)\n`);
    await pause(7_000); // longer than anybody is waited for: what would flicker has done so
    watchers.forEach((watcher, i) => {
      const away = awaySince(watcher, from[i]);
      assert.deepEqual([...new Set(away)].sort(), leaving.map((person) => person.id).sort(), 'only who has gone was shown as away');
      assert.equal(away.length, leaving.length, 'and once');
    });
    for (const node of [n1, n2])
      for (const person of people) {
        const { presence } = await at(node, alice).web.users.getPresence({ user: person.id });
        assert.equal(presence, leaving.includes(person) ? 'away' : 'active', `${person.name} at ${node.name}`);
      }
    const rejoined = await connectAll(n1, leaving);
    for (const watcher of watchers)
      await eventually('everybody to be seen again', () => ids.every((id) => seenBy(watcher)[id] === 'active'));
    void gone;
    await closeAll([...there, ...moved, ...rejoined]);
    await Promise.all(watchers.map((watcher) => watcher.close()));
    await n3.launch();
    await cluster.settled(undefined, 60_000);
  });

  it('come back from one that was killed, whoever had their sessions', { timeout: 90_000 }, async () => {
    const before = positions();
    const clients = await connectAll(n3, people);
    await postEverywhere(n1);
    await Promise.all(clients.map(({ sockets: [first] }) => untilAllCame(first)));
    await n3.kill();
    await Promise.all(clients.map(({ sockets: [first] }) => within('the line to be cut', first.closed)));
    await resumeAll(n1, clients, { isPatient: true });
    await postEverywhere(n2, { isPatient: true });
    await Promise.all(clients.map(({ sockets }) => untilAllCame(...sockets)));
    for (const { sockets } of clients) checkHeard(sockets, before, { mayGap: true });
    await closeAll(clients);
    await n3.launch();
    await cluster.settled(undefined, 60_000);
  });

  it('are sent to another one when theirs stops, one after the other, and miss nothing', { timeout: 90_000 }, async () => {
    const before = positions();
    const clients = (await Promise.all(Array.from({ length: 8 }, () => connectAll(n3, people)))).flat();
    await postEverywhere(n1);
    await Promise.all(clients.map(({ sockets: [first] }) => untilAllCame(first)));
    let isOver = false;
    const posting = (async () => { while (!isOver) { await postEverywhere(n2); await pause(50); } })();
    const started = performance.now();
    let sorted, ended;
    try {
      [sorted] = await Promise.all([followGoodbyes(clients, [n1, n2]), n3.stop()]);
      ended = performance.now();
    } finally {
      isOver = true;
    }
    await posting;
    await Promise.all(clients.map(({ sockets }) => untilAllCame(...sockets)));
    for (const { sockets } of clients) checkHeard(sockets, before);
    process.stdout.write(`${clients.length} clients of a stopping gateway were told from ${sorted[0].toFixed(0)} to ${sorted.at(-1).toFixed(0)} ms, half of them by ${sorted[sorted.length >> 1].toFixed(0)}; it ended after ${(ended - started).toFixed(0)} ms\n`);
    assert.ok(sorted.at(-1) - sorted[0] > 1_200, 'they were told over some of 192 / (50 a second)');
    assert.ok(sorted[sorted.length >> 1] - sorted[0] > 400, 'and not most of them at once');
    await closeAll(clients);
    await n3.launch();
    await cluster.settled(undefined, 60_000);
  });

  it('are sent to another one when theirs is drained by the shell; new ones too, until it is undrained', { timeout: 90_000 }, async () => {
    const before = positions();
    const clients = (await Promise.all([people, people].map((each) => connectAll(n3, each)))).flat();
    await postEverywhere(n1);
    await Promise.all(clients.map(({ sockets: [first] }) => untilAllCame(first)));
    let isOver = false;
    const posting = (async () => { while (!isOver) { for (const node of cluster.nodes) await postEverywhere(node); await pause(50); } })();
    const { host } = new URL(n3.client);
    let late;
    try {
      const moving = followGoodbyes(clients, [n1, n2]);
      await shell(n1, 'drain n3');
      const told = await moving;
      process.stdout.write(`${clients.length} clients of a gateway that is drained by hand were told from ${told[0].toFixed(0)} to ${told.at(-1).toFixed(0)} ms\n`);
      assert.ok(told.at(-1) - told[0] > 250, 'they were told over some of 48 / (50 a second)');
      const stateOf = async () => (await table(n1, 'nodes')).find((row) => row.NODE === 'n3');
      await eventually('n3 to be empty', async () => {
        const { STATE, SLOTS, READY, CONNECTIONS } = await stateOf();
        return STATE === 'drained' && SLOTS === 0 && READY === 'no' && CONNECTIONS === 0;
      });
      assert.equal((await fetch(`${n3.admin}/readyz`)).status, 503, 'what is in front of the gateways is told');

      // It goes on answering calls, and says where else websockets are.
      const boot = await at(n3, people[0]).web.rtm.connect();
      assert.ok([n1, n2].some((node) => boot.url.startsWith(node.client.replace('http', 'ws'))), boot.url);
      await assert.rejects(Socket.open(boot.url.replace(new URL(boot.url).host, host)), { status: 503 });
      late = await Socket.open(boot.url);
    } finally {
      isOver = true;
    }
    await posting;
    await post(n3, channels[0]);
    await late.expect({ type: 'message', text: posted[channels[0]].at(-1) });
    await late.close();
    await Promise.all(clients.map(({ sockets }) => untilAllCame(...sockets)));
    for (const { sockets } of clients) checkHeard(sockets, before);
    await closeAll(clients);

    await shell(n2, 'undrain n3');
    await eventually('n3 to be ready again', async () => (await fetch(`${n3.admin}/readyz`)).status === 200);
    const back = await Socket.connect(at(n3, people[0]));
    assert.ok(back.boot.url.includes(host), back.boot.url);
    await post(n1, channels[0]);
    await back.expect({ type: 'message', text: posted[channels[0]].at(-1) });
    await back.close();
    await cluster.settled(undefined, 60_000);
  });

  it('the official package carries on by itself when its gateway stops', { timeout: 90_000 }, async () => {
    // What stands in front of a company's gateways: the first that takes the connection.
    const order = [n1, n2, n3];
    const front = createServer((client) => {
      client.on('error', () => {});
      const attempt = (i) => {
        if (i === order.length) return client.destroy();
        const { port } = new URL(order[i].client);
        const server = dial(Number(port), '127.0.0.1', () => { client.pipe(server).pipe(client); });
        server.on('error', () => (server.bytesRead === 0 ? attempt(i + 1) : client.destroy()));
        server.on('close', () => { if (server.bytesRead > 0) client.destroy(); });
        client.on('close', () => server.destroy());
      };
      attempt(0);
    });
    await new Promise((done) => { front.listen(0, '127.0.0.1', done); });
    const entrance = { client: `http://127.0.0.1:${front.address().port}`, listeners: new Set() };
    const listener = await Listener.connect(entrance, people[0], { autoReconnect: true, retryConfig: undefined }); // as it comes
    try {
      await post(n2, channels[0]);
      await listener.expect('message', { text: posted[channels[0]].at(-1) });
      const stopping = n1.stop();
      await listener.expect('goodbye');
      await eventually('the package to be connected again', () => listener.all('hello').length === 2);
      await stopping;
      await post(n2, channels[0]);
      await listener.expect('message', { text: posted[channels[0]].at(-1) });
      const { ts } = await within('its own message', listener.rtm.sendMessage('still here', channels[0]));
      assert.ok(ts);
    } finally {
      await listener.close();
      front.close();
    }
    await n1.launch();
    await cluster.settled(undefined, 60_000);
  });
});
