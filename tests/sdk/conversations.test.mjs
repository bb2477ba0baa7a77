// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { assertHas, ids, refused, seconds, ts } from './support/expect.mjs';
import { Throngd } from './support/throngd.mjs';
import { addPerson, createChannel, createWorkspace, installBot } from './support/workspace.mjs';

const server = await Throngd.start();
const acme = await createWorkspace(server, 'acme', ['alice', 'bob', 'carol', 'dave']);
const { alice, bob, carol, dave } = acme.people;
const robot = await installBot(acme, 'robot');
const unknownChannel = 'C0NOSUCH0001';
const unknownUser = 'U0NOSUCH0001';

describe('conversations', () => {
  after(() => server.stop());

  describe('create', () => {
    it('makes a public channel with its creator in it', async () => {
      const { channel } = await alice.web.conversations.create({ name: 'made' });
      assertHas(channel, { id: ids.channel, name: 'made', name_normalized: 'made', is_channel: true, is_group: false, is_im: false,
        is_mpim: false, is_private: false, is_general: false, is_archived: false, is_member: true, creator: alice.id, created: seconds,
        topic: { value: '' }, purpose: { value: '' }, previous_names: [] });
    });

    it('makes a private one that only members see', async () => {
      const { channel } = await alice.web.conversations.create({ name: 'made-secret', is_private: true });
      assertHas(channel, { is_private: true, is_member: true });
      await refused(bob.web.conversations.info({ channel: channel.id }), 'channel_not_found');
      await refused(bob.web.conversations.join({ channel: channel.id }), 'channel_not_found');
      await refused(bob.web.conversations.history({ channel: channel.id }), 'channel_not_found');
      await refused(bob.web.conversations.members({ channel: channel.id }), 'channel_not_found');
      await refused(bob.web.chat.postMessage({ channel: channel.id, text: 'hi' }), 'channel_not_found');
      const { channels } = await bob.web.conversations.list({ types: 'public_channel,private_channel', limit: 1000 });
      assert.ok(!channels.some((c) => c.id === channel.id));
    });

    it('refuses bad names, each with its code', async () => {
      await alice.web.conversations.create({ name: 'taken' });
      const cases = [['taken', 'name_taken'], ['', /^invalid_name_required$|^missing_argument$|^invalid_arguments$/], ['x'.repeat(81), 'invalid_name_maxlength'],
        ['With-Capitals', /^invalid_name/], ['with space', 'invalid_name_specials'], ['a.b', /^invalid_name_(specials|punctuation)$/],
        ['---', /^invalid_name(_punctuation)?$/], ['general', 'name_taken']];
      for (const [name, code] of cases) {
        const answer = await alice.web.conversations.create({ name }).then(() => 'ok', (error) => error.data?.error ?? String(error));
        if (code instanceof RegExp) assert.match(answer, code, name);
        else assert.equal(answer, code, name);
      }
      assertHas(await alice.web.conversations.create({ name: 'y'.repeat(80) }), { channel: { name: 'y'.repeat(80) } });
      assertHas(await alice.web.conversations.create({ name: 'größe-日本_1' }), { channel: { name: 'größe-日本_1' } });
    });
  });

  describe('list and info', () => {
    it('list gives the public channels, and private ones only to members', async () => {
      const open = await createChannel(alice, 'listed-open');
      const secret = await createChannel(alice, 'listed-secret', [], { is_private: true });
      const names = async (web, types) => (await web.conversations.list({ types, limit: 1000 })).channels.map((c) => c.name);
      assert.ok((await names(bob.web, 'public_channel')).includes(open.name));
      assert.ok(!(await names(bob.web, 'public_channel,private_channel')).includes(secret.name));
      assert.ok((await names(alice.web, 'public_channel,private_channel')).includes(secret.name));
      assert.deepEqual((await names(alice.web, 'private_channel')).filter((n) => n === open.name), []);
      const { channels } = await bob.web.conversations.list({ limit: 1000 });
      assertHas(channels.find((c) => c.id === acme.general), { name: 'general', is_general: true, is_member: true, num_members: 4 });
      assertHas(channels.find((c) => c.id === open.id), { is_member: false, num_members: 1 });
    });

    it('list leaves archived ones out if asked to', async () => {
      const old = await createChannel(alice, 'listed-old');
      await alice.web.conversations.archive({ channel: old.id });
      const has = async (args) => (await alice.web.conversations.list({ limit: 1000, ...args })).channels.some((c) => c.id === old.id);
      assert.equal(await has({}), true);
      assert.equal(await has({ exclude_archived: true }), false);
    });

    it('list refuses unknown types, cursors and limits', async () => {
      await refused(alice.web.conversations.list({ types: 'public_channel,nonsense' }), 'invalid_types');
      await refused(alice.web.conversations.list({ cursor: 'nonsense' }), 'invalid_cursor');
      await refused(alice.web.conversations.list({ limit: -1 }), 'invalid_limit');
      assert.ok((await alice.web.conversations.list({ limit: 5000 })).channels.length > 0, 'a limit that is too large is clamped');
    });

    it('info shows a channel, its member count and the read cursor', async () => {
      const channel = await createChannel(alice, 'informed', [bob]);
      const posted = await alice.web.chat.postMessage({ channel: channel.id, text: 'first' });
      await bob.web.conversations.mark({ channel: channel.id, ts: posted.ts });
      const answer = await bob.web.conversations.info({ channel: channel.id, include_num_members: true });
      assertHas(answer.channel, { id: channel.id, name: 'informed', num_members: 2, is_member: true, last_read: posted.ts });
      await refused(alice.web.conversations.info({ channel: unknownChannel }), 'channel_not_found');
      await refused(alice.web.conversations.info({ channel: 'rubbish' }), 'channel_not_found');
    });

    it('members lists people', async () => {
      const channel = await createChannel(alice, 'membered', [bob, carol]);
      const { members } = await alice.web.conversations.members({ channel: channel.id });
      assert.deepEqual([...members].sort(), [alice.id, bob.id, carol.id].sort());
      await refused(alice.web.conversations.members({ channel: unknownChannel }), 'channel_not_found');
      await refused(alice.web.conversations.members({ channel: channel.id, cursor: 'nonsense' }), 'invalid_cursor');
    });

    it('users.conversations lists what one is in', async () => {
      const channel = await createChannel(alice, 'mine', [bob]);
      const of = async (web, args = {}) => (await web.users.conversations({ limit: 1000, ...args })).channels.map((c) => c.id);
      assert.ok((await of(bob.web)).includes(channel.id));
      assert.ok(!(await of(carol.web)).includes(channel.id));
      assert.ok((await of(alice.web, { user: bob.id })).includes(channel.id));
      await refused(alice.web.users.conversations({ types: 'nonsense' }), 'invalid_types');
    });
  });

  describe('join, leave, invite, kick', () => {
    it('join makes a member, and again is fine with a warning', async () => {
      const channel = await createChannel(alice, 'joined');
      assertHas(await bob.web.conversations.join({ channel: channel.id }), { channel: { id: channel.id, is_member: true } });
      assertHas(await bob.web.conversations.join({ channel: channel.id }), { ok: true, warning: /already_in_channel/ });
      await refused(bob.web.conversations.join({ channel: unknownChannel }), 'channel_not_found');
    });

    it('leave, and leaving what one is not in', async () => {
      const channel = await createChannel(alice, 'left', [bob]);
      await bob.web.conversations.leave({ channel: channel.id });
      assertHas(await bob.web.conversations.leave({ channel: channel.id }), { ok: true, not_in_channel: true });
      assert.deepEqual((await alice.web.conversations.members({ channel: channel.id })).members, [alice.id]);
      await refused(alice.web.conversations.leave({ channel: acme.general }), 'cant_leave_general');
      await refused(alice.web.conversations.leave({ channel: unknownChannel }), 'channel_not_found');
    });

    it('a private channel is never left empty', async () => {
      const channel = await createChannel(alice, 'left-alone', [], { is_private: true });
      await refused(alice.web.conversations.leave({ channel: channel.id }), 'last_member');
    });

    it('invite, one and several, and what it refuses', async () => {
      const channel = await createChannel(alice, 'invited');
      await refused(bob.web.conversations.invite({ channel: channel.id, users: carol.id }), 'not_in_channel');
      assertHas(await alice.web.conversations.invite({ channel: channel.id, users: `${bob.id},${carol.id}` }), { channel: { id: channel.id } });
      assert.equal((await alice.web.conversations.members({ channel: channel.id })).members.length, 3);
      await refused(alice.web.conversations.invite({ channel: channel.id, users: bob.id }), 'already_in_channel');
      await refused(alice.web.conversations.invite({ channel: channel.id, users: alice.id }), 'cant_invite_self');
      await refused(alice.web.conversations.invite({ channel: channel.id, users: unknownUser }), 'user_not_found');
      await refused(alice.web.conversations.invite({ channel: unknownChannel, users: bob.id }), 'channel_not_found');
      await refused(alice.web.conversations.invite({ channel: channel.id, users: '' }), 'no_user');
      await bob.web.conversations.invite({ channel: channel.id, users: robot.id });
      assert.ok((await robot.web.conversations.info({ channel: channel.id })).channel.is_member);
    });

    it('kick, and what it refuses', async () => {
      const channel = await createChannel(alice, 'kicked', [bob]);
      await refused(alice.web.conversations.kick({ channel: channel.id, user: alice.id }), 'cant_kick_self');
      await refused(alice.web.conversations.kick({ channel: acme.general, user: bob.id }), 'cant_kick_from_general');
      await refused(alice.web.conversations.kick({ channel: channel.id, user: carol.id }), 'not_in_channel');
      await refused(alice.web.conversations.kick({ channel: channel.id, user: unknownUser }), 'user_not_found');
      await refused(alice.web.conversations.kick({ channel: unknownChannel, user: bob.id }), 'channel_not_found');
      await alice.web.conversations.kick({ channel: channel.id, user: bob.id });
      assert.deepEqual((await alice.web.conversations.members({ channel: channel.id })).members, [alice.id]);
    });
  });

  describe('direct messages', () => {
    it('open makes one for two people, once, from either side', async () => {
      const first = await alice.web.conversations.open({ users: bob.id, return_im: true });
      assertHas(first.channel, { id: ids.direct, is_im: true, user: bob.id });
      const again = await alice.web.conversations.open({ users: bob.id });
      assertHas(again, { already_open: true, no_op: true, channel: { id: first.channel.id } });
      assertHas(await bob.web.conversations.open({ users: alice.id }), { channel: { id: first.channel.id } });
      assertHas(await alice.web.conversations.open({ channel: first.channel.id }), { channel: { id: first.channel.id } });
    });

    it('both can post there and nobody else can look', async () => {
      const { channel } = await alice.web.conversations.open({ users: carol.id });
      await alice.web.chat.postMessage({ channel: channel.id, text: 'psst' });
      await carol.web.chat.postMessage({ channel: channel.id, text: 'yes?' });
      assert.deepEqual((await carol.web.conversations.history({ channel: channel.id })).messages.map((m) => m.text), ['yes?', 'psst']);
      await refused(bob.web.conversations.history({ channel: channel.id }), 'channel_not_found');
      await refused(bob.web.conversations.info({ channel: channel.id }), 'channel_not_found');
    });

    it('chat.postMessage to a user id reaches the direct message', async () => {
      const { channel } = await alice.web.chat.postMessage({ channel: dave.id, text: 'hello dave' });
      assert.match(channel, ids.direct);
      assert.equal((await dave.web.conversations.history({ channel })).messages[0].text, 'hello dave');
    });

    it('open makes one for several people', async () => {
      const { channel } = await alice.web.conversations.open({ users: [bob.id, carol.id].join(','), return_im: true });
      assertHas(channel, { is_mpim: true });
      const { members } = await bob.web.conversations.members({ channel: channel.id });
      assert.deepEqual([...members].sort(), [alice.id, bob.id, carol.id].sort());
      assert.equal((await carol.web.conversations.open({ users: `${bob.id},${alice.id}` })).channel.id, channel.id);
    });

    it('close hides it, again is a no-op, and a channel cannot be closed', async () => {
      const { channel } = await bob.web.conversations.open({ users: carol.id });
      await bob.web.conversations.close({ channel: channel.id });
      assertHas(await bob.web.conversations.close({ channel: channel.id }), { ok: true, already_closed: true, no_op: true });
      await refused(bob.web.conversations.close({ channel: unknownChannel }), 'channel_not_found');
      await refused(bob.web.conversations.close({ channel: acme.general }), 'method_not_supported_for_channel_type');
    });

    it('open refuses nobody, unknown people and too many', async () => {
      await refused(alice.web.conversations.open({ users: unknownUser }), 'user_not_found');
      await refused(alice.web.conversations.open({}), 'users_list_not_supplied');
      await refused(alice.web.conversations.open({ channel: unknownChannel }), 'channel_not_found');
      const many = [];
      for (let i = 0; i < 9; ++i) many.push((await addPerson(acme, `crowd${i}`)).id);
      await refused(alice.web.conversations.open({ users: many.join(',') }), 'too_many_users');
    });

    it('join, leave and invite are not for direct messages', async () => {
      const { channel } = await alice.web.conversations.open({ users: bob.id });
      const { leave, join, invite, archive, rename } = alice.web.conversations;
      await refused(rename({ channel: channel.id, name: 'x' }), /^(method_not_supported_for_channel_type|channel_not_found)$/);
      const calls = [() => leave({ channel: channel.id }), () => join({ channel: channel.id }), () => archive({ channel: channel.id }),
        () => invite({ channel: channel.id, users: carol.id })];
      for (const call of calls) {
        await refused(call(), 'method_not_supported_for_channel_type');
      }
    });
  });

  describe('rename, topic, purpose, archive', () => {
    it('rename keeps the id and remembers the old name', async () => {
      const channel = await createChannel(alice, 'before');
      assertHas(await alice.web.conversations.rename({ channel: channel.id, name: 'after' }),
        { channel: { id: channel.id, name: 'after', previous_names: ['before'] } });
      assertHas(await bob.web.conversations.info({ channel: channel.id }), { channel: { name: 'after' } });
      await createChannel(bob, 'before');
      await refused(alice.web.conversations.rename({ channel: channel.id, name: 'general' }), 'name_taken');
      await refused(alice.web.conversations.rename({ channel: channel.id, name: 'Bad Name' }), 'invalid_name_specials');
      await refused(alice.web.conversations.rename({ channel: unknownChannel, name: 'x' }), 'channel_not_found');
      await refused(bob.web.conversations.rename({ channel: channel.id, name: 'bobs' }), 'not_in_channel');
    });

    it('setTopic and setPurpose, with their limits', async () => {
      const channel = await createChannel(alice, 'topical');
      assertHas(await alice.web.conversations.setTopic({ channel: channel.id, topic: 'a < b' }), { channel: { topic: { value: 'a &lt; b', creator: alice.id, last_set: seconds } } });
      assertHas(await alice.web.conversations.setPurpose({ channel: channel.id, purpose: 'to test' }), { channel: { purpose: { value: 'to test' } } });
      assertHas(await bob.web.conversations.info({ channel: channel.id }), { channel: { topic: { value: 'a &lt; b' }, purpose: { value: 'to test' } } });
      for (const set of [(web, id, value) => web.conversations.setTopic({ channel: id, topic: value }),
        (web, id, value) => web.conversations.setPurpose({ channel: id, purpose: value })]) {
        await set(alice.web, channel.id, 'é'.repeat(250));
        await refused(set(alice.web, channel.id, 'é'.repeat(251)), 'too_long');
        await refused(set(bob.web, channel.id, 'x'), 'not_in_channel');
        await refused(set(alice.web, unknownChannel, 'x'), 'channel_not_found');
      }
    });

    it('an archived channel is read-only until it is brought back', async () => {
      const channel = await createChannel(alice, 'archived', [bob]);
      await alice.web.chat.postMessage({ channel: channel.id, text: 'last words' });
      await refused(alice.web.conversations.unarchive({ channel: channel.id }), 'not_archived');
      await alice.web.conversations.archive({ channel: channel.id });
      await refused(alice.web.conversations.archive({ channel: channel.id }), 'already_archived');
      await refused(alice.web.chat.postMessage({ channel: channel.id, text: 'one more' }), 'is_archived');
      await refused(alice.web.conversations.setTopic({ channel: channel.id, topic: 'x' }), 'is_archived');
      await refused(carol.web.conversations.join({ channel: channel.id }), 'is_archived');
      await refused(alice.web.conversations.invite({ channel: channel.id, users: carol.id }), 'is_archived');
      assert.ok((await bob.web.conversations.history({ channel: channel.id })).messages.some((m) => m.text === 'last words'));
      await alice.web.conversations.unarchive({ channel: channel.id });
      await alice.web.chat.postMessage({ channel: channel.id, text: 'back' });
      await refused(alice.web.conversations.archive({ channel: acme.general }), 'cant_archive_general');
      await refused(alice.web.conversations.archive({ channel: unknownChannel }), 'channel_not_found');
      await refused(alice.web.conversations.unarchive({ channel: unknownChannel }), 'channel_not_found');
    });
  });

  describe('mark', () => {
    it('moves the read cursor and refuses rubbish', async () => {
      const channel = await createChannel(alice, 'marked');
      const { ts: posted } = await alice.web.chat.postMessage({ channel: channel.id, text: 'x' });
      await alice.web.conversations.mark({ channel: channel.id, ts: posted });
      assertHas(await alice.web.conversations.info({ channel: channel.id }), { channel: { last_read: posted } });
      await refused(alice.web.conversations.mark({ channel: channel.id, ts: 'rubbish' }), 'invalid_timestamp');
      await refused(alice.web.conversations.mark({ channel: unknownChannel, ts: posted }), 'channel_not_found');
      await refused(bob.web.conversations.mark({ channel: channel.id, ts: posted }), 'not_in_channel');
    });
  });

  describe('history and replies', () => {
    it('history is newest first and cut by oldest, latest and inclusive', async () => {
      const channel = await createChannel(alice, 'history');
      const posts = [];
      for (const text of ['one', 'two', 'three', 'four']) posts.push((await alice.web.chat.postMessage({ channel: channel.id, text })).ts);
      assert.ok(posts.every((t) => ts.test(t)));
      const texts = async (args) => (await alice.web.conversations.history({ channel: channel.id, ...args })).messages.filter((m) => !m.subtype).map((m) => m.text);
      assert.deepEqual(await texts({}), ['four', 'three', 'two', 'one']);
      assert.deepEqual(await texts({ oldest: posts[1] }), ['four', 'three']);
      assert.deepEqual(await texts({ oldest: posts[1], inclusive: true }), ['four', 'three', 'two']);
      assert.deepEqual(await texts({ latest: posts[2] }), ['two', 'one']);
      assert.deepEqual(await texts({ latest: posts[2], oldest: posts[0], inclusive: true }), ['three', 'two', 'one']);
      assert.deepEqual(await texts({ latest: posts[3], inclusive: true, limit: 1 }), ['four']);
      const page = await alice.web.conversations.history({ channel: channel.id, limit: 2 });
      assertHas(page, { has_more: true, response_metadata: { next_cursor: (c) => c.length > 0 } });
      await refused(alice.web.conversations.history({ channel: channel.id, oldest: 'rubbish' }), 'invalid_ts_oldest');
      await refused(alice.web.conversations.history({ channel: channel.id, latest: 'rubbish' }), 'invalid_ts_latest');
      await refused(alice.web.conversations.history({ channel: channel.id, cursor: 'rubbish' }), 'invalid_cursor');
      await refused(alice.web.conversations.history({ channel: unknownChannel }), 'channel_not_found');
    });

    it('a person may read a public channel without joining, a bot may not', async () => {
      const channel = await createChannel(alice, 'public-history');
      await alice.web.chat.postMessage({ channel: channel.id, text: 'open to all' });
      assert.ok((await bob.web.conversations.history({ channel: channel.id })).messages.some((m) => m.text === 'open to all'));
      await refused(robot.web.conversations.history({ channel: channel.id }), 'not_in_channel');
    });

    it('replies gives the root and its thread, oldest first', async () => {
      const channel = await createChannel(alice, 'replies', [bob]);
      const root = await alice.web.chat.postMessage({ channel: channel.id, text: 'root' });
      await refused(alice.web.conversations.replies({ channel: channel.id, ts: '1700000000.000100' }), 'thread_not_found');
      await refused(alice.web.conversations.replies({ channel: unknownChannel, ts: root.ts }), 'channel_not_found');
      const first = await bob.web.chat.postMessage({ channel: channel.id, text: 'first', thread_ts: root.ts });
      const second = await alice.web.chat.postMessage({ channel: channel.id, text: 'second', thread_ts: root.ts });
      const { messages } = await alice.web.conversations.replies({ channel: channel.id, ts: root.ts });
      assertHas(messages, [
        { text: 'root', ts: root.ts, thread_ts: root.ts, reply_count: 2, reply_users_count: 2, latest_reply: second.ts,
          reply_users: (users) => [...users].sort().join() === [alice.id, bob.id].sort().join() },
        { text: 'first', ts: first.ts, thread_ts: root.ts, parent_user_id: alice.id },
        { text: 'second', ts: second.ts, thread_ts: root.ts },
      ]);
      const history = await alice.web.conversations.history({ channel: channel.id });
      assert.ok(!history.messages.some((m) => m.text === 'first'), 'a reply is not in the channel itself');
      assertHas(history.messages.find((m) => m.ts === root.ts), { reply_count: 2 });
    });
  });
});
