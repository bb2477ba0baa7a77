// SPDX-License-Identifier: Apache-2.0
// The websocket itself: tickets, hello, acknowledgements, ping, typing, presence, goodbye.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { within } from './support/deadline.mjs';
import { assertHas, ts } from './support/expect.mjs';
import { Listener } from './support/listener.mjs';
import { generations, rtmClient, webClient } from './support/slack.mjs';
import { Socket } from './support/socket.mjs';
import { Throngd } from './support/throngd.mjs';
import { createChannel, createWorkspace, installBot } from './support/workspace.mjs';

const server = await Throngd.start({ settings: { presence: { flap_delay: '500ms' } } }); // it waits for a quick return
const acme = await createWorkspace(server, 'acme', ['alice', 'bob', 'carol']);
const { alice, bob, carol } = acme.people;
const robot = await installBot(acme, 'robot');
const { id: channel } = await createChannel(alice, 'rtm', [bob, robot]);

describe('rtm', () => {
  after(() => server.stop());

  for (const generation of Object.keys(generations)) {
    it(`SDK ${generation}: connects by rtm.connect and by rtm.start, posts and is acknowledged`, async () => {
      for (const useRtmConnect of [true, false]) {
        const line = await Listener.connect(server, bob, { generation, useRtmConnect });
        assertHas(line.boot, { self: { id: bob.id, name: 'bob' }, team: { id: acme.id, name: acme.name, domain: 'acme' }, url: /^ws:/ });
        const reply = await line.rtm.sendMessage('by websocket & more', channel);
        assertHas(reply, { ok: true, ts, text: 'by websocket &amp; more', reply_to: Number.isInteger });
        const { messages } = await alice.web.conversations.history({ channel, latest: reply.ts, inclusive: true, limit: 1 });
        assertHas(messages[0], { ts: reply.ts, user: bob.id, text: 'by websocket &amp; more' });
        await line.close();
      }
    });

    it(`SDK ${generation}: a refused message rejects with the reason`, async () => {
      const line = await Listener.connect(server, carol, { generation });
      await assert.rejects(line.rtm.sendMessage('not a member', channel), (error) => /not_in_channel|channel_not_found/.test(JSON.stringify(error.data)));
      await line.close();
    });
  }

  it('a bot connects and posts as the bot', async () => {
    const line = await Listener.connect(server, robot);
    const reader = await Listener.connect(server, alice);
    const { ts: at } = await line.rtm.sendMessage('beep', channel);
    assertHas(await reader.expect('message', { ts: at }), { bot_id: robot.bot, user: robot.id });
  });

  it('a wrong token fails the SDK for good', async () => {
    const rtm = rtmClient(server.client, 'xoxp-forged', { autoReconnect: true });
    await assert.rejects(rtm.start(), /invalid_auth/);
  });

  it('hello comes first, the acknowledgement instead of the event, and the event on the other connection', async () => {
    const sender = await Socket.connect(alice);
    const second = await Socket.connect(alice);
    assert.equal(sender.frames[0].type, 'hello');
    sender.send({ id: 7, type: 'message', channel, text: 'hi < there' });
    const reply = await sender.expect({ reply_to: 7 });
    assertHas(reply, { ok: true, ts, text: 'hi &lt; there' });
    await second.expect({ type: 'message', ts: reply.ts, user: alice.id });
    sender.send({ id: 8, type: 'ping' });
    await sender.expect({ type: 'pong', reply_to: 8 });
    assert.equal(sender.frames.filter((f) => f.type === 'message' && f.ts === reply.ts).length, 0);
    await Promise.all([sender.close(), second.close()]);
  });

  it('answers in the thread over the websocket', async () => {
    const socket = await Socket.connect(alice);
    socket.send({ id: 1, type: 'message', channel, text: 'root' });
    const root = (await socket.expect({ reply_to: 1 })).ts;
    socket.send({ id: 2, type: 'message', channel, text: 'reply', thread_ts: root });
    await socket.expect({ reply_to: 2, ok: true });
    socket.send({ id: 3, type: 'message', channel, text: 'shown', thread_ts: root, reply_broadcast: true });
    await socket.expect({ reply_to: 3, ok: true });
    const { messages } = await alice.web.conversations.replies({ channel, ts: root });
    assert.deepEqual(messages.map((m) => m.text), ['root', 'reply', 'shown']);
    await socket.close();
  });

  it('ping is answered with its own fields', async () => {
    const socket = await Socket.connect(alice);
    socket.send({ id: 1, type: 'ping', time: 1234567890123, nested: { a: [1, 'x'] } });
    assert.deepEqual(await socket.expect({ type: 'pong' }), { type: 'pong', reply_to: 1, time: 1234567890123, nested: { a: [1, 'x'] } });
    const ponged = new Promise((done) => socket.ws.once('pong', (data) => done(String(data))));
    socket.ws.ping('control');
    assert.equal(await within('control pong', ponged), 'control');
    await socket.close();
  });

  it('bad frames get an error and the line stays up', async () => {
    const socket = await Socket.connect(carol);
    const bad = [
      [{ id: 1, type: 'message', channel, text: 'x' }, /not_in_channel|channel_not_found/],
      [{ id: 2, type: 'message', channel: acme.general }, /no_text|missing/],
      [{ id: 3, type: 'message', channel: acme.general, text: '' }, /no_text|missing/],
      [{ id: 4, type: 'message', channel: 17, text: 'x' }, /./],
      [{ id: 5, type: 'message', text: 'x' }, /./],
      [{ id: 6, type: 'message', channel: 'C0NOSUCH0001', text: 'x' }, /channel_not_found/],
      [{ id: 7, type: 'nonsense' }, /./],
      [{ id: 8, type: 'message', channel: acme.general, text: { no: 'string' } }, /./],
    ];
    for (const [frame, reason] of bad) {
      socket.send(frame);
      const reply = await socket.expect({ reply_to: frame.id });
      assertHas(reply, { ok: false, error: { code: Number.isInteger, msg: reason } }, JSON.stringify(frame));
    }
    for (const text of ['not json', '[]', '"text"', '{}', '{"type":5}', '{"type":"message"}', '{"id":{},"type":"ping"}', '{"id":1,']) {
      socket.send(text);
      const answer = await socket.expect((f) => f.type === 'error' || f.ok === false || f.type === 'pong');
      if (answer.type === 'error') assertHas(answer, { error: { code: Number.isInteger, msg: /./ } });
    }
    socket.send({ id: 99, type: 'ping' });
    await socket.expect({ type: 'pong', reply_to: 99 });
    await socket.close();
  });

  it('typing is shown to the others and never to oneself', async () => {
    const typist = await Listener.connect(server, alice);
    const reader = await Listener.connect(server, bob);
    const outsider = await Listener.connect(server, carol);
    await typist.rtm.sendTyping(channel);
    assertHas(await reader.expect('user_typing', { channel }), { user: alice.id });
    const { ts: fence } = await alice.web.chat.postMessage({ channel: acme.general, text: 'fence' });
    await Promise.all([typist, outsider].map((line) => line.expect('message', { ts: fence })));
    typist.hasNot('user_typing');
    outsider.hasNot('user_typing');
    await Promise.all([typist, reader, outsider].map((line) => line.close()));
  });

  it('presence_sub tells the present state and then changes of exactly these people', async () => {
    const watcher = await Listener.connect(server, alice, { start: { presence_sub: true, batch_presence_aware: true } });
    const about = (id) => (e) => e.user === id || e.users?.includes(id);
    const presence = (id, value) => watcher.expect('presence_change', (e) => about(id)(e) && e.presence === value);
    await watcher.rtm.subscribePresence([bob.id]);
    await presence(bob.id, 'away');
    const bobs = await Listener.connect(server, bob);
    const carols = await Listener.connect(server, carol);
    await presence(bob.id, 'active');
    watcher.hasNot('presence_change', about(carol.id));
    await watcher.rtm.subscribePresence([carol.id]);
    await presence(carol.id, 'active');
    await Promise.all([bobs.close(), carols.close()]);
    await presence(carol.id, 'away');
    await watcher.close();
  });

  it('presence_query answers once', async () => {
    const online = await Listener.connect(server, bob);
    const socket = await Socket.connect(alice, { presence_sub: true, batch_presence_aware: true });
    socket.send({ id: 1, type: 'presence_query', ids: [bob.id] });
    await socket.expect({ type: 'presence_change', presence: 'active' });
    socket.send({ id: 2, type: 'presence_query', ids: [bob.id, carol.id] });
    await socket.expect((f) => f.type === 'presence_change' && (f.user === carol.id || f.users?.includes(carol.id)) && f.presence === 'away');
    await socket.close();
    await online.close();
  });

  it('a ticket works once, a made-up one never, and plain HTTP on it is refused', async () => {
    const { url } = await alice.web.rtm.connect();
    const first = await Socket.open(url);
    await assert.rejects(rejectedOpen(url));
    const forged = new URL(url);
    forged.pathname = forged.pathname.replace(/[0-9a-f]{8}$/, '00000000');
    assert.notEqual(String(forged), url);
    await assert.rejects(rejectedOpen(String(forged)));
    const { url: unused } = await alice.web.rtm.connect();
    const response = await fetch(unused.replace(/^ws/, 'http'));
    assert.ok(response.status >= 400 && response.status < 500, `plain HTTP: ${response.status}`);
    first.send({ id: 1, type: 'ping' });
    await first.expect({ type: 'pong' });
    await first.close();
  });

  it('a revoked token ends its connection', async () => {
    const { token } = await webClient(server.client, server.adminToken).apiCall('throng.tokens.issue', { team_id: acme.id, user_id: alice.id, type: 'user' });
    const web = webClient(server.client, token);
    const socket = await Socket.connect({ web });
    await web.auth.revoke();
    await within('the connection of a revoked token to close', socket.closed);
  });

  it('reconnect_url offers the next connection', async () => {
    const socket = await Socket.connect(alice);
    const { url } = await socket.expect({ type: 'reconnect_url' });
    const next = await Socket.open(url);
    await Promise.all([socket.close(), next.close()]);
  });

  it('SIGTERM says goodbye and closes, and throngd ends with 0', async () => {
    const other = await Throngd.start();
    const team = await createWorkspace(other, 'bye');
    const line = await Listener.connect(other, team.people.alice);
    const socket = await Socket.connect(team.people.bob);
    other.listeners.clear(); // the server is to close the connections, not the test
    await other.stop();
    await line.expect('goodbye');
    await socket.expect({ type: 'goodbye' });
    const { code } = await within('websocket to be closed', socket.closed);
    assert.ok([1001, 1012].includes(code), `close code ${code}`);
  });
});

/** Fails as it should: the upgrade is refused, or the line is closed before hello. */
async function rejectedOpen(url) {
  const socket = await Socket.open(url, { expectHello: false });
  const outcome = await within('refusal', Promise.race([socket.closed, socket.expect({ type: 'hello' })]));
  if (outcome.type !== 'hello') throw new Error(`closed with ${outcome.code}`);
  return socket;
}
