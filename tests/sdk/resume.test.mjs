// SPDX-License-Identifier: Apache-2.0
// A session outlives its socket. A client that comes back with its session and what it last saw of each stream gets exactly
// what it missed, or is told that there is a gap.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { eventually } from './support/deadline.mjs';
import { assertHas, refused } from './support/expect.mjs';
import { Listener } from './support/listener.mjs';
import { Socket, resumeWith } from './support/socket.mjs';
import { webClient } from './support/slack.mjs';
import { Throngd } from './support/throngd.mjs';
import { createChannel, createWorkspace } from './support/workspace.mjs';

const server = await Throngd.start();
const acme = await createWorkspace(server, 'acme', ['alice', 'bob', 'carol']);
const { alice, bob, carol } = acme.people;

const texts = (frames, channel) => frames.filter((f) => f.type === 'message' && f.channel === channel && !f.subtype).map((f) => f.text);

/** Everything up to a message that is posted now, over the line `socket`. */
async function fence(socket, channel) {
  const { ts } = await alice.web.chat.postMessage({ channel, text: 'fence' });
  await socket.expect({ type: 'message', ts });
}

describe('resume', () => {
  after(() => server.stop());

  it('a cut connection comes back and gets exactly what it missed, in order', async () => {
    const { id: channel } = await createChannel(alice, 'missed', [bob]);
    const first = await Socket.connect(bob);
    await alice.web.chat.postMessage({ channel, text: 'seen' });
    await first.expect({ type: 'message', text: 'seen' });
    await alice.web.users.profile.set({ name: 'title', value: 'seen' }); // so that it knows where it is in the workspace's stream
    await first.expect({ type: 'user_change' });
    first.cut();
    await first.closed;

    const missed = Array.from({ length: 20 }, (_, i) => `missed ${i}`);
    const posted = [];
    for (const text of missed) posted.push((await alice.web.chat.postMessage({ channel, text })).ts);
    await alice.web.reactions.add({ channel, timestamp: posted[3], name: 'eyes' });
    await alice.web.chat.update({ channel, ts: posted[4], text: 'changed' });
    await alice.web.chat.delete({ channel, ts: posted[5] });
    await alice.web.users.profile.set({ name: 'title', value: 'missed' });

    const second = await Socket.connect(bob, resumeWith(first.boot.session, first.frames));
    await fence(second, channel);
    await eventually('the profile', () => second.frames.some((f) => f.type === 'user_change')); // another stream than the fence's
    assert.deepEqual(texts(second.frames, channel).filter((t) => t !== 'missed 5'), [...missed.filter((t) => t !== 'missed 5'), 'fence']);
    for (const [what, fields] of Object.entries({
      'the reaction': { type: 'reaction_added', reaction: 'eyes' }, 'the change': { subtype: 'message_changed' },
      'the deletion': { subtype: 'message_deleted', deleted_ts: posted[5] }, 'the profile': { type: 'user_change' } })) {
      const count = second.frames.filter((f) => Object.entries(fields).every(([k, v]) => f[k] === v)).length;
      assert.equal(count, 1, `${what} came ${count} times`);
    }
    for (const stream of [channel, acme.id]) assert.ok(!second.frames.some((f) => f.type === 'gap' && f.stream === stream), `gap in ${stream}`);
    await second.close();
  });

  it('of a stream in which it had seen nothing yet, it gets what it missed or is told of a gap', async () => {
    const { id: channel } = await createChannel(alice, 'unseen', [bob]);
    const first = await Socket.connect(bob);
    first.cut();
    await first.closed;
    await alice.web.chat.postMessage({ channel, text: 'missed' });
    const second = await Socket.connect(bob, resumeWith(first.boot.session, first.frames));
    await second.expect((f) => f.text === 'missed' || (f.type === 'gap' && f.stream === channel));
    await second.close();
  });

  it('nothing comes twice when cursors are older than what the server sent', async () => {
    const { id: channel } = await createChannel(alice, 'older', [bob]);
    const first = await Socket.connect(bob);
    for (const text of ['one', 'two', 'three']) await alice.web.chat.postMessage({ channel, text });
    await first.expect({ type: 'message', text: 'three' });
    const upToOne = first.frames.slice(0, 1 + first.frames.findIndex((f) => f.text === 'one'));
    first.cut();
    await first.closed;
    const second = await Socket.connect(bob, resumeWith(first.boot.session, upToOne));
    await fence(second, channel);
    assert.deepEqual(texts(second.frames, channel), ['two', 'three', 'fence']);
    await second.close();
  });

  it('a channel joined and a channel left meanwhile are right after the resume', async () => {
    const first = await Socket.connect(bob);
    const { id: left } = await createChannel(alice, 'will-leave', [bob]);
    await first.expect({ type: 'channel_joined' }); // so that it knows where it is in its own stream
    await alice.web.chat.postMessage({ channel: left, text: 'before' });
    await first.expect({ type: 'message', text: 'before' });
    first.cut();
    await first.closed;
    await alice.web.conversations.kick({ channel: left, user: bob.id });
    const { id: joined } = await createChannel(alice, 'newly-joined', [bob]);
    await alice.web.chat.postMessage({ channel: joined, text: 'welcome' });
    const second = await Socket.connect(bob, resumeWith(first.boot.session, first.frames));
    await second.expect({ type: 'channel_left', channel: left });
    await second.expect({ type: 'channel_joined' });
    await alice.web.chat.postMessage({ channel: left, text: 'after' });
    await fence(second, joined);
    assert.ok(!texts(second.frames, left).includes('after'));
    await second.close();
  });

  it('a position from before it left and joined again is a gap at the least, and later messages come', async () => {
    const { id: channel } = await createChannel(alice, 'twice-a-member', [bob]);
    const first = await Socket.connect(bob);
    await alice.web.chat.postMessage({ channel, text: 'the first time' });
    await first.expect({ type: 'message', text: 'the first time' });
    const seen = first.frames.length;
    await bob.web.conversations.leave({ channel });
    await first.expect({ type: 'channel_left', channel });
    await alice.web.chat.postMessage({ channel, text: 'without him' });
    await bob.web.conversations.join({ channel });
    await first.expect({ type: 'channel_joined' });
    first.cut();
    await first.closed;
    // Of the channel it knows a position of the first membership, of its own stream the newest.
    const frames = first.frames.filter((frame, i) => i < seen || frame.stream === bob.id);
    const second = await Socket.connect(bob, resumeWith(first.boot.session, frames));
    await second.expect({ type: 'gap', stream: channel });
    await fence(second, channel);
    await second.close();
  });

  it('the official RTM package resumes by its start options', async () => {
    const { id: channel } = await createChannel(alice, 'by-sdk', [bob]);
    const first = await Listener.connect(server, bob);
    const { ts } = await alice.web.chat.postMessage({ channel, text: 'seen' });
    await first.expect('message', { ts });
    const frames = first.received.map((r) => r.event);
    await first.close();
    await alice.web.chat.postMessage({ channel, text: 'missed' });
    const second = await Listener.connect(server, bob, { start: resumeWith(first.boot.session, frames) });
    await second.expect('message', { channel, text: 'missed' });
    second.hasNot('message', { ts });
    await second.close();
  });

  it('after a restart of the server it gets exactly what it missed', async () => {
    const other = await Throngd.start();
    const team = await createWorkspace(other, 'acme');
    const { alice: ann, bob: ben } = team.people;
    const first = await Socket.connect(ben);
    await ann.web.chat.postMessage({ channel: team.general, text: 'seen' });
    await first.expect({ type: 'message', text: 'seen' });
    await ann.web.chat.postMessage({ channel: team.general, text: 'missed' });
    await other.kill();
    await first.closed;
    await other.launch();
    const again = webClient(other.client, ann.token); // its port is another one
    await again.chat.postMessage({ channel: team.general, text: 'missed too' });
    const before = first.frames.filter((f) => f.text !== 'missed');
    const boot = await webClient(other.client, ben.token).rtm.connect(resumeWith(first.boot.session, before));
    assert.equal(boot.resumed, true);
    assert.equal(boot.session, first.boot.session, 'it goes on under its id, though nobody remembers it');
    const second = await Socket.open(boot.url);
    await again.chat.postMessage({ channel: team.general, text: 'live' });
    await second.expect({ type: 'message', text: 'live' });
    assert.deepEqual(texts(second.frames, team.general), ['missed', 'missed too', 'live']);
    assert.ok(!second.frames.some((f) => f.type === 'gap' && f.stream === team.general));
    await second.close();
    await other.stop();
  });

  it('an unknown session and someone else\'s are not resumed, and it says so', async () => {
    const stranger = await Socket.connect(carol);
    for (const session of ['nonsense', 'S0NOSUCH0001', stranger.boot.session]) {
      const boot = await bob.web.rtm.connect({ session, cursors: '{}' });
      assert.equal(boot.resumed, false, session);
      assert.notEqual(boot.session, session);
      // With cursors a new one of her own carries on there.
      const next = await bob.web.rtm.connect({ session, cursors: JSON.stringify({ [acme.general]: [1, 1] }) });
      assert.equal(next.resumed, true, session);
      assert.notEqual(next.session, session);
    }
    stranger.send({ id: 1, type: 'ping' });
    await stranger.expect({ type: 'pong' });
    await stranger.close();
  });

  it('cursors that are none are refused', async () => {
    const known = await Socket.connect(bob);
    for (const cursors of ['not json', '[]', '{"C0":5}', `{"${acme.general}":7}`, `{"${acme.general}":[-1,"x"]}`, `{"${acme.general}":[1]}`]) {
      const answer = await bob.web.rtm.connect({ session: known.boot.session, cursors }).then(() => undefined, (error) => error.data.error);
      assert.ok(answer, `cursors ${cursors} were taken`);
    }
    await known.close();
  });

  it('a cursor from the future is a gap', async () => {
    const { id: channel } = await createChannel(alice, 'future', [bob]);
    const first = await Socket.connect(bob);
    await alice.web.chat.postMessage({ channel, text: 'seen' });
    const { epoch } = await first.expect({ type: 'message', text: 'seen' });
    first.cut();
    await first.closed;
    const second = await Socket.connect(bob, { session: first.boot.session, cursors: JSON.stringify({ [channel]: [epoch, 1_000_000] }) });
    await second.expect({ type: 'gap', stream: channel });
    await second.close();
  });
});
