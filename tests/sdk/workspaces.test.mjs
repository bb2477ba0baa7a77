// SPDX-License-Identifier: Apache-2.0
// Two workspaces on one server: nothing of one can be seen, named or changed from the other.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { assertHas, refused } from './support/expect.mjs';
import { Listener } from './support/listener.mjs';
import { Socket } from './support/socket.mjs';
import { Throngd } from './support/throngd.mjs';
import { addPerson, createChannel, createWorkspace, installBot } from './support/workspace.mjs';

const server = await Throngd.start();
const acme = await createWorkspace(server, 'acme');
const globex = await createWorkspace(server, 'globex');
const { alice, bob } = acme.people;
const stranger = globex.people.alice;
const robot = await installBot(acme, 'robot');
const { id: channel } = await createChannel(alice, 'plans', [bob]);
const { ts: posted } = await alice.web.chat.postMessage({ channel, text: 'acme only' });

describe('two workspaces', () => {
  after(() => server.stop());

  it('have the same names without disturbing each other', async () => {
    const theirs = await createChannel(stranger, 'plans');
    assert.notEqual(theirs.id, channel);
    assert.notEqual(stranger.id, alice.id);
    assert.equal((await stranger.web.auth.test()).user, 'alice');
    assert.notEqual(acme.general, globex.general);
  });

  it('lists show only one\'s own', async () => {
    const channels = (await stranger.web.conversations.list({ limit: 1000 })).channels.map((c) => c.id);
    assert.ok(channels.includes(globex.general) && !channels.includes(channel) && !channels.includes(acme.general));
    const people = (await stranger.web.users.list({ limit: 1000 })).members.map((m) => m.id);
    assert.ok(people.includes(stranger.id) && !people.includes(alice.id) && !people.includes(robot.id));
    const boot = await stranger.web.rtm.start();
    assert.ok(!JSON.stringify(boot).includes(channel) && !JSON.stringify(boot).includes(alice.id));
  });

  const foreign = {
    'conversations.info': [{ channel }, 'channel_not_found'],
    'conversations.history': [{ channel }, 'channel_not_found'],
    'conversations.replies': [{ channel, ts: posted }, 'channel_not_found'],
    'conversations.members': [{ channel }, 'channel_not_found'],
    'conversations.join': [{ channel }, 'channel_not_found'],
    'conversations.leave': [{ channel }, 'channel_not_found'],
    'conversations.invite': [{ channel, users: stranger.id }, 'channel_not_found'],
    'conversations.kick': [{ channel, user: bob.id }, 'channel_not_found'],
    'conversations.rename': [{ channel, name: 'stolen' }, 'channel_not_found'],
    'conversations.setTopic': [{ channel, topic: 'x' }, 'channel_not_found'],
    'conversations.setPurpose': [{ channel, purpose: 'x' }, 'channel_not_found'],
    'conversations.archive': [{ channel }, 'channel_not_found'],
    'conversations.unarchive': [{ channel }, 'channel_not_found'],
    'conversations.mark': [{ channel, ts: posted }, 'channel_not_found'],
    'conversations.close': [{ channel }, /^(channel_not_found|method_not_supported_for_channel_type)$/],
    'conversations.open': [{ users: alice.id }, 'user_not_found'],
    'chat.postMessage': [{ channel, text: 'x' }, 'channel_not_found'],
    'chat.postEphemeral': [{ channel, user: bob.id, text: 'x' }, 'channel_not_found'],
    'chat.meMessage': [{ channel, text: 'x' }, 'channel_not_found'],
    'chat.update': [{ channel, ts: posted, text: 'x' }, 'channel_not_found'],
    'chat.delete': [{ channel, ts: posted }, 'channel_not_found'],
    'chat.getPermalink': [{ channel, message_ts: posted }, 'channel_not_found'],
    'reactions.add': [{ channel, timestamp: posted, name: 'eyes' }, 'channel_not_found'],
    'reactions.get': [{ channel, timestamp: posted }, 'channel_not_found'],
    'pins.add': [{ channel, timestamp: posted }, 'channel_not_found'],
    'pins.list': [{ channel }, 'channel_not_found'],
    'users.info': [{ user: alice.id }, 'user_not_found'],
    'users.profile.get': [{ user: alice.id }, 'user_not_found'],
    'users.getPresence': [{ user: alice.id }, 'user_not_found'],
    'users.lookupByEmail': [{ email: alice.email }, 'users_not_found'],
    'bots.info': [{ bot: robot.bot }, 'bot_not_found'],
    'dnd.info': [{ user: alice.id }, 'user_not_found'],
  };
  for (const [method, [args, code]] of Object.entries(foreign)) {
    it(`${method} with a foreign id is refused: ${code}`, () => refused(stranger.web.apiCall(method, args), code));
  }

  it('nobody is invited across the wall', async () => {
    await refused(alice.web.conversations.invite({ channel, users: stranger.id }), 'user_not_found');
  });

  it('events stay inside', async () => {
    await Listener.connect(server, alice);
    const line = await Listener.connect(server, stranger);
    const socket = await Socket.connect(stranger);
    socket.send({ id: 1, type: 'message', channel, text: 'over the wall' });
    await socket.expect({ reply_to: 1, ok: false });
    socket.send({ id: 2, type: 'typing', channel });
    socket.send({ id: 3, type: 'presence_sub', ids: [alice.id] });
    socket.send({ id: 4, type: 'presence_query', ids: [alice.id] });
    const bobs = await Listener.connect(server, bob);
    const { ts } = await alice.web.chat.postMessage({ channel, text: 'still acme only' });
    await alice.web.users.profile.set({ name: 'title', value: 'x' });
    await addPerson(acme, 'newcomer');
    await bobs.expect('message', { ts });
    bobs.hasNot('user_typing');
    const { ts: fence } = await stranger.web.chat.postMessage({ channel: globex.general, text: 'fence' });
    await line.expect('message', { ts: fence });
    for (const name of ['message', 'user_typing']) line.hasNot(name, { channel });
    for (const name of ['presence_change', 'user_change', 'team_join']) {
      line.hasNot(name, (e) => JSON.stringify(e).includes(alice.id) || JSON.stringify(e).includes(acme.id));
    }
    socket.send({ id: 5, type: 'ping' });
    await socket.expect({ type: 'pong' });
    const known = socket.frames.filter((f) => JSON.stringify(f).includes(alice.id) && f.presence !== 'away');
    assert.deepEqual(known, [], 'whether a foreign person is online is not told');
    const { messages } = await alice.web.conversations.history({ channel });
    assertHas(messages[0], { text: 'still acme only' });
  });
});
